import { importJWK, type CryptoKey, type JWK } from 'jose'
import type { Clock } from './clock.ts'
import { readText } from './read-text.ts'

/**
 * Signature algorithms that are ever accepted; `none` and the symmetric ones are not among them
 * (RFC 8725 §3.1).
 */
export type Algorithm = 'ES256' | 'RS256'
export const ALGORITHMS: readonly Algorithm[] = ['ES256', 'RS256']

/** The issuer's keys cannot be read at the moment: neither good nor bad can be said of a token. */
export class KeysUnavailable extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'KeysUnavailable'
  }
}

export interface KeySetOptions {
  /** Where the JWKS is (RFC 7517). */
  uri: string
  fetch: typeof fetch
  clock: Clock
  /** An unknown `kid` fetches again, at most once in so many seconds. */
  minRefetchSeconds?: number
  /** Read again when older than this, while requests use the old ones. */
  maxAgeSeconds?: number
  timeoutMs?: number
  /** Keys that are gone: what they signed must be forgotten. */
  onGone?: (kids: ReadonlySet<string>) => void
  onProblem?: (error: Error) => void
}

interface Key {
  alg: Algorithm
  key: CryptoKey
}

const MAX_JWKS_BYTES = 512 * 1024

/**
 * An issuer's public keys by `kid`: cached, fetched again for an unknown `kid`, dropped at once
 * when the broker says so.
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
   * The key that a JWS header names. `unknown` where the issuer has none of that name for that
   * algorithm; `certain` says that the issuer was asked for this question, and did not merely
   * answer the last one.
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
   * The keys have changed: fetches them whatever the rate, and again if a fetch was already under
   * way.
   * @throws KeysUnavailable
   */
  async refresh(): Promise<void> {
    if (this.#loading === undefined) return this.#load()
    this.#again = true
    await this.#loading
    if (this.#again) {
      this.#again = false
      await this.#load()
    }
  }

  /** These are not to be trusted any more, whatever a cached JWKS says. */
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
      // Neither `redirect: 'error'` nor `cache` is known to every runtime: a redirect is an answer
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
      return await importKeys(JSON.parse(text))
    } finally {
      cancel()
    }
  }
}

/**
 * Public signature keys with a `kid`, of algorithms that are accepted; other keys of a JWKS are
 * ignored.
 */
async function importKeys(jwks: unknown): Promise<Map<string, Key>> {
  const list = (jwks as { keys?: unknown } | null)?.keys
  if (!Array.isArray(list)) throw new Error('it is not a JWKS')
  const keys = new Map<string, Key>()
  for (const jwk of list as JWK[]) {
    const alg =
      jwk?.alg ??
      (jwk?.kty === 'EC' && jwk.crv === 'P-256'
        ? 'ES256'
        : jwk?.kty === 'RSA'
          ? 'RS256'
          : undefined)
    if (
      typeof jwk?.kid !== 'string' ||
      (jwk.use ?? 'sig') !== 'sig' ||
      !ALGORITHMS.includes(alg as Algorithm)
    )
      continue
    const { kty, crv, x, y, n, e } = jwk
    // One key that cannot be imported must not take the others with it.
    const key = await importJWK({ kty, crv, x, y, n, e } as JWK, alg as string).catch(
      () => undefined,
    )
    if (key !== undefined && !(key instanceof Uint8Array))
      keys.set(jwk.kid, { alg: alg as Algorithm, key })
  }
  return keys
}
