/**
 * The headers of a request as they were received: none is joined with another, and none is lost
 * because it came twice.
 */

/**
 * Names as CGI and WSGI programs compare them: all take `X_Guard_Sub` for `X-Guard-Sub`, and some
 * (lighttpd) `X.Guard.Sub` too.
 */
const foldName = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '-')

/** Every value of a header. @param folded the name, folded */
export function valuesOf(rawHeaders: readonly string[], folded: string): string[] {
  const values: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (foldName(rawHeaders[at] ?? '') === folded) values.push(rawHeaders[at + 1] ?? '')
  return values
}

/** Names that clients invent do not fill the memory. */
const MOST_KNOWN = 1000
const OURS = -2
const CONNECTION = -3
const OVERRIDE = -4

/**
 * Names, folded, by which some applications serve another method or path than that of the request
 * line. A rule knows only the latter.
 */
const OVERRIDES = [
  ...['x-http-method-override', 'x-http-method', 'x-method-override'],
  ...[
    'x-original-url',
    'x-original-uri',
    'x-rewrite-url',
    'x-rewrite-uri',
    'x-override-url',
    'x-script-name',
  ],
]

/** A header that is there more than once. */
export const REPEATED = Symbol('repeated')
export type Once = string | typeof REPEATED | undefined

/**
 * Reads the few headers that a check needs in one pass: folding each name for each request costs
 * more than all the rest of it.
 */
export class HeaderReader {
  readonly #wanted: readonly string[]
  readonly #prefix: string
  readonly #kinds = new Map<string, number>()

  /** @param identityPrefix what only this program says: no client may send a name that begins so */
  constructor(wanted: readonly string[], identityPrefix: string) {
    this.#wanted = wanted.map(foldName)
    this.#prefix = foldName(identityPrefix)
  }

  /**
   * @returns the wanted ones in their order; or that the client has sent what only this program
   * says, or what overrides the request line
   */
  read(rawHeaders: readonly string[]): Once[] | 'identity_header' | 'override_header' {
    const found: Once[] = []
    for (let at = 0; at < rawHeaders.length; at += 2) {
      const kind = this.#kindOf(rawHeaders[at] ?? '')
      const value = rawHeaders[at + 1] ?? ''
      if (kind === OURS || (kind === CONNECTION && this.#takesAway(value))) return 'identity_header'
      if (kind === OVERRIDE) return 'override_header'
      if (kind >= 0) found[kind] = found[kind] === undefined ? value : REPEATED
    }
    return found
  }

  #kindOf(name: string): number {
    const known = this.#kinds.get(name)
    if (known !== undefined) return known
    const folded = foldName(name)
    const special = this.#isOurs(folded)
      ? OURS
      : folded === 'connection'
        ? CONNECTION
        : OVERRIDES.includes(folded)
          ? OVERRIDE
          : undefined
    const kind = special ?? this.#wanted.indexOf(folded)
    if (this.#kinds.size < MOST_KNOWN) this.#kinds.set(name, kind)
    return kind
  }

  #isOurs(folded: string): boolean {
    return folded.startsWith(this.#prefix) || folded === this.#prefix.slice(0, -1)
  }

  /** A name in `Connection` is a header that the next proxy removes (RFC 9110 §7.6.1). */
  #takesAway(value: string): boolean {
    return value.split(',').some((name) => this.#isOurs(foldName(name.trim())))
  }
}
