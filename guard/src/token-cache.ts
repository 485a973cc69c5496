import type { AccessClaims } from './claims.ts'

export interface Verified {
  claims: AccessClaims
  kid: string
  /** The ledger's version at which the token was last found valid. */
  version: number
}

/**
 * Tokens whose signature was verified. The least recently used token is dropped first. The validity
 * of a token is checked at each use.
 */
export class TokenCache {
  readonly #tokens = new Map<string, Verified>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#tokens.size
  }

  get(token: string): Verified | undefined {
    const found = this.#tokens.get(token)
    // The order of use matters only when the cache is nearly full.
    if (found === undefined || this.#tokens.size * 2 < this.#limit) return found
    this.#tokens.delete(token)
    this.#tokens.set(token, found)
    return found
  }

  set(token: string, verified: Verified): void {
    if (this.#limit === 0) return
    this.#tokens.set(token, verified)
    if (this.#tokens.size <= this.#limit) return
    const oldest = this.#tokens.keys().next()
    if (oldest.done !== true) this.#tokens.delete(oldest.value)
  }

  delete(token: string): void {
    this.#tokens.delete(token)
  }

  /** Drops tokens of withdrawn keys, which are not trusted any more. */
  dropKeys(kids: ReadonlySet<string>): void {
    for (const [token, { kid }] of this.#tokens) if (kids.has(kid)) this.#tokens.delete(token)
  }

  sweep(isOver: (claims: AccessClaims) => boolean): void {
    for (const [token, { claims }] of this.#tokens) if (isOver(claims)) this.#tokens.delete(token)
  }
}
