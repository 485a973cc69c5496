import { KeysUnavailable, type LogoutTokenClaims, verifyLogoutToken } from '@case-manager/guard'
import type { Context } from 'hono'
import type { Committed } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { sha256 } from '../../runtime/compare.ts'
import { canBeStored } from '../../protocol/stored-text.ts'
import { readUpTo } from '../../clients/form.ts'
import { issuerOf, type Issuers, type KnownIssuer } from './issuers.ts'
import { type InTurn, later } from './queue.ts'
import { maySpeakOf, whoIsLoggedOut } from './subjects.ts'

/**
 * Receives logout tokens of an upstream provider with back-channel logout (OpenID Connect
 * Back-Channel Logout 1.0); Entra has none. `sid` is the provider's session, `sub` a user in the
 * configured format. Sessions authenticated after the token was issued are not affected.
 */

const MOST_BYTES = 64 * 1024
const TOLERANCE_SECONDS = 60
const MAX_AGE_SECONDS = 600

export async function upstreamLogout(
  deps: Deps,
  { oidc }: Issuers,
  inTurn: InTurn,
  c: Context,
): Promise<Response> {
  const body = await readUpTo(c, MOST_BYTES)
  const tokens = new URLSearchParams(body ?? '').getAll('logout_token')
  const [token] = tokens
  if (token === undefined || tokens.length > 1)
    return reject(deps, c, 'Send one logout_token, form-encoded.')
  const issuer = oidc.get(issuerOf(token) ?? '')
  if (issuer === undefined) return reject(deps, c, 'This issuer is not configured here.')
  const answer = await inTurn(c, sha256(token), () => receive(deps, issuer, token))
  if (answer === 'keys_unavailable') return later(deps, c, 'upstream_logout')
  if (typeof answer !== 'string') return reject(deps, c, answer.description)
  deps.metrics.signals.inc({ kind: 'upstream_logout', outcome: answer })
  return c.body(null, 200, { 'Cache-Control': 'no-store' })
}

async function receive(
  deps: Deps,
  issuer: KnownIssuer,
  token: string,
): Promise<'ended' | 'nothing' | 'keys_unavailable' | { description: string }> {
  const now = deps.clock.now()
  try {
    const expected = {
      issuer: issuer.issuer,
      clientId: issuer.audience,
      now,
      toleranceSeconds: TOLERANCE_SECONDS,
      maxAgeSeconds: MAX_AGE_SECONDS,
      // The issuer chooses the algorithm, because none is registered for it.
      algorithms: ['RS256', 'ES256'] as const,
    }
    const verified = await verifyLogoutToken(token, issuer.keys, expected)
    if (!verified.ok) return verified.certain ? verified : 'keys_unavailable'
    const once = {
      purpose: 'upstream-logout',
      idHash: sha256(`${issuer.issuer} ${verified.claims.jti}`),
      now,
    }
    // A repeated token ends nothing. Otherwise it could end a session that single sign-on has
    // opened since, because its authentication is older.
    const committed = (await deps.store.wasConsumed(once))
      ? []
      : await end(deps, issuer, verified.claims, now)
    await deps.store.consumeOnce({
      ...once,
      expiresAt: now + MAX_AGE_SECONDS + 2 * TOLERANCE_SECONDS,
    })
    return committed.length > 0 ? 'ended' : 'nothing'
  } catch (error) {
    if (error instanceof KeysUnavailable) return 'keys_unavailable'
    throw error
  }
}

/** The error answer of Back-Channel Logout 1.0 §2.8. */
function reject(deps: Deps, c: Context, description: string): Response {
  deps.metrics.signals.inc({ kind: 'upstream_logout', outcome: 'invalid_request' })
  return c.json({ error: 'invalid_request', error_description: description }, 400, {
    'Cache-Control': 'no-store',
  })
}

/** Ends the sessions that the token names. With both `sid` and `sub`, only that session (§2.4). */
async function end(
  deps: Deps,
  issuer: KnownIssuer,
  { sid, sub, iat }: LogoutTokenClaims,
  now: number,
): Promise<Committed[]> {
  const actor = { kind: 'broker', id: 'upstream-logout' } as const
  const reason = 'security_event'
  const until = Math.min(iat, now)
  if (sid !== undefined && !canBeStored(sid)) return []
  if (sid !== undefined) {
    const ended: Committed[] = []
    for (const tid of issuer.tenants ?? deps.connection.current().tenants)
      if (maySpeakOf(deps, issuer, tid))
        ended.push(
          ...(await deps.store.endMicrosoftSession({
            microsoftSid: sid,
            tid,
            until,
            reason,
            actor,
            now,
          })),
        )
    return ended
  }
  const meant = sub === undefined ? undefined : await whoIsLoggedOut(deps, issuer, sub)
  return meant === undefined
    ? []
    : deps.store.endAuthenticated({ sub: meant.sub, until, reason, actor, now })
}
