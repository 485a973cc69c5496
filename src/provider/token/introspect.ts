import type { Context } from 'hono'
import { mustBeConfidential, requestingClient } from '../../clients/authenticate.ts'
import { liveSession } from '../../session/current.ts'
import { endOf } from '../../session/lifetimes.ts'
import { readForm } from '../../clients/form.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { required } from '../../protocol/params.ts'
import { mustBeWithin } from '../../runtime/rate-limits.ts'
import { readAccessToken } from './tokens.ts'
import type { TokenDeps } from './grant.ts'
import { REFRESH_TOKEN_PREFIX } from './refresh-token.ts'

type Introspection = { active: false } | ({ active: true } & Record<string, unknown>)

const INACTIVE: Introspection = { active: false }

/**
 * Answers `POST /introspect` (RFC 7662). Only the token's audience and the client it was issued to
 * read `active: true`; other clients learn nothing.
 */
export async function introspect(deps: TokenDeps, c: Context): Promise<Response> {
  const now = deps.clock.now()
  const params = await readForm(c)
  const client = mustBeConfidential(await requestingClient(deps, c, params, { now }))
  mustBeWithin(deps.rateLimits, 'introspect', { clientId: client.clientId })
  const token = required(params, 'token')
  const answer = token.startsWith(REFRESH_TOKEN_PREFIX)
    ? await refreshToken(deps, client, token, now)
    : await accessToken(deps, client, token, now)
  return c.json(answer, 200, { 'Cache-Control': 'no-store' })
}

async function accessToken(
  deps: TokenDeps,
  client: Client,
  token: string,
  now: number,
): Promise<Introspection> {
  const claims = await readAccessToken(deps, token, now)
  if (!claims || (claims.aud !== client.metadata.audience && claims.clientId !== client.clientId))
    return INACTIVE
  const { sid, sub, clientId, rev, aud: audience } = claims
  const needs = client.clientId
  const good =
    sid === undefined
      ? await deps.store.checkClientAccess({ clientId, rev, needs, audience })
      : (
          await deps.store.checkAccess({
            sid,
            sub,
            clientId,
            rev,
            now,
            touch: true,
            needs,
            audience,
          })
        ).outcome === 'good'
  const type = claims.jkt === undefined ? 'Bearer' : 'DPoP'
  return good ? { active: true, token_type: type, ...claims.raw } : INACTIVE
}

/** Introspects a refresh token, for its own client only. This does not use the token. */
async function refreshToken(
  deps: TokenDeps,
  client: Client,
  token: string,
  now: number,
): Promise<Introspection> {
  const presented = deps.refreshTokens.read(token)
  const found = presented && (await deps.store.findFamily(presented.familyId, presented.generation))
  if (!found?.current || found.family.clientId !== client.clientId) return INACTIVE
  const session = liveSession(await deps.store.statusBySid(found.family.sid, now))
  if (session === undefined) return INACTIVE
  const { sub, sid } = session
  const { jkt, scope } = found.family
  const exp = endOf(session, client)
  if (exp <= now) return INACTIVE
  return {
    active: true,
    iss: deps.config.issuer,
    client_id: client.clientId,
    sub,
    sid,
    scope,
    exp,
    ...(jkt !== undefined && { cnf: { jkt } }),
  }
}
