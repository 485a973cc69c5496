/** Names fixed by specifications, written once. */

export const GRANT = {
  authorizationCode: 'authorization_code',
  refreshToken: 'refresh_token',
  clientCredentials: 'client_credentials',
  tokenExchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
} as const
export type GrantType = (typeof GRANT)[keyof typeof GRANT]

/** RFC 8693 §3 */
export const TOKEN_TYPE = {
  accessToken: 'urn:ietf:params:oauth:token-type:access_token',
  jwt: 'urn:ietf:params:oauth:token-type:jwt',
} as const

/** RFC 7523 §2.2 */
export const JWT_BEARER_ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** JWT `typ` header values: RFC 9068 §2.1, Back-Channel Logout 1.0 §2.4, RFC 8417 §2.3 */
export const TYP = {
  accessToken: 'at+jwt',
  idToken: 'JWT',
  logoutToken: 'logout+jwt',
  securityEvent: 'secevent+jwt',
} as const

/** Back-Channel Logout 1.0 §2.4 */
export const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/**
 * What a user's tokens may be asked for. `broker:*` and `ssf.*` are for client_credentials alone.
 */
export const SCOPES = ['openid', 'profile', 'email', 'offline_access'] as const
export const OPERATOR_SCOPES = ['broker:audit', 'broker:operate', 'broker:administer'] as const
/**
 * CAEP Interoperability Profile 1.0 §2.7.3: of a client that receives a stream of security events,
 * for client_credentials alone.
 */
export const SSF_SCOPES = ['ssf.read', 'ssf.manage'] as const
/**
 * The `aud` (and the `resource`, RFC 8707) of access tokens with those scopes: they are valid for
 * the admin API and for nothing else.
 */
export const adminAudience = (issuer: string): string => `${issuer}/admin/v1`
/** The same of access tokens with a scope of Shared Signals. */
export const ssfAudience = (issuer: string): string => `${issuer}/ssf`
/**
 * The `aud` of a client's security event tokens: never its client_id, so that none passes for an ID
 * token or a logout token.
 */
export const streamAudience = (issuer: string, clientId: string): string =>
  `${issuer}/ssf/receivers/${clientId}`

/**
 * App roles of the broker itself; they count only from `BROKER_OPERATOR_TENANT`.
 * `tenantAdministrator` counts in every other tenant that is set so.
 */
export const ROLE = {
  auditor: 'Broker.Auditor',
  operator: 'Broker.Operator',
  administrator: 'Broker.Administrator',
  tenantAdministrator: 'Broker.TenantAdministrator',
} as const

/**
 * `acr` of a session whose MFA Microsoft has proved (EAP ACR Values 1.0 has none that fits; this
 * one is ours, as a URI).
 */
export const ACR_MFA = 'urn:case-manager:acr:mfa'

export type SigningAlg = 'ES256' | 'RS256'

/** Microsoft's tenant of personal accounts: never allowed in. */
export const PERSONAL_TENANT = '9188040d-6c67-4c5b-b112-36a304b66dad'

/** Names in the table of settings that more than one module uses. */

/** The logo of a client, as the broker fetched it. It goes with the registration. */
export const logoSetting = (clientId: string): string => `client_logo/${clientId}`

/** What users see of the organization that runs the broker, as saved at /setup. */
export const brandingSetting = 'branding'
