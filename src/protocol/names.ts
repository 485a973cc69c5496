/** Names that specifications define, and names shared by several modules. */

export const GRANT = {
  authorizationCode: 'authorization_code',
  refreshToken: 'refresh_token',
  clientCredentials: 'client_credentials',
  tokenExchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
} as const
export type GrantType = (typeof GRANT)[keyof typeof GRANT]

/** Token types of RFC 8693 §3. */
export const TOKEN_TYPE = {
  accessToken: 'urn:ietf:params:oauth:token-type:access_token',
  jwt: 'urn:ietf:params:oauth:token-type:jwt',
} as const

/** The assertion type of RFC 7523 §2.2. */
export const JWT_BEARER_ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** Values of the JWT header `typ`: RFC 9068 §2.1, Back-Channel Logout 1.0 §2.4, RFC 8417 §2.3. */
export const TYP = {
  accessToken: 'at+jwt',
  idToken: 'JWT',
  logoutToken: 'logout+jwt',
  securityEvent: 'secevent+jwt',
  /** The broker's own: the receipt of a revocation. */
  receipt: 'revocation-receipt+jwt',
} as const

/** The event of a logout token (Back-Channel Logout 1.0 §2.4). */
export const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** The scopes of users' tokens. `broker:*` and `ssf.*` are only for client_credentials. */
export const SCOPES = ['openid', 'profile', 'email', 'offline_access'] as const
export const OPERATOR_SCOPES = ['broker:audit', 'broker:operate', 'broker:administer'] as const
/**
 * The scopes of a client that receives a stream of security events (CAEP Interoperability Profile
 * 1.0 §2.7.3), only for client_credentials.
 */
export const SSF_SCOPES = ['ssf.read', 'ssf.manage'] as const
/**
 * Returns the `aud` (and `resource`, RFC 8707) of access tokens with operator scopes. They are
 * valid only for the admin API.
 */
export const adminAudience = (issuer: string): string => `${issuer}/admin/v1`
/** Returns the `aud` of access tokens with scopes of Shared Signals. */
export const ssfAudience = (issuer: string): string => `${issuer}/ssf`
/**
 * Returns the `aud` of a client's security event tokens. It is never the client_id, so that the
 * token is not accepted as an ID token or logout token.
 */
export const streamAudience = (issuer: string, clientId: string): string =>
  `${issuer}/ssf/receivers/${clientId}`

/**
 * App roles of the broker itself. They count only in `BROKER_OPERATOR_TENANT`, except that
 * `tenantAdministrator` counts in other tenants with that setting.
 */
export const ROLE = {
  auditor: 'Broker.Auditor',
  operator: 'Broker.Operator',
  administrator: 'Broker.Administrator',
  tenantAdministrator: 'Broker.TenantAdministrator',
} as const

/**
 * The `acr` of a session whose MFA Microsoft has proved. None of EAP ACR Values 1.0 fits, so this
 * URI is our own.
 */
export const ACR_MFA = 'urn:case-manager:acr:mfa'

export type SigningAlg = 'ES256' | 'RS256'

/** Microsoft's tenant of personal accounts, whose users may never sign in. */
export const PERSONAL_TENANT = '9188040d-6c67-4c5b-b112-36a304b66dad'

/** Names of settings in the store that more than one module uses follow. */

/**
 * Returns the name of the setting with a client's fetched logo, which is deleted with the
 * registration.
 */
export const logoSetting = (clientId: string): string => `client_logo/${clientId}`

/** The name of the setting with the branding that was saved at /setup. */
export const brandingSetting = 'branding'
