/** `private_key_jwt` (RFC 7523 §3, OpenID Connect Core §9): an assertion signed by the client's own key, valid once, for minutes. */
import { readUnverified, verifyForeign } from '../keys/jws.ts'
import type { Client } from '../protocol/client-metadata.ts'
import { sha256 } from '../protocol/compare.ts'
import { OAuthError } from '../protocol/error.ts'
import { JWT_BEARER_ASSERTION } from '../protocol/names.ts'
import type { AuthenticateDeps } from './authenticate-deps.ts'
import { clientKeys } from './client-keys.ts'

/** An assertion that lives longer is refused: its `jti` would have to be remembered for as long. */
const MAX_AHEAD_SECONDS = 300
/** Clocks of two machines differ. */
const SKEW_SECONDS = 30
const MAX_LENGTH = 8192

/**
 * @returns undefined where it is not valid for any client, whatever the cause
 * @throws OAuthError invalid_request where the assertion's type is not the one there is
 */
export async function verifyAssertion(
  deps: AuthenticateDeps,
  attempt: { assertion: string; assertionType: string | undefined },
  now: number,
): Promise<Client | undefined> {
  if (attempt.assertionType !== JWT_BEARER_ASSERTION)
    throw new OAuthError('invalid_request', `client_assertion_type must be ${JWT_BEARER_ASSERTION}.`)
  const unverified = attempt.assertion.length > MAX_LENGTH ? undefined : readUnverified(attempt.assertion)
  const issuer = unverified?.claims.iss
  const client = typeof issuer === 'string' ? deps.clients.find(issuer) : undefined
  if (!unverified || !client || client.metadata.authMethod !== 'private_key_jwt') return undefined
  // Before the signature: what is not meant for us costs no key look-up.
  const { jti, exp } = unverified.claims
  if (!isForUs(unverified.claims, client.clientId, deps.config.issuer, now) || typeof jti !== 'string' || typeof exp !== 'number') return undefined
  if (!(await signedByClient(deps, client, attempt.assertion, now))) return undefined
  const first = await deps.store.consumeOnce({
    purpose: 'client_assertion',
    idHash: sha256(JSON.stringify([client.clientId, jti])),
    expiresAt: Math.floor(exp) + SKEW_SECONDS + 1,
    now,
  })
  return first ? client : undefined
}

/** RFC 7523 §3. `aud` is ours alone: an assertion for several servers could be replayed here by one of the others. */
function isForUs(claims: Record<string, unknown>, clientId: string, issuer: string, now: number): boolean {
  const { iss, sub, aud, jti, exp, nbf, iat } = claims
  const audience = Array.isArray(aud) && aud.length === 1 ? (aud[0] as unknown) : aud
  const ours = [issuer, `${issuer}/token`, `${issuer}/par`, `${issuer}/introspect`, `${issuer}/revoke`]
  return (
    iss === clientId &&
    sub === clientId &&
    ours.some((each) => each === audience) &&
    typeof jti === 'string' &&
    jti.length > 0 &&
    jti.length <= 255 &&
    typeof exp === 'number' &&
    exp + SKEW_SECONDS > now &&
    exp - SKEW_SECONDS <= now + MAX_AHEAD_SECONDS &&
    (nbf === undefined || (typeof nbf === 'number' && nbf - SKEW_SECONDS <= now)) &&
    (iat === undefined || (typeof iat === 'number' && iat - SKEW_SECONDS <= now))
  )
}

/** Whether the key that signed an assertion is still one of the client's. What it says was judged when it was used, and is not judged again. */
export async function signedByClient(deps: AuthenticateDeps, client: Client, assertion: string, now: number): Promise<boolean> {
  const keys = await clientKeys(deps, client, now)
  const result = await verifyForeign(assertion, keys.keys)
  if (result.outcome !== 'unknown_key') return result.outcome === 'good'
  const fresher = await keys.refresh()
  return fresher !== undefined && (await verifyForeign(assertion, fresher)).outcome === 'good'
}
