import { importJWK, type CryptoKey, type JWK } from 'jose'
import type { Clock } from './clock.ts'
import { readText } from './read-text.ts'

/**
 * The accepted signature algorithms. `none` and symmetric algorithms are never accepted (RFC 8725
 * §3.1).
 */
export type Algorithm = 'ES256' | 'RS256'
export const ALGORITHMS: readonly Algorithm[] = ['ES256', 'RS256']

/**
 * The issuer's keys cannot be read at the moment, so that a token can be neither accepted nor
 * rejected.
 */
export class KeysUnavailable extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'KeysUnavailable'
  }
}

export interface KeySetOptions {
  /** The address of the JWKS (RFC 7517). */
  uri: string
  fetch: typeof fetch
  clock: Clock
  /** The shortest time between two requests for an unknown `kid`. */
  minRefetchSeconds?: number
  /** The age after which the keys are read again, while requests still use the old ones. */
  maxAgeSeconds?: number
  timeoutMs?: number
  /**
   * True to ignore keys without `alg`, as the keys of the broker have one. Default: the type of the
   * key says it, as Microsoft publishes keys.
   */
  needsAlg?: boolean
  /** Called with the ids of keys that are gone. What they signed must be forgotten. */
  onGone?: (kids: ReadonlySet<string>) => void
  onProblem?: (error: Error) => void
}

interface Key {
  alg: Algorithm
  key: CryptoKey
}

const MAX_JWKS_BYTES = 512 * 1024

/**
 * The public keys of an issuer by `kid`. They are cached, read again for an unknown `kid`, and
 * dropped at once when the broker withdraws them.
 */
export class KeySet {
  fetches = 0
  #keys = new Map<string, Key>()
  readonly #retired = new Set<string>()
  readonly #options: Required<
    Pick<KeySetOptions, 'minRefetchSeconds' | 'maxAgeSeconds' | 'timeoutMs'>
  > &
    KeySetOptions
  #loading: Promise<void> | undefined
  #again = false
  #askedAtMs = -Infinity
  #loadedAtMs = -Infinity

  constructor(options: KeySetOptions) {
    this.#options = { minRefetchSeconds: 5, maxAgeSeconds: 600, timeoutMs: 5000, ...options }
  }

  get size(): number {
    return this.#keys.size
  }
  get loaded(): boolean {
    return this.#loadedAtMs !== -Infinity
  }

  has(kid: string): boolean {
    return this.#keys.has(kid)
  }

  /**
   * Returns the key that a JWS header names, or undefined if the issuer has none with that name for
   * that algorithm. `certain` is true if the issuer was asked for this `kid`, so that the answer is
   * not an earlier one.
   * @throws KeysUnavailable
   */
  async find(
    kid: string,
    alg: Algorithm,
  ): Promise<{ key: CryptoKey } | { key: undefined; certain: boolean }> {
    const now = this.#options.clock.monotonicMs()
    if (
      this.loaded &&
      now - this.#loadedAtMs > this.#options.maxAgeSeconds * 1000 &&
      this.#mayAsk()
    )
      void this.refresh().catch(() => {})
    const known = this.#keys.get(kid)
    if (known !== undefined)
      return known.alg === alg ? { key: known.key } : { key: undefined, certain: true }
    if (this.#retired.has(kid)) return { key: undefined, certain: true }
    const certain = this.#mayAsk()
    if (certain) await this.#load()
    else if (this.#loading !== undefined) await this.#loading
    if (!this.loaded)
      throw new KeysUnavailable(`The keys at ${this.#options.uri} could not be read yet.`)
    const found = this.#keys.get(kid)
    return found?.alg === alg
      ? { key: found.key }
      : { key: undefined, certain: certain || found !== undefined }
  }

  /**
   * Reads the keys because they have changed: whatever the last request was, and again if a request
   * is already under way.
   * @throws KeysUnavailable
   */
  async refresh(): Promise<void> {
    if (this.#loading === undefined) return this.#load()
    this.#again = true
    // The request under way was sent before the change. If it fails, the next one may succeed.
    await this.#loading.catch(() => {})
    if (this.#again) {
      this.#again = false
      await this.#load()
    }
  }

  /** Drops keys that must not be trusted any more, even if a cached JWKS holds them. */
  retire(kids: readonly string[]): void {
    const gone = new Set<string>()
    for (const kid of kids) {
      this.#retired.add(kid)
      if (this.#keys.delete(kid)) gone.add(kid)
    }
    if (gone.size > 0) this.#options.onGone?.(gone)
  }

  #mayAsk(): boolean {
    return (
      this.#options.clock.monotonicMs() - this.#askedAtMs >= this.#options.minRefetchSeconds * 1000
    )
  }

  #load(): Promise<void> {
    this.#loading ??= this.#fetchKeys().finally(() => (this.#loading = undefined))
    return this.#loading
  }

  async #fetchKeys(): Promise<void> {
    const { clock, onGone, onProblem, uri } = this.#options
    this.#askedAtMs = clock.monotonicMs()
    this.fetches++
    let fresh: Map<string, Key>
    try {
      fresh = await this.#read()
    } catch (cause) {
      const error = new KeysUnavailable(`The keys at ${uri} cannot be read.`, { cause })
      onProblem?.(error)
      throw error
    }
    for (const kid of this.#retired) fresh.delete(kid)
    const gone = new Set([...this.#keys.keys()].filter((kid) => !fresh.has(kid)))
    this.#keys = fresh
    this.#loadedAtMs = clock.monotonicMs()
    if (gone.size > 0) onGone?.(gone)
  }

  async #read(): Promise<Map<string, Key>> {
    const { clock, fetch, timeoutMs, uri } = this.#options
    const abort = new AbortController()
    const cancel = clock.after(timeoutMs, () =>
      abort.abort(new Error(`no answer within ${timeoutMs} ms`)),
    )
    try {
      // Some runtimes know neither `redirect: 'error'` nor `cache`. A redirect counts as an answer
      // other than 200.
      const headers = {
        accept: 'application/jwk-set+json, application/json',
        'cache-control': 'no-store',
      }
      const response = await fetch(uri, { headers, redirect: 'manual', signal: abort.signal })
      if (response.status !== 200) {
        await response.body?.cancel()
        throw new Error(`it answered ${response.status}, expected 200`)
      }
      const text = await readText(response, MAX_JWKS_BYTES)
      if (text === undefined) throw new Error('it is too large')
      return await importKeys(JSON.parse(text), this.#options.needsAlg)
    } finally {
      cancel()
    }
  }
}

const BY_TYPE: Readonly<Record<string, Algorithm>> = { 'EC P-256': 'ES256', 'RSA ': 'RS256' }

/**
 * Imports the public signature keys with a `kid` and an accepted algorithm. Other keys of the JWKS
 * are ignored.
 */
async function importKeys(jwks: unknown, needsAlg = false): Promise<Map<string, Key>> {
  const list = (jwks as { keys?: unknown } | null)?.keys
  if (!Array.isArray(list)) throw new Error('it is not a JWKS')
  const keys = new Map<string, Key>()
  for (const jwk of list as JWK[]) {
    const named = jwk?.alg ?? (needsAlg ? undefined : BY_TYPE[`${jwk?.kty} ${jwk?.crv ?? ''}`])
    const alg = ALGORITHMS.find((each) => each === named)
    if (typeof jwk?.kid !== 'string' || (jwk.use ?? 'sig') !== 'sig' || alg === undefined) continue
    const { kty, crv, x, y, n, e } = jwk
    // A key that cannot be imported must not prevent the use of the others.
    const key = await importJWK({ kty, crv, x, y, n, e } as JWK, alg).catch(() => undefined)
    if (key !== undefined && !(key instanceof Uint8Array)) keys.set(jwk.kid, { alg, key })
  }
  return keys
}
