import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import { STYLE } from './style.ts'

const hash = createHash('sha256').update(STYLE).digest('base64url').slice(0, 22)
const etag = `"${hash}"`

/** The address pages link to. Its query changes with the content, so that a browser may keep the sheet for good. */
export const STYLE_HREF = `/assets/broker.css?v=${hash}`

/** What pages need besides themselves: one style sheet. */
export function pageAssets(): Hono {
  const assets = new Hono()
  assets.get('/assets/broker.css', (c) => {
    c.header('ETag', etag)
    c.header('X-Content-Type-Options', 'nosniff')
    c.header('Cross-Origin-Resource-Policy', 'same-origin')
    // Only the address with this content's hash never changes; any other is asked about again.
    c.header('Cache-Control', c.req.query('v') === hash ? 'public, max-age=31536000, immutable' : 'public, no-cache')
    const known = (c.req.header('If-None-Match') ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''))
    if (known.includes(etag)) return c.body(null, 304)
    return c.body(STYLE, 200, { 'Content-Type': 'text/css; charset=utf-8' })
  })
  return assets
}
