import type { Deps } from './deps.ts'
import type { Client } from '../protocol/client-metadata.ts'
import { TYP } from '../protocol/names.ts'
import { splitList } from '../protocol/params.ts'

/**
 * Verifies the access token that a client obtained for itself (client_credentials), at the broker's
 * own APIs.
 */

/**
 * Returns the client of `Authorization: Bearer`, if it is registered and no revocation covers the
 * token. A user's token is not accepted, whatever its scope, nor is one that is bound to a key,
 * because these APIs verify no proof.
 * @param audience the only audience that the token may have
 * @returns `granted`: the scopes of the token that the client still has
 */
export async function clientByToken(
  deps: Pick<Deps, 'keys' | 'clients' | 'store'>,
  authorization: string | undefined,
  { audience, now }: { audience: string; now: number },
): Promise<{ client: Client; granted: string[] } | undefined> {
  const token = /^Bearer ([\w.~+/=-]+)$/i.exec(authorization ?? '')?.[1]
  const claims =
    token === undefined ? undefined : await deps.keys.verify(token, { typ: TYP.accessToken, now })
  if (claims === undefined) return undefined
  const { aud, client_id: clientId, cnf, rev, scope, sid } = claims
  if (aud !== audience || sid !== undefined || cnf !== undefined) return undefined
  if (typeof clientId !== 'string' || typeof rev !== 'number' || typeof scope !== 'string')
    return undefined
  const client = deps.clients.find(clientId)
  if (client === undefined || !(await deps.store.checkClientAccess({ clientId, rev })))
    return undefined
  return {
    client,
    granted: splitList(scope).filter((name) => client.metadata.scopes.includes(name)),
  }
}
