import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Context, Hono } from 'hono'

/** Style sheets and browser scripts are files beside the module that uses them, read once at start. `scripts/build.mjs` copies them to dist. */

/** @param module `import.meta.url` of the module beside which the file is */
export const readAsset = (module: string, name: string): string => readFileSync(new URL(name, module), 'utf8')

interface Sheet {
  path: string
  /** The address pages link to. Its query changes with the content, so that a browser may keep the sheet for good. */
  href: string
  serve(c: Context): Response
}

export function styleSheet(path: string, css: string): Sheet {
  const hash = createHash('sha256').update(css).digest('base64url').slice(0, 22)
  const etag = `"${hash}"`
  const serve = (c: Context): Response => {
    c.header('ETag', etag)
    c.header('X-Content-Type-Options', 'nosniff')
    c.header('Cross-Origin-Resource-Policy', 'same-origin')
    // Only the address with this content's hash never changes; any other is asked about again.
    c.header('Cache-Control', c.req.query('v') === hash ? 'public, max-age=31536000, immutable' : 'public, no-cache')
    const known = (c.req.header('If-None-Match') ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''))
    if (known.includes(etag)) return c.body(null, 304)
    return c.body(css, 200, { 'Content-Type': 'text/css; charset=utf-8' })
  }
  return { path, href: `${path}?v=${hash}`, serve }
}

const SHEET = styleSheet('/assets/broker.css', readAsset(import.meta.url, './broker.css'))

export const STYLE_HREF = SHEET.href

/** What pages need besides themselves: one style sheet. */
export const pageAssets = (): Hono => new Hono().get(SHEET.path, SHEET.serve)
