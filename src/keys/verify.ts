import { importPublic, readUnverified, verifyCompact } from './jws.ts'

/**
 * Verifies JWTs of one foreign issuer with the keys it publishes. Keys are fetched on first use,
 * cached, and fetched again when they are old or a `kid` is unknown. The cooldown limits this, so
 * that forged `kid`s cannot make the broker flood an issuer.
 */

export type Verified =
  | { outcome: 'good'; claims: Record<string, unknown> }
  | { outcome: 'bad'; why: 'malformed' | 'algorithm' | 'unknown_key' | 'signature' }

export interface JwksVerifier {
  /**
   * Verifies only signature and algorithm; the caller checks the claims. The header needs a `kid`.
   * @throws the error of `fetchKeys` if there are no keys to verify with: an outage, not a forgery
   */
  verify(jwt: string, algorithms: string[]): Promise<Verified>
  /**
   * Fetches the keys if they are missing or too old, and returns their number.
   * @throws the error of `fetchKeys`
   */
  warm(): Promise<number>
}

type Jwk = Record<string, unknown>

interface JwksSource {
  fetchKeys(): Promise<readonly Jwk[]>
  nowMs(): number
  /** The age from which keys are fetched again. */
  maxAgeSeconds?: number
  /** The shortest interval between two fetches for an unknown `kid`. */
  cooldownSeconds?: number
  /** The age up to which keys may be used while fetching fails. */
  staleSeconds?: number
}

interface Kept {
  keys: ReadonlyMap<string, Jwk>
  atMs: number
}

const KEY_TYPE: Readonly<Record<string, string>> = { RS: 'RSA', PS: 'RSA', ES: 'EC' }

/** Returns whether the key is a signing key for that algorithm (RFC 7517 §4.2 to §4.4). */
const serves = (jwk: Jwk, alg: string): boolean =>
  jwk.kty === KEY_TYPE[alg.slice(0, 2)] &&
  (jwk.use === undefined || jwk.use === 'sig') &&
  (jwk.alg === undefined || jwk.alg === alg)

/**
 * Caches the keys of one source. They are fetched when they are too old or a kid is unknown, but no
 * more often than the source allows.
 */
function keysOf(source: JwksSource) {
  const { maxAgeSeconds = 3600, cooldownSeconds = 60, staleSeconds = 86_400 } = source
  let kept: Kept | undefined
  let triedAtMs = Number.NEGATIVE_INFINITY
  let fetching: Promise<Kept> | undefined

  const refresh = (): Promise<Kept> => {
    triedAtMs = source.nowMs()
    fetching ??= source
      .fetchKeys()
      .then(
        (keys) =>
          (kept = {
            keys: new Map(
              keys.flatMap((jwk) => (typeof jwk.kid === 'string' ? [[jwk.kid, jwk] as const] : [])),
            ),
            atMs: source.nowMs(),
          }),
      )
      .finally(() => (fetching = undefined))
    return fetching
  }
  const aged = (entry: Kept, seconds: number): boolean =>
    source.nowMs() - entry.atMs > seconds * 1000
  const cooling = (): boolean => source.nowMs() - triedAtMs < cooldownSeconds * 1000

  /** Returns keys that are fresh enough, fetching them if necessary. */
  const current = async (): Promise<Kept> => {
    if (kept === undefined) return refresh()
    if (!aged(kept, maxAgeSeconds) || (cooling() && !aged(kept, staleSeconds))) return kept
    const before = kept
    return refresh().catch((error: unknown) => {
      if (aged(before, staleSeconds)) throw error
      return before
    })
  }
  const find = async (kid: string): Promise<Jwk | undefined> => {
    const found = (await current()).keys.get(kid)
    if (found !== undefined || cooling()) return found
    return (await refresh().catch(() => undefined))?.keys.get(kid)
  }

  return { current, find }
}

export function createJwksVerifier(source: JwksSource): JwksVerifier {
  const { current, find } = keysOf(source)
  return {
    async verify(jwt, algorithms) {
      const header = readUnverified(jwt)?.header
      if (header === undefined || typeof header.kid !== 'string')
        return { outcome: 'bad', why: 'malformed' }
      const { alg, kid } = header
      if (typeof alg !== 'string' || !algorithms.includes(alg))
        return { outcome: 'bad', why: 'algorithm' }
      const jwk = await find(kid)
      if (jwk === undefined || !serves(jwk, alg)) return { outcome: 'bad', why: 'unknown_key' }
      const key = await importPublic(jwk, alg).catch(() => undefined)
      const claims = key === undefined ? undefined : await verifyCompact(jwt, key, [alg])
      return claims === undefined
        ? { outcome: 'bad', why: 'signature' }
        : { outcome: 'good', claims }
    },
    warm: async () => (await current()).keys.size,
  }
}
