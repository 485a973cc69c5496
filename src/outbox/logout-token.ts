import type { Delivery } from '../../db/types.ts'
import type { Deps } from './deps.ts'
import { newId } from '../runtime/ids.ts'
import { LOGOUT_EVENT, TYP, type SigningAlg } from '../protocol/names.ts'
import { reasonClass } from '../protocol/revocation.ts'
import { type MessageKind, judgeAnswer, type Verdict } from './attempt.ts'

/**
 * Logout tokens as a kind of message: Back-Channel Logout 1.0 §2.4 (the token), §2.5 (the request),
 * §2.8 (the answer).
 */

/** §4: short, so that an intercepted token is soon worthless. */
const LIFETIME_SECONDS = 120

export const logoutTokens = (
  deps: Pick<Deps, 'config' | 'random' | 'keys' | 'clients' | 'store'>,
) =>
  ({
    async mint(delivery, now) {
      // A `jti` of its own: a receiver that burned the last one before its own failure must be able
      // to take this one.
      const jti = newId(deps.random)
      const token = await deps.keys.signAside(
        await algOf(deps, delivery.clientId),
        TYP.logoutToken,
        claims(deps.config.issuer, delivery, jti, now),
      )
      return {
        // §2.5: this parameter and no other.
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          accept: 'application/json',
        },
        body: `logout_token=${token}`,
        jti,
      }
    },
    judge(answer, now): Verdict {
      const verdict = judgeAnswer(answer, now)
      // A receiver that keeps the JWKS does not know a key that began to sign at once (an
      // emergency): it rejects what it accepts a little later.
      if (verdict.outcome === 'rejected' && deps.keys.signsWithNewKey(now))
        return {
          outcome: 'retry',
          error: verdict.error,
          retryAfterSeconds: undefined,
          answered: true,
        }
      return verdict
    },
  }) satisfies MessageKind

/**
 * `sid` or `sub`, never both (receivers differ in what both together end). `rev` is the log's seq:
 * what was opened after it is superseded. `reason_class` is a claim of its own, because the event
 * has to be an empty object (§2.4).
 */
const claims = (
  issuer: string,
  delivery: Delivery,
  jti: string,
  now: number,
): Record<string, unknown> => ({
  iss: issuer,
  aud: delivery.clientId,
  iat: now,
  exp: now + LIFETIME_SECONDS,
  jti,
  events: { [LOGOUT_EVENT]: {} },
  ...(delivery.sid === undefined ? { sub: delivery.sub } : { sid: delivery.sid }),
  rev: delivery.seq,
  ...(delivery.reason === undefined ? {} : { reason_class: reasonClass(delivery.reason) }),
})

/** A client that has been removed is still sent what ended its sessions, as it was registered. */
async function algOf(deps: Pick<Deps, 'clients' | 'store'>, clientId: string): Promise<SigningAlg> {
  const client = deps.clients.find(clientId) ?? (await deps.store.findClient(clientId))
  return client?.metadata.idTokenAlg ?? 'RS256'
}
