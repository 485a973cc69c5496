/**
 * The cookies of one browser by the rules of RFC 6265 that a server relies on: host, path,
 * `Secure`, expiry, name prefixes, `SameSite`.
 */

export interface Cookie {
  name: string
  value: string
  domain: string
  /** A cookie without a `Domain` attribute is sent only to this host (§5.3, step 6). */
  hostOnly: boolean
  path: string
  secure: boolean
  sameSite: 'Strict' | 'Lax' | 'None'
  /** Infinity for a cookie that ends with the browser. */
  expiresAtMs: number
}

/**
 * Returns whether a cookie with `Secure` is accepted. Browsers accept it over plain HTTP from the
 * machine itself (W3C Secure Contexts §3.1).
 */
const isTrustworthy = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || /(?:^|\.)localhost$|^127\.|^\[::1\]$/.test(hostname)

const isWithin = (host: string, domain: string): boolean =>
  host === domain || (host.endsWith(`.${domain}`) && !/^[\d.]+$|^\[/.test(host))

/** Returns the default path of a cookie (§5.1.4). */
const defaultPath = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/'
const pathMatches = (asked: string, path: string): boolean =>
  asked === path || asked.startsWith(path.endsWith('/') ? path : `${path}/`)

const prefixHolds = ({ name, secure, hostOnly, path }: Cookie): boolean =>
  !(name.startsWith('__Secure-') && !secure) &&
  !(name.startsWith('__Host-') && !(secure && hostOnly && path === '/'))

export class CookieJar implements Iterable<Cookie> {
  readonly #cookies = new Map<string, Cookie>()
  readonly #nowMs: () => number
  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs
  }

  /**
   * Keeps, replaces or deletes a cookie by a `Set-Cookie` line (§5.3). A line that a browser
   * ignores has no effect.
   */
  keep(address: string, line: string): void {
    const url = new URL(address)
    const [pair = '', ...rest] = line.split(';')
    const [name, value] = split(pair)
    const attributes = new Map(
      rest.map((attribute) => split(attribute)).map(([key, text]) => [key.toLowerCase(), text]),
    )
    const domain = (attributes.get('domain') ?? '').replace(/^\./, '').toLowerCase()
    const path = attributes.get('path') ?? ''
    const cookie: Cookie = {
      name,
      value,
      domain: domain || url.hostname,
      hostOnly: domain === '',
      path: path.startsWith('/') ? path : defaultPath(url.pathname),
      secure: attributes.has('secure'),
      sameSite:
        (['Strict', 'None'] as const).find(
          (candidate) => candidate.toLowerCase() === attributes.get('samesite')?.toLowerCase(),
        ) ?? 'Lax',
      expiresAtMs: this.#endOf(attributes),
    }
    if (
      name === '' ||
      !isWithin(url.hostname, cookie.domain) ||
      !prefixHolds(cookie) ||
      (cookie.secure && !isTrustworthy(url))
    )
      return
    const key = [name, cookie.domain, cookie.path].join(';')
    if (cookie.expiresAtMs <= this.#nowMs()) this.#cookies.delete(key)
    else this.#cookies.set(key, cookie)
  }

  /**
   * Returns the cookies of a request to this address (§5.4), longer paths first. A POST from
   * another site carries only cookies with `SameSite=None`.
   */
  header(address: string, postFromOtherSite = false): string {
    const url = new URL(address)
    return [...this]
      .filter(
        (cookie) =>
          (cookie.hostOnly
            ? url.hostname === cookie.domain
            : isWithin(url.hostname, cookie.domain)) && pathMatches(url.pathname, cookie.path),
      )
      .filter(
        (cookie) =>
          (!cookie.secure || isTrustworthy(url)) &&
          (!postFromOtherSite || cookie.sameSite === 'None'),
      )
      .toSorted((a, b) => b.path.length - a.path.length)
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ')
  }

  get(name: string): string | undefined {
    return [...this].find((cookie) => cookie.name === name)?.value
  }
  has(name: string): boolean {
    return this.get(name) !== undefined
  }
  *[Symbol.iterator](): Iterator<Cookie> {
    for (const cookie of this.#cookies.values())
      if (cookie.expiresAtMs > this.#nowMs()) yield cookie
  }

  /** `Max-Age` takes precedence over `Expires` (§5.3, step 3). */
  #endOf(attributes: ReadonlyMap<string, string>): number {
    const maxAge = attributes.get('max-age') ?? ''
    if (/^-?\d+$/.test(maxAge))
      return Number(maxAge) <= 0 ? -Infinity : this.#nowMs() + Number(maxAge) * 1000
    const expires = Date.parse(attributes.get('expires') ?? '')
    return Number.isNaN(expires) ? Infinity : expires
  }
}

/** Splits a pair into name and value at the first `=`. */
function split(text: string): [string, string] {
  const at = text.indexOf('=')
  return at < 0 ? [text.trim(), ''] : [text.slice(0, at).trim(), text.slice(at + 1).trim()]
}
