import type { Delivery } from '../../db/types.ts'
import type { KeyRing } from '../keys/interface.ts'
import { LOGOUT_EVENT, TYP, type SigningAlg } from '../protocol/names.ts'

/** Logout tokens: Back-Channel Logout 1.0 §2.4. */

/** §4: short, so that one that was intercepted is soon worth nothing. */
const LIFETIME_SECONDS = 120

/**
 * One attempt's token, with a `jti` of its own: a receiver that burned the last one before its own failure must be able to take this one.
 * `sid` or `sub`, never both (receivers differ in what both together end). `rev` is the log's seq: what was opened after it is spared.
 */
export function mintLogoutToken(
  keys: Pick<KeyRing, 'sign'>,
  input: { issuer: string; alg: SigningAlg; delivery: Pick<Delivery, 'clientId' | 'sid' | 'sub' | 'seq'>; jti: string; now: number },
): string {
  const { delivery, now } = input
  const about = delivery.sid === undefined ? { sub: delivery.sub } : { sid: delivery.sid }
  return keys.sign(input.alg, TYP.logoutToken, {
    iss: input.issuer,
    aud: delivery.clientId,
    iat: now,
    exp: now + LIFETIME_SECONDS,
    jti: input.jti,
    events: { [LOGOUT_EVENT]: {} },
    ...about,
    rev: delivery.seq,
  })
}
