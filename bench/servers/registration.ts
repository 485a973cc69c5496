import type { ClientMetadata } from '../../src/protocol/client-metadata.ts'

/**
 * Returns a registration for the benchmarks of the store: one logout address, refresh tokens, a
 * secret.
 */
export const metadataOf = (
  clientId: string,
  logoutUri = `https://${clientId}.example/backchannel`,
): ClientMetadata => ({
  name: clientId,
  redirectUris: ['https://a.example/callback'],
  postLogoutRedirectUris: [],
  logoutUris: [logoutUri],
  logoutBy: 'sid',
  authMethod: 'client_secret_basic',
  grants: ['authorization_code', 'refresh_token'],
  scopes: ['openid', 'offline_access'],
  audience: clientId,
  resources: [],
  exchangeFrom: [],
  requirePkce: false,
  requirePar: false,
  idTokenAlg: 'RS256',
  accessTokenSeconds: 300,
  guardLeaseSeconds: 30,
  consentRequired: false,
  allowedOrigins: [],
})
