/**
 * The wire form of a registration (RFC 7591 §2 where it has a name for it): read with every problem at once, and written. Refuses redirect
 * addresses with fragments, wildcards, user names or schemes of their own, and fields that it does not know.
 */
import { z } from 'zod'
import type { Client, ClientMetadata } from '../protocol/client-metadata.ts'
import { GRANT, OPERATOR_SCOPES, SCOPES, SSF_SCOPES } from '../protocol/names.ts'
import type { GrantType } from '../protocol/names.ts'
import { inWords } from '../protocol/in-words.ts'
import { absoluteUri, clientIdSchema, emailDomainsSchema, jwksSchema, originSchema, tenantSchema, webAddress } from './metadata-fields.ts'
import { storedText } from '../protocol/stored-text.ts'

export interface MetadataOptions {
  /** Of a client whose id is known apart from the wire form; its audience defaults to one made of it. */
  clientId?: string | undefined
  /** Addresses on this machine, http included: development and the demo. */
  allowLoopback?: boolean | undefined
}

const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/
const GRANTS = Object.values(GRANT)

const uris = (example: string, loopback: boolean, isNative = false) => z.array(webAddress(example, loopback, isNative)).max(50)

const authMethod = z.enum(
  ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
  'client_secret_basic, client_secret_post, private_key_jwt or none',
)

/** What users see of an instance. */
const shownToUsers = (loopback: boolean) => ({
  client_name: storedText('a name to be shown to users, e.g. "Case Manager Sydney"').trim().min(1, 'a name to be shown to users').max(100),
  client_uri: webAddress('https://sydney.case-manager.example/', loopback).optional(),
  initiate_login_uri: webAddress('https://sydney.case-manager.example/oidc/sign-in', loopback).optional(),
  logo_uri: webAddress('https://sydney.case-manager.example/logo.png', loopback).optional(),
  policy_uri: webAddress('https://sydney.case-manager.example/privacy', loopback).optional(),
  tos_uri: webAddress('https://sydney.case-manager.example/terms', loopback).optional(),
  contacts: z.array(z.email('an email address, e.g. "support@case-manager.example"')).max(5, 'at most 5').optional(),
  skip_sign_in_page: z.boolean('true or false').default(false),
})

/**
 * @param loopback whether addresses on this machine are taken, http included
 * @param isNative whether a redirect address may be one of RFC 8252 §7.3
 */
const wireSchema = (loopback: boolean, isNative = false) =>
  z.strictObject({
    client_id: clientIdSchema.optional(),
    ...shownToUsers(loopback),
    redirect_uris: uris('https://sydney.case-manager.example/oidc/callback', loopback, isNative).default([]),
    post_logout_redirect_uris: uris('https://sydney.case-manager.example/signed-out', loopback).default([]),
    backchannel_logout_uri: webAddress('https://sydney.case-manager.example/oidc/backchannel-logout', loopback).optional(),
    backchannel_logout_uris: uris('https://sydney.case-manager.example/oidc/backchannel-logout', loopback).max(10).default([]),
    backchannel_logout_session_required: z.boolean().optional(),
    logout_by: z.enum(['sid', 'sub'], 'sid (any receiver) or sub (instances that use the guard)').default('sid'),
    token_endpoint_auth_method: authMethod.default('client_secret_basic'),
    jwks: jwksSchema.optional(),
    jwks_uri: webAddress('https://sydney.case-manager.example/jwks', loopback).optional(),
    client_assertion_audience: z.enum(['issuer', 'endpoint'], 'issuer, or endpoint for a library that names an endpoint').default('issuer'),
    response_types: z.array(z.literal('code', 'the only response type is "code"')).optional(),
    grant_types: z
      .array(z.enum(GRANTS, `one of ${GRANTS.join(', ')}`))
      .min(1)
      .default(['authorization_code', 'refresh_token']),
    scope: storedText('names separated by spaces, e.g. "openid profile email offline_access"').default(SCOPES.join(' ')),
    audience: absoluteUri('https://sydney.case-manager.example').optional(),
    resources: z.array(absoluteUri('https://melbourne.case-manager.example')).default([]),
    exchange_from: z.array(clientIdSchema).default([]),
    require_pkce: z.boolean().default(true),
    require_pushed_authorization_requests: z.boolean().default(false),
    id_token_signed_response_alg: z.enum(['RS256', 'ES256'], 'RS256 or ES256').default('RS256'),
    id_token_user_claims: z.boolean('true or false').default(true),
    access_token_seconds: z.int('a whole number of seconds').min(60, 'at least 60').max(3600, 'at most 3600').default(300),
    tenants: z.array(tenantSchema).min(1, 'at least one, or leave it out for every tenant').optional(),
    app_role: storedText().min(1).max(120).optional(),
    consent_required: z.boolean().default(false),
    default_max_age: z.int('a whole number of seconds').min(0).optional(),
    session_limit: z.int('a whole number').min(1, 'at least 1').max(1000, 'at most 1000').optional(),
    max_authentication_age: z.int('a whole number of seconds').min(300, 'at least 300').max(7_776_000, 'at most 7776000').optional(),
    allowed_origins: z.array(originSchema(loopback)).default([]),
    ssf_push_origins: z.array(originSchema(loopback)).max(5).optional(),
    ssf_email_domains: emailDomainsSchema.optional(),
  })

type Wire = z.output<ReturnType<typeof wireSchema>>

/**
 * @returns `clientId` where the wire form holds one; else every problem, each as `path: what is wrong, with an example`
 */
export function parseClientMetadata(
  input: unknown,
  options: MetadataOptions = {},
): { ok: true; metadata: ClientMetadata; clientId: string | undefined } | { ok: false; problems: string[] } {
  const isNative = (input as Partial<Wire> | undefined | null)?.token_endpoint_auth_method === 'none'
  const parsed = wireSchema(options.allowLoopback ?? false, isNative).safeParse(input, { error: inWords })
  if (!parsed.success) return { ok: false, problems: parsed.error.issues.flatMap(describe) }
  const clientId = parsed.data.client_id ?? options.clientId
  const problems = contradictions(parsed.data, clientId)
  if (problems.length > 0) return { ok: false, problems }
  return { ok: true, metadata: fromWire(parsed.data, clientId ?? ''), clientId }
}

function describe(issue: z.core.$ZodIssue): string[] {
  const at = issue.path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '')
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${at ? `${at}.` : ''}${key}: is not a field of a registration; remove it or correct its spelling`)
  return [`${at || 'registration'}: ${issue.message}`]
}

/** What no single field can know. */
function contradictions(wire: Wire, clientId: string | undefined): string[] {
  const problems: string[] = []
  const grants = new Set<string>(wire.grant_types)
  const scopes = wire.scope.split(' ').filter(Boolean)
  const isPublic = wire.token_endpoint_auth_method === 'none'
  const byKey = wire.token_endpoint_auth_method === 'private_key_jwt'
  if (grants.has(GRANT.authorizationCode) && wire.redirect_uris.length === 0)
    problems.push('redirect_uris: is empty, but grant_types has authorization_code; e.g. ["https://sydney.case-manager.example/oidc/callback"]')
  if (grants.has(GRANT.refreshToken) && !grants.has(GRANT.authorizationCode))
    problems.push('grant_types: has refresh_token without authorization_code, which is what issues refresh tokens')
  if (isPublic && grants.has(GRANT.clientCredentials))
    problems.push('grant_types: client_credentials needs a client that can authenticate; token_endpoint_auth_method is none')
  if (isPublic && grants.has(GRANT.tokenExchange))
    problems.push('grant_types: token exchange needs a client that can authenticate; token_endpoint_auth_method is none')
  if (isPublic && !wire.require_pkce) problems.push('require_pkce: cannot be false for a public client (token_endpoint_auth_method none)')
  if (byKey && (wire.jwks === undefined) === (wire.jwks_uri === undefined))
    problems.push('jwks: private_key_jwt needs exactly one of jwks and jwks_uri; e.g. jwks_uri: "https://sydney.case-manager.example/jwks"')
  if (!byKey && (wire.jwks !== undefined || wire.jwks_uri !== undefined))
    problems.push('jwks: only private_key_jwt uses keys; set token_endpoint_auth_method to it, or remove jwks and jwks_uri')
  if (!byKey && wire.client_assertion_audience === 'endpoint')
    problems.push('client_assertion_audience: only private_key_jwt sends assertions; remove it')
  for (const scope of scopes)
    if (!SCOPE_TOKEN.test(scope)) problems.push(`scope: ${JSON.stringify(scope)} has characters that RFC 6749 §3.3 does not allow`)
  const ofClients = scopes.filter((scope) => [...OPERATOR_SCOPES, ...SSF_SCOPES].some((each) => each === scope))
  if (ofClients.length > 0 && !grants.has(GRANT.clientCredentials))
    problems.push(`scope: ${ofClients.join(' ')} is for client_credentials; add that to grant_types or remove it`)
  if (!scopes.some((scope) => SSF_SCOPES.some((each) => each === scope)))
    for (const field of ['ssf_push_origins', 'ssf_email_domains'] as const)
      if (wire[field] !== undefined)
        problems.push(`${field}: has no effect without the scope ssf.manage or ssf.read; add one to scope, or remove ${field}`)
  for (const tid of Object.keys(wire.ssf_email_domains ?? {}))
    if (wire.tenants?.includes(tid) === false)
      problems.push(`ssf_email_domains: names ${tid}, which is not among the tenants of this client; add it to tenants or remove it here`)
  if (wire.audience === undefined && clientId === undefined) problems.push('audience: is missing; e.g. "https://sydney.case-manager.example"')
  return problems
}

function fromWire(wire: Wire, clientId: string): ClientMetadata {
  const logoutUris =
    wire.backchannel_logout_uri === undefined ? wire.backchannel_logout_uris : [wire.backchannel_logout_uri, ...wire.backchannel_logout_uris]
  return {
    name: wire.client_name,
    ...(wire.client_uri !== undefined && { uri: wire.client_uri }),
    ...(wire.initiate_login_uri !== undefined && { initiateLoginUri: wire.initiate_login_uri }),
    ...(wire.logo_uri !== undefined && { logoUri: wire.logo_uri }),
    ...(wire.policy_uri !== undefined && { policyUri: wire.policy_uri }),
    ...(wire.tos_uri !== undefined && { tosUri: wire.tos_uri }),
    ...(wire.contacts !== undefined && { contacts: unique(wire.contacts) }),
    ...(wire.skip_sign_in_page && { skipSignInPage: true }),
    redirectUris: unique(wire.redirect_uris),
    postLogoutRedirectUris: unique(wire.post_logout_redirect_uris),
    logoutUris: unique(logoutUris),
    logoutBy: wire.logout_by,
    authMethod: wire.token_endpoint_auth_method,
    ...(wire.jwks !== undefined && { jwks: wire.jwks }),
    ...(wire.jwks_uri !== undefined && { jwksUri: wire.jwks_uri }),
    grants: unique<GrantType>(wire.grant_types),
    scopes: unique(wire.scope.split(' ').filter(Boolean)),
    audience: wire.audience ?? `urn:case-manager:instance:${clientId}`,
    resources: unique(wire.resources),
    exchangeFrom: unique(wire.exchange_from),
    requirePkce: wire.require_pkce,
    requirePar: wire.require_pushed_authorization_requests,
    idTokenAlg: wire.id_token_signed_response_alg,
    ...(wire.client_assertion_audience === 'endpoint' && { assertionAudience: wire.client_assertion_audience }),
    ...(!wire.id_token_user_claims && { idTokenUserClaims: false }),
    accessTokenSeconds: wire.access_token_seconds,
    ...(wire.tenants !== undefined && { tenants: unique(wire.tenants) }),
    ...(wire.app_role !== undefined && { appRole: wire.app_role }),
    consentRequired: wire.consent_required,
    ...(wire.default_max_age !== undefined && { maxAuthAgeSeconds: wire.default_max_age }),
    ...(wire.session_limit !== undefined && { sessionLimit: wire.session_limit }),
    ...(wire.max_authentication_age !== undefined && { maxAuthenticationSeconds: wire.max_authentication_age }),
    allowedOrigins: unique(wire.allowed_origins),
    ...(wire.ssf_push_origins !== undefined && { ssfPushOrigins: unique(wire.ssf_push_origins) }),
    ...(wire.ssf_email_domains !== undefined && { ssfEmailDomains: eachUnique(wire.ssf_email_domains) }),
  }
}

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)]
const eachUnique = (lists: Record<string, string[]>): Record<string, string[]> =>
  Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, unique(list)]))

const shownToUsersOf = (m: ClientMetadata): Record<string, unknown> => ({
  client_name: m.name,
  client_uri: m.uri,
  initiate_login_uri: m.initiateLoginUri,
  logo_uri: m.logoUri,
  policy_uri: m.policyUri,
  tos_uri: m.tosUri,
  contacts: m.contacts,
  skip_sign_in_page: m.skipSignInPage ?? false,
})

/** A registration as it is shown and exported: what `parseClientMetadata` reads back to the same. Never a secret. */
export function toWire(client: Pick<Client, 'clientId' | 'metadata'>): Record<string, unknown> {
  const { metadata: m } = client
  const wire: Record<string, unknown> = {
    client_id: client.clientId,
    ...shownToUsersOf(m),
    redirect_uris: m.redirectUris,
    post_logout_redirect_uris: m.postLogoutRedirectUris,
    backchannel_logout_uris: m.logoutUris,
    logout_by: m.logoutBy,
    token_endpoint_auth_method: m.authMethod,
    jwks: m.jwks,
    jwks_uri: m.jwksUri,
    client_assertion_audience: m.assertionAudience,
    grant_types: m.grants,
    scope: m.scopes.join(' '),
    audience: m.audience,
    resources: m.resources,
    exchange_from: m.exchangeFrom,
    require_pkce: m.requirePkce,
    require_pushed_authorization_requests: m.requirePar,
    id_token_signed_response_alg: m.idTokenAlg,
    id_token_user_claims: m.idTokenUserClaims ?? true,
    access_token_seconds: m.accessTokenSeconds,
    tenants: m.tenants,
    app_role: m.appRole,
    consent_required: m.consentRequired,
    default_max_age: m.maxAuthAgeSeconds,
    session_limit: m.sessionLimit,
    max_authentication_age: m.maxAuthenticationSeconds,
    allowed_origins: m.allowedOrigins,
    ssf_push_origins: m.ssfPushOrigins,
    ssf_email_domains: m.ssfEmailDomains,
  }
  return Object.fromEntries(Object.entries(wire).filter(([, value]) => value !== undefined))
}

/** The wire form as the admin API describes it; addresses on this machine are for `parseClientMetadata` to judge. */
export const clientRegistrationSchema = wireSchema(true)

/** The wire form as JSON Schema (2020-12), for editors that check `clients.yaml`. */
export const clientMetadataJsonSchema = (): Record<string, unknown> => ({
  ...z.toJSONSchema(clientRegistrationSchema, { io: 'input', unrepresentable: 'any' }),
})
