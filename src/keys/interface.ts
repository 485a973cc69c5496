import type { SigningAlg } from '../protocol/names.ts'
import type { StoredSigningKey } from '../../db/types.ts'

/** The interface of this module: sealing what is secret at rest, and the one place that signs. */

/**
 * AES-256-GCM under keys derived (HKDF-SHA-256, a label per purpose) from `BROKER_SECRET`; the
 * first secret seals, all of them open.
 */
export interface Sealer {
  /**
   * @param where binds the value to its place (`sessions/<sid>/login_hint`,
   * `authorization-request`), so that sealed values cannot be swapped
   * @returns version, key id, nonce, ciphertext and tag as one base64url string
   */
  seal(where: string, plaintext: string | Uint8Array): string
  /**
   * Undefined where it was not sealed by us, for that place. Never throws for what a stranger
   * sends.
   */
  open(where: string, sealed: string): Buffer | undefined
  /**
   * HMAC-SHA-256 keys of a purpose, current first, each with the id that tokens carry.
   * `KeyObject`s: a raw Buffer costs more per use.
   */
  macKeys(purpose: string): readonly { id: string; key: import('node:crypto').KeyObject }[]
}

/**
 * How long caches may keep the JWKS. A key that signs sooner than this after it was published is
 * unknown to them.
 */
export const JWKS_MAX_AGE_SECONDS = 300

export interface KeyRing {
  /** Signs with the active key of that algorithm. The only place that does. Compact JWS. */
  sign(alg: SigningAlg, typ: string, claims: Record<string, unknown>): string
  /**
   * The same in a thread beside the event loop, for tokens of which many are signed at once: an RSA
   * signature takes longer than two refreshes.
   */
  signAside(alg: SigningAlg, typ: string, claims: Record<string, unknown>): Promise<string>
  /** What is published: next, active and retiring keys, public parts only (RFC 7517). */
  jwks(): { keys: Record<string, unknown>[] }
  /**
   * Verifies one of our own tokens: signature, alg, `typ`, issuer; expiry unless `allowExpired` (an
   * `id_token_hint`). Undefined where it is not ours or not valid. Audience and everything else is
   * the caller's to check.
   */
  verify(
    jwt: string,
    expected: { typ: string; now: number; allowExpired?: boolean },
  ): Promise<Record<string, unknown> | undefined>
  /**
   * A key began to sign before every cache of the JWKS could know it (an emergency rotation), less
   * than 10 minutes ago.
   */
  signsWithNewKey(now: number): boolean
  list(): Promise<StoredSigningKey[]>
  /**
   * Publishes a next key; with `now` it is used at once and the active one is retired at once
   * (emergency), which the feed tells guards.
   */
  rotate(
    alg: SigningAlg,
    how: 'next' | 'activate' | 'emergency',
    now: number,
  ): Promise<StoredSigningKey>
  retire(kid: string, now: number): Promise<boolean>
  /**
   * Does what is due: activates a next key that has been published long enough, stops publishing a
   * retiring one.
   */
  tick(now: number): Promise<void>
  /**
   * Another broker has changed keys: takes them over. Guards get those that were retired at once.
   */
  reload(): Promise<void>
  /** Kids that guards must drop at once (emergency retirement), for the feed. */
  retiredKids(): string[]
}
