import { createHash } from 'node:crypto'
import type { Context } from 'hono'

export interface PageSecurity {
  /**
   * Addresses or origins other than the broker's that a form of this page may lead to. Browsers
   * apply this to every redirect after the form too (CSP 3 §6.4).
   */
  formAction?: readonly (string | undefined)[] | undefined
  /**
   * The page's inline scripts, which are constants. Each is allowed by its hash, so that no other
   * script runs.
   */
  scripts?: readonly string[] | undefined
  /** True if a script of the page requests data from the broker. */
  reads?: boolean | undefined
}

/** Returns the CSP source expression of an address. */
const source = (address: string): string | undefined =>
  URL.canParse(address) ? new URL(address).origin : undefined

const hashes = new Map<string, string>()

/**
 * Returns the CSP source expression of a script. It is cached, because there are few scripts and
 * all are constants.
 */
function hashed(script: string): string {
  const known =
    hashes.get(script) ?? `'sha256-${createHash('sha256').update(script).digest('base64')}'`
  hashes.set(script, known)
  return known
}

/** Sets the headers of every page: a strict Content Security Policy, no framing, no caching. */
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
  // With `no-referrer`, browsers send `Origin: null` with the broker's own forms, and the check
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
