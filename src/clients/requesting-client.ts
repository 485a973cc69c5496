import type { Context } from 'hono'
import type { Client } from '../protocol/client-metadata.ts'
import type { Params } from '../protocol/params.ts'
import { authenticateClient } from './authenticate.ts'
import type { AuthenticateDeps } from './authenticate-deps.ts'
import { remoteOf } from '../runtime/remote-address.ts'

/**
 * The client that sent an OAuth request.
 * @param options.limited `false` at endpoints that are never limited: revocations and the reports of guards
 * @throws as authenticateClient
 */
export function requestingClient(
  deps: AuthenticateDeps,
  c: Context,
  params: Params,
  { now, limited }: { now: number; limited?: boolean },
): Promise<Client> {
  return authenticateClient(deps, { authorization: c.req.header('authorization'), params, now, address: remoteOf(c, deps.config), limited })
}
