import type { Config } from '../../config/config.ts'
import { FOREIGN_ALGS, PROOF_ALGS } from '../../keys/jws.ts'
import { GRANT, SCOPES } from '../../protocol/names.ts'
import { STRENGTHS } from '../../protocol/strength.ts'

const WITH_CREDENTIAL = ['client_secret_basic', 'client_secret_post', 'private_key_jwt']

const CLAIMS = [
  'iss',
  'sub',
  'aud',
  'exp',
  'iat',
  'auth_time',
  'nonce',
  'at_hash',
  'acr',
  'amr',
  'sid',
  'name',
  'preferred_username',
  'email',
  'email_verified',
  'session_expires_at',
  'session_expiry',
  'tenant',
  'rev',
]

/**
 * Returns the provider metadata: exactly what the broker supports (OpenID Connect Discovery 1.0 §3,
 * RFC 8414 §2).
 */
export const providerMetadata = ({
  issuer,
  look,
}: Pick<Config, 'issuer' | 'look'>): Record<string, unknown> => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  userinfo_endpoint: `${issuer}/userinfo`,
  jwks_uri: `${issuer}/jwks`,
  introspection_endpoint: `${issuer}/introspect`,
  revocation_endpoint: `${issuer}/revoke`,
  end_session_endpoint: `${issuer}/logout`,
  // RFC 9126 §5
  pushed_authorization_request_endpoint: `${issuer}/par`,
  require_pushed_authorization_requests: false,
  scopes_supported: SCOPES,
  response_types_supported: ['code'],
  response_modes_supported: ['query', 'form_post'],
  grant_types_supported: Object.values(GRANT),
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['RS256', 'ES256'],
  token_endpoint_auth_methods_supported: [...WITH_CREDENTIAL, 'none'],
  token_endpoint_auth_signing_alg_values_supported: FOREIGN_ALGS,
  introspection_endpoint_auth_methods_supported: WITH_CREDENTIAL,
  introspection_endpoint_auth_signing_alg_values_supported: FOREIGN_ALGS,
  revocation_endpoint_auth_methods_supported: [...WITH_CREDENTIAL, 'none'],
  revocation_endpoint_auth_signing_alg_values_supported: FOREIGN_ALGS,
  // RFC 9449 §5.1
  dpop_signing_alg_values_supported: PROOF_ALGS,
  code_challenge_methods_supported: ['S256'],
  ui_locales_supported: look.languages.map(({ language }) => language),
  // OpenID Connect Prompt Create 1.0 §4.1
  prompt_values_supported: ['none', 'login', 'select_account', 'consent'],
  acr_values_supported: [...STRENGTHS],
  claim_types_supported: ['normal'],
  claims_supported: CLAIMS,
  claims_parameter_supported: true,
  request_parameter_supported: false,
  // OpenID Connect Discovery §3: the default is true. The `request_uri` of RFC 9126 does not count.
  request_uri_parameter_supported: false,
  // RFC 9207 §3
  authorization_response_iss_parameter_supported: true,
  // Back-Channel Logout 1.0 §2.1, Front-Channel Logout 1.0 §3
  backchannel_logout_supported: true,
  backchannel_logout_session_supported: true,
  frontchannel_logout_supported: false,
})
