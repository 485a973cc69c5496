import { createHash } from 'node:crypto'
import type { Context } from 'hono'

export interface PageSecurity {
  /**
   * Besides ourselves, where a form of this page may lead: browsers check every redirect that
   * follows it too (CSP 3 §6.4). Addresses or origins.
   */
  formAction?: readonly (string | undefined)[] | undefined
  /**
   * The page's inline scripts, constants of ours: allowed by their hashes, so that nothing else
   * runs.
   */
  scripts?: readonly string[] | undefined
  /** Whether a script of the page asks the broker for what is new. */
  reads?: boolean | undefined
}

/** The source expression of an address. */
const source = (address: string): string | undefined =>
  URL.canParse(address) ? new URL(address).origin : undefined

const hashes = new Map<string, string>()

/**
 * The source expression of a script, worked out once for each: there are few, and all are
 * constants.
 */
function hashed(script: string): string {
  const known =
    hashes.get(script) ?? `'sha256-${createHash('sha256').update(script).digest('base64')}'`
  hashes.set(script, known)
  return known
}

/** Every page of ours: strict Content Security Policy, never framed, never stored. */
export function setPageHeaders(c: Context, security: PageSecurity = {}): void {
  const targets = new Set(
    (security.formAction ?? []).flatMap((address) =>
      address === undefined ? [] : (source(address) ?? []),
    ),
  )
  const policy = [
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self' data:",
    ["form-action 'self'", ...targets].join(' '),
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ]
  const { scripts = [] } = security
  if (scripts.length > 0) policy.push(['script-src', ...scripts.map(hashed)].join(' '))
  if (security.reads) policy.push("connect-src 'self'")
  c.header('Content-Security-Policy', policy.join('; '))
  c.header('X-Frame-Options', 'DENY')
  c.header('X-Content-Type-Options', 'nosniff')
  c.header('Cache-Control', 'no-store')
  // Not no-referrer: with that, browsers send `Origin: null` with our own forms, and the check
  // against forged requests needs the origin.
  c.header('Referrer-Policy', 'same-origin')
  c.header('Cross-Origin-Opener-Policy', 'same-origin')
  c.header('Cross-Origin-Resource-Policy', 'same-origin')
  c.header(
    'Permissions-Policy',
    'camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()',
  )
  c.header('X-Robots-Tag', 'noindex')
}
