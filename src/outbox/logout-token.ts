import type { Delivery } from '../../db/types.ts'
import type { Deps } from './deps.ts'
import { newId } from '../runtime/ids.ts'
import { LOGOUT_EVENT, TYP, type SigningAlg } from '../protocol/names.ts'
import { reasonClass } from '../protocol/revocation.ts'
import { type MessageKind, classifyResponse, type Verdict } from './attempt.ts'

/**
 * Logout tokens as a kind of message: the token (Back-Channel Logout 1.0 §2.4), the request (§2.5)
 * and the answer (§2.8).
 */

/**
 * The lifetime of a logout token. It is short so that an intercepted token soon becomes worthless
 * (§4).
 */
const LIFETIME_SECONDS = 120

export const logoutTokens = (
  deps: Pick<Deps, 'config' | 'random' | 'keys' | 'clients' | 'store'>,
) =>
  ({
    async mint(delivery, now) {
      // Each attempt has a new `jti`: a receiver that consumed the last one and then failed must be
      // able to accept this token.
      const jti = newId(deps.random)
      const token = await deps.keys.signAside(
        await algOf(deps, delivery.clientId),
        TYP.logoutToken,
        claims(deps.config.issuer, delivery, jti, now),
      )
      return {
        // The body has only this parameter (§2.5).
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          accept: 'application/json',
        },
        body: `logout_token=${token}`,
        jti,
      }
    },
    classify(answer, now): Verdict {
      const verdict = classifyResponse(answer, now)
      // A receiver with a cached JWKS does not know a key that began to sign at once (an emergency
      // rotation). It rejects a token that it accepts a little later, so the rejection is retried.
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
 * The claims of a logout token. It has `sid` or `sub`, never both, because receivers differ in what
 * they end for both. `rev` is the log's seq: sessions opened after it are not affected.
 * `reason_class` is a separate claim, because the event must be an empty object (§2.4).
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

/**
 * Returns the signature algorithm of a client. A removed client still gets the logout tokens of its
 * sessions, by its last registration.
 */
async function algOf(deps: Pick<Deps, 'clients' | 'store'>, clientId: string): Promise<SigningAlg> {
  const client = deps.clients.find(clientId) ?? (await deps.store.findClient(clientId))
  return client?.metadata.idTokenAlg ?? 'RS256'
}
