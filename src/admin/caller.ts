import type { Context } from 'hono'
import type { Deps } from '../deps.ts'
import { adminAudience, TYP } from '../protocol/names.ts'
import { splitList } from '../protocol/params.ts'
import type { Caller } from '../acts/caller.ts'
import { Problem, problemResponse } from '../acts/problem.ts'

export interface AdminEnv {
  Variables: { caller: Caller }
}

/** Fails closed: a way in that names no caller lets nobody in. */
export function callerOf(c: Context<AdminEnv>, need: Caller['may']): Caller {
  const caller = c.get('caller') as Caller | undefined
  if (caller === undefined) throw new Problem(401, 'Who are you?', 'Send an access token with the scope broker:operate or broker:administer.')
  if (need === 'administer' && caller.may !== 'administer') {
    throw new Problem(403, 'This needs an administrator', 'Ask for an access token with the scope broker:administer.')
  }
  return caller
}

/**
 * The caller behind `Authorization: Bearer`: a client_credentials token for the admin API (its `aud`), whose client is still registered and
 * covered by no revocation. A user's token does not count here, whatever its scope.
 */
export async function callerByToken(deps: Deps, authorization: string | undefined, now: number): Promise<Caller | undefined> {
  const token = /^Bearer ([\w.~+/=-]+)$/i.exec(authorization ?? '')?.[1]
  if (token === undefined) return undefined
  const claims = await deps.keys.verify(token, { typ: TYP.accessToken, now })
  if (claims === undefined) return undefined
  const { aud, client_id: clientId, rev, scope, sid } = claims
  const audiences = Array.isArray(aud) ? aud : [aud]
  if (!audiences.includes(adminAudience(deps.config.issuer)) || sid !== undefined) return undefined
  if (typeof clientId !== 'string' || typeof rev !== 'number' || typeof scope !== 'string') return undefined
  const client = deps.clients.find(clientId)
  if (client === undefined || !(await deps.store.checkClientAccess({ clientId, rev }))) return undefined
  // A scope taken from the client since counts no longer.
  const granted = splitList(scope).filter((name) => client.metadata.scopes.includes(name))
  const may = granted.includes('broker:administer') ? 'administer' : granted.includes('broker:operate') ? 'operate' : undefined
  return may === undefined ? undefined : { actor: { kind: 'client', id: clientId }, source: 'api', via: 'api', may }
}

/** RFC 6750 §3: no token, or one that is not good for this. */
export const unauthorised = (): Response =>
  problemResponse(
    new Problem(
      401,
      'No good access token',
      'Ask POST /token for one: grant_type=client_credentials with the scope broker:operate or broker:administer.',
    ),
    { 'WWW-Authenticate': 'Bearer realm="admin", scope="broker:operate broker:administer"' },
  )
