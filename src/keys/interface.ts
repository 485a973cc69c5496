import type { SigningAlg } from '../protocol/names.ts'
import type { StoredSigningKey } from '../../db/types.ts'

/** The public types of this module: sealing secrets at rest, and signing. */

/**
 * Encrypts with AES-256-GCM under keys derived from `BROKER_SECRET` (HKDF-SHA-256, one label per
 * purpose). The first secret seals; each of them opens.
 */
export interface Sealer {
  /**
   * Encrypts a value.
   * @param where the place to which the value is bound (`sessions/<sid>/login_hint`,
   * `authorization-request`), so that sealed values cannot be swapped
   * @returns version, key id, nonce, ciphertext and tag as one base64url string
   */
  seal(where: string, plaintext: string | Uint8Array): string
  /**
   * Decrypts a value, or returns undefined if the broker did not seal it for that place. Never
   * throws, because the value may come from an attacker.
   */
  open(where: string, sealed: string): Buffer | undefined
  /**
   * Returns the HMAC-SHA-256 keys of a purpose, current first, each with the id that tokens carry.
   * They are `KeyObject`s because a raw Buffer costs more per use.
   */
  macKeys(purpose: string): readonly { id: string; key: import('node:crypto').KeyObject }[]
}

/**
 * The time for which caches may keep the JWKS. They do not know a key that signs earlier than this
 * after its publication.
 */
export const JWKS_MAX_AGE_SECONDS = 300

export interface KeyRing {
  /** Returns a compact JWS, signed with the active key of the algorithm. Nothing else signs. */
  sign(alg: SigningAlg, typ: string, claims: Record<string, unknown>): string
  /**
   * Signs in a thread beside the event loop, for tokens of which many are signed at once: an RSA
   * signature takes longer than two refreshes.
   */
  signAside(alg: SigningAlg, typ: string, claims: Record<string, unknown>): Promise<string>
  /** Returns the published keys: next, active and retiring ones, public parts only (RFC 7517). */
  jwks(): { keys: Record<string, unknown>[] }
  /**
   * Verifies one of the broker's own tokens: signature, algorithm, `typ`, issuer, and expiry unless
   * `allowExpired` (an `id_token_hint`). Returns undefined if it is not valid. The caller checks
   * the audience and all other claims.
   */
  verify(
    jwt: string,
    expected: { typ: string; now: number; allowExpired?: boolean },
  ): Promise<Record<string, unknown> | undefined>
  /**
   * Returns whether a key began to sign less than 10 minutes ago, before every cache of the JWKS
   * could know it (an emergency rotation).
   */
  signsWithNewKey(now: number): boolean
  list(): Promise<StoredSigningKey[]>
  /**
   * Publishes a next key (`next`), uses it at once (`activate`), or also retires the active key at
   * once (`emergency`), which the feed announces to guards.
   */
  rotate(
    alg: SigningAlg,
    how: 'next' | 'activate' | 'emergency',
    now: number,
  ): Promise<StoredSigningKey>
  retire(kid: string, now: number): Promise<boolean>
  /**
   * Does the scheduled rotation: activates a next key after its time of publication, and stops
   * publishing a retiring key.
   */
  tick(now: number): Promise<void>
  /**
   * Reads the keys again after another broker changed them, and announces to guards those that were
   * retired at once.
   */
  reload(): Promise<void>
  /** Returns the ids of keys that guards must drop at once (emergency retirement), for the feed. */
  retiredKids(): string[]
}
