import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Context } from 'hono'

/**
 * Reads style sheets and browser scripts, which are files beside the module that uses them, once at
 * start. `scripts/build.mjs` copies them to dist.
 */

/**
 * Reads a file beside a module.
 * @param module `import.meta.url` of that module
 */
export const readAsset = (module: string, name: string): string =>
  readFileSync(new URL(name, module), 'utf8')

export interface Asset {
  path: string
  /**
   * The address that pages link to. Its query changes with the content, so that a browser can cache
   * it permanently.
   */
  href: string
  serve(c: Context): Response
}

export const styleSheet = (path: string, css: string): Asset =>
  asset(path, 'text/css; charset=utf-8', css)

export function asset(path: string, type: string, content: string | Buffer<ArrayBuffer>): Asset {
  const hash = createHash('sha256').update(content).digest('base64url').slice(0, 22)
  const etag = `"${hash}"`
  const serve = (c: Context): Response => {
    c.header('ETag', etag)
    c.header('X-Content-Type-Options', 'nosniff')
    c.header('Cross-Origin-Resource-Policy', 'same-origin')
    // Only the address with this content's hash never changes. A browser revalidates any other.
    c.header(
      'Cache-Control',
      c.req.query('v') === hash ? 'public, max-age=31536000, immutable' : 'public, no-cache',
    )
    const known = (c.req.header('If-None-Match') ?? '')
      .split(',')
      .map((tag) => tag.trim().replace(/^W\//, ''))
    if (known.includes(etag)) return c.body(null, 304)
    return c.body(content, 200, { 'Content-Type': type })
  }
  return { path, href: `${path}?v=${hash}`, serve }
}
