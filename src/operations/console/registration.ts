import type { Deps } from '../deps.ts'
import type { ClientMetadata } from '../../protocol/client-metadata.ts'
import { GRANT } from '../../protocol/names.ts'

/**
 * The console as a client of the broker itself: public, PKCE, one redirect address. The broker
 * maintains this registration; no other source may change it.
 */

export const CONSOLE = 'broker-console'

export const callbackUri = (deps: Pick<Deps, 'config'>): string =>
  `${deps.config.opsOrigin}/ops/callback`

const metadata = (deps: Pick<Deps, 'config'>): ClientMetadata => ({
  name: 'Operators’ console',
  uri: `${deps.config.opsOrigin}/ops`,
  redirectUris: [callbackUri(deps)],
  postLogoutRedirectUris: [],
  logoutUris: [],
  logoutBy: 'sid',
  authMethod: 'none',
  grants: [GRANT.authorizationCode],
  scopes: ['openid'],
  audience: 'urn:case-manager:broker-console',
  resources: [],
  exchangeFrom: [],
  requirePkce: true,
  requirePar: false,
  idTokenAlg: 'RS256',
  accessTokenSeconds: 60,
  guardLeaseSeconds: 30,
  consentRequired: false,
  allowedOrigins: [],
})

/**
 * Registers the console if it is not registered, or if its address has changed. Returns false if
 * another source has registered a client of that id.
 */
export async function keepRegistered(
  deps: Pick<Deps, 'store' | 'clients' | 'config' | 'clock' | 'log'>,
): Promise<boolean> {
  const known = deps.clients.find(CONSOLE)
  if (known?.source === 'broker' && known.metadata.redirectUris[0] === callbackUri(deps))
    return true
  const answer = await deps.store.putClient({
    clientId: CONSOLE,
    source: 'broker',
    metadata: metadata(deps),
    secrets: [],
    now: deps.clock.now(),
  })
  if (answer.outcome === 'foreign') {
    deps.log.error('console_not_registered', {
      client_id: CONSOLE,
      source: answer.source,
      next: `Remove that client: its id is reserved for the broker's own console.`,
    })
    return false
  }
  await deps.clients.reload()
  return true
}
