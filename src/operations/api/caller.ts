import type { Context } from 'hono'
import { allows, type Caller, READ_ONLY, type Right } from '../../clients/caller.ts'
import { Problem, problemResponse } from '../../clients/problem.ts'
import { clientByToken } from '../../clients/own-token.ts'
import type { Deps } from '../deps.ts'
import { adminAudience } from '../../protocol/names.ts'

export interface AdminEnv {
  Variables: { caller: Caller }
}

/** Fails closed: an interface that names no caller admits no request. */
export function callerOf(c: Context<AdminEnv>, need: Right): Caller {
  const caller = c.get('caller') as Caller | undefined
  if (caller === undefined)
    throw new Problem(401, 'Not authenticated', 'Send an access token with the scope broker:audit, broker:operate or broker:administer.')
  if (allows(caller.may, need)) return caller
  if (need === 'administer') throw new Problem(403, 'This needs an administrator', 'Ask for an access token with the scope broker:administer.')
  throw new Problem(403, 'Read-only role', READ_ONLY)
}

/** The caller behind `Authorization: Bearer`: a client with a token of its own for the admin API. */
export async function callerByToken(deps: Deps, authorization: string | undefined, now: number): Promise<Caller | undefined> {
  const found = await clientByToken(deps, authorization, { audience: adminAudience(deps.config.issuer), now })
  if (found === undefined) return undefined
  const { client, granted } = found
  const may = (['administer', 'operate', 'audit'] as const).find((right) => granted.includes(`broker:${right}`))
  return may === undefined ? undefined : { actor: { kind: 'client', id: client.clientId }, source: 'api', via: 'api', may }
}

/** RFC 6750 §3: no token, or one that is not valid for this. */
export const unauthorised = (): Response =>
  problemResponse(
    new Problem(
      401,
      'No valid access token',
      'Ask POST /token for one: grant_type=client_credentials with the scope broker:audit, broker:operate or broker:administer.',
    ),
    { 'WWW-Authenticate': 'Bearer realm="admin", scope="broker:audit broker:operate broker:administer"' },
  )
