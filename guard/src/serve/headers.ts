/** Reads the headers of a request as received, without joining or dropping repeated ones. */

/**
 * Folds a header name as CGI and WSGI programs do: they take `X_Guard_Sub` for `X-Guard-Sub`, and
 * some (lighttpd) `X.Guard.Sub` too.
 */
const foldName = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '-')

/** Returns every value of a header. @param folded the folded name */
export function valuesOf(rawHeaders: readonly string[], folded: string): string[] {
  const values: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (foldName(rawHeaders[at] ?? '') === folded) values.push(rawHeaders[at + 1] ?? '')
  return values
}

/** Upper bound of cached names, so that invented names do not fill the memory. */
const MOST_KNOWN = 1000
const OURS = -2
const CONNECTION = -3
const OVERRIDE = -4

/**
 * Folded names of headers by which some applications replace the method or path of the request
 * line, which rules do not see.
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

/** Stands for the value of a header that was sent more than once. */
export const REPEATED = Symbol('repeated')
export type Once = string | typeof REPEATED | undefined

/**
 * Reads the headers of a check in one pass. It caches folded names, because folding them for each
 * request costs more than the rest.
 */
export class HeaderReader {
  readonly #wanted: readonly string[]
  readonly #prefix: string
  readonly #kinds = new Map<string, number>()

  /**
   * Creates a reader. @param identityPrefix the prefix of identity headers, which no client may
   * send
   */
  constructor(wanted: readonly string[], identityPrefix: string) {
    this.#wanted = wanted.map(foldName)
    this.#prefix = foldName(identityPrefix)
  }

  /**
   * Returns the wanted headers in order. If the client sent an identity header or one that
   * overrides the request line, returns that reason.
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

  /**
   * Returns whether `Connection` names an identity header: the next proxy would remove it (RFC 9110
   * §7.6.1).
   */
  #takesAway(value: string): boolean {
    return value.split(',').some((name) => this.#isOurs(foldName(name.trim())))
  }
}
