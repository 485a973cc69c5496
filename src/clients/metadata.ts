/**
 * Reads the wire form of a registration (names of RFC 7591 §2 if it has one), reports every problem
 * at once, and writes it. Rejects redirect addresses with fragments, wildcards, user names or
 * custom schemes, and unknown fields.
 */
import { z } from 'zod'
import {
  AUTH_METHODS,
  OWN_SESSIONS,
  type Client,
  type ClientMetadata,
} from '../protocol/client-metadata.ts'
import { GRANT, OPERATOR_SCOPES, SCOPES, SSF_SCOPES } from '../protocol/names.ts'
import { inWords } from '../runtime/in-words.ts'
import {
  absoluteUri,
  clientIdSchema,
  emailDomainsSchema,
  jwksSchema,
  originSchema,
  tenantSchema,
  webAddress,
} from './metadata-fields.ts'
import { storedText } from '../protocol/stored-text.ts'

export interface MetadataOptions {
  /** The client's id if it is known from elsewhere. The default audience is derived from it. */
  clientId?: string | undefined
  /**
   * True if addresses on this machine are accepted, http included: for development and the demo.
   */
  allowLoopback?: boolean | undefined
}

const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/
const GRANTS = Object.values(GRANT)

const uris = (example: string, loopback: boolean, isNative = false) =>
  z.array(webAddress(example, loopback, isNative)).max(50)

const seconds = (least: number, most: number) =>
  z.int('a whole number of seconds').min(least, `at least ${least}`).max(most, `at most ${most}`)

const authMethod = z.enum(AUTH_METHODS, `one of ${AUTH_METHODS.join(', ')}`)

/** The fields that users see. */
const shownToUsers = (loopback: boolean) => ({
  client_name: storedText('a name to be shown to users, e.g. "Case Manager Sydney"')
    .trim()
    .min(1, 'a name to be shown to users')
    .max(100),
  client_uri: webAddress('https://sydney.case-manager.example/', loopback).optional(),
  initiate_login_uri: webAddress(
    'https://sydney.case-manager.example/oidc/sign-in',
    loopback,
  ).optional(),
  logo_uri: webAddress('https://sydney.case-manager.example/logo.png', loopback).optional(),
  policy_uri: webAddress('https://sydney.case-manager.example/privacy', loopback).optional(),
  tos_uri: webAddress('https://sydney.case-manager.example/terms', loopback).optional(),
  contacts: z
    .array(z.email('an email address, e.g. "support@case-manager.example"'))
    .max(5, 'at most 5')
    .optional(),
  skip_sign_in_page: z.boolean('true or false').default(false),
})

/** The fields of how the client authenticates at the token endpoint. */
const authentication = (loopback: boolean) => ({
  token_endpoint_auth_method: authMethod.default('client_secret_basic'),
  workload: z
    .strictObject({
      issuer: webAddress('https://kubernetes.default.svc.cluster.local', loopback).describe(
        'the issuer of its tokens',
      ),
      subject: storedText('e.g. "system:serviceaccount:case-manager:sydney"')
        .min(1)
        .max(255)
        .describe('the sub of its tokens'),
      audience: storedText('e.g. "api://case-manager-broker"')
        .min(1)
        .max(255)
        .optional()
        .describe('the aud of its tokens; by default the broker’s issuer'),
    })
    .optional(),
  jwks: jwksSchema.optional(),
  jwks_uri: webAddress('https://sydney.case-manager.example/jwks', loopback).optional(),
  client_assertion_audience: z
    .enum(['issuer', 'endpoint'], 'issuer, or endpoint for a library that names an endpoint')
    .default('issuer'),
})

/** The fields of who may sign in, and for how long a sign-in counts. */
const signInRules = {
  tenants: z
    .array(tenantSchema)
    .min(1, 'at least one, or leave it out for every tenant')
    .optional(),
  app_role: storedText().min(1).max(120).optional(),
  consent_required: z.boolean().default(false),
  default_max_age: z.int('a whole number of seconds').min(0).optional(),
  session_limit: z.int('a whole number').min(1, 'at least 1').max(1000, 'at most 1000').optional(),
  max_authentication_age: seconds(300, 7_776_000).optional(),
}

/**
 * Makes the schema of the wire form. The admin API describes the one that accepts addresses on this
 * machine; `parseClientMetadata` rejects them where they are not allowed.
 * @param loopback whether addresses on this machine are accepted, http included
 * @param isNative whether a redirect address may be one of RFC 8252 §7.3
 */
export const wireSchema = (loopback: boolean, isNative = false) =>
  z.strictObject({
    client_id: clientIdSchema.optional(),
    ...shownToUsers(loopback),
    redirect_uris: uris(
      'https://sydney.case-manager.example/oidc/callback',
      loopback,
      isNative,
    ).default([]),
    post_logout_redirect_uris: uris(
      'https://sydney.case-manager.example/signed-out',
      loopback,
    ).default([]),
    backchannel_logout_uri: webAddress(
      'https://sydney.case-manager.example/oidc/backchannel-logout',
      loopback,
    ).optional(),
    backchannel_logout_uris: uris(
      'https://sydney.case-manager.example/oidc/backchannel-logout',
      loopback,
    )
      .max(10)
      .default([]),
    backchannel_logout_session_required: z.boolean().optional(),
    logout_by: z
      .enum(['sid', 'sub'], 'sid (any receiver) or sub (instances that use the guard)')
      .default('sid'),
    ...authentication(loopback),
    response_types: z.array(z.literal('code', 'the only response type is "code"')).optional(),
    grant_types: z
      .array(z.enum(GRANTS, `one of ${GRANTS.join(', ')}`))
      .min(1)
      .default(['authorization_code', 'refresh_token']),
    scope: storedText(
      'names separated by spaces, e.g. "openid profile email offline_access"',
    ).default(SCOPES.join(' ')),
    audience: absoluteUri('https://sydney.case-manager.example').optional(),
    resources: z.array(absoluteUri('https://melbourne.case-manager.example')).default([]),
    exchange_from: z.array(clientIdSchema).default([]),
    profile: z.literal('fapi2', 'fapi2, or leave it out').optional(),
    dpop_bound_access_tokens: z.boolean('true or false').default(false),
    require_pkce: z.boolean().default(true),
    require_pushed_authorization_requests: z.boolean().default(false),
    id_token_signed_response_alg: z.enum(['RS256', 'ES256'], 'RS256 or ES256').default('RS256'),
    id_token_user_claims: z.boolean('true or false').default(true),
    access_token_seconds: seconds(60, 3600).default(300),
    guard_lease_seconds: seconds(1, 60).default(30),
    own_sessions: z.enum(OWN_SESSIONS, `one of ${OWN_SESSIONS.join(', ')}`).optional(),
    ...signInRules,
    allowed_origins: z.array(originSchema(loopback)).default([]),
    ssf_push_origins: z.array(originSchema(loopback)).max(5).optional(),
    ssf_email_domains: emailDomainsSchema.optional(),
  })

type WireSchema = ReturnType<typeof wireSchema>
type Wire = z.output<WireSchema>

/**
 * The values of FAPI 2.0 Security Profile §5.3.2.1 and §5.4.1. A registration with the profile may
 * leave them out.
 */
const FAPI2 = {
  token_endpoint_auth_method: 'private_key_jwt',
  client_assertion_audience: 'issuer',
  require_pkce: true,
  require_pushed_authorization_requests: true,
  dpop_bound_access_tokens: true,
  id_token_signed_response_alg: 'ES256',
} as const satisfies Partial<Wire>

/** The schemas that were used before. Making one takes milliseconds. */
const made: Record<string, WireSchema> = {}

/**
 * Validates the wire form of a registration.
 * @returns the metadata, with `clientId` if the wire form or the options have one; or every
 * problem, each as `path: what is wrong, with an example`
 */
export function parseClientMetadata(
  input: unknown,
  options: MetadataOptions = {},
):
  | { ok: true; metadata: ClientMetadata; clientId: string | undefined }
  | { ok: false; problems: string[] } {
  const isNative =
    (input as Partial<Wire> | undefined | null)?.token_endpoint_auth_method === 'none'
  const { allowLoopback = false } = options
  const schema = (made[`${allowLoopback} ${isNative}`] ??= wireSchema(allowLoopback, isNative))
  const isFapi2 = (input as Partial<Wire> | undefined | null)?.profile === 'fapi2'
  const given = isFapi2 ? { ...FAPI2, ...(input as object) } : input
  const parsed = schema.safeParse(given, { error: inWords })
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
    return issue.keys.map(
      (key) =>
        `${at ? `${at}.` : ''}${key}: is not a field of a registration; remove it or correct its spelling`,
    )
  return [`${at || 'registration'}: ${issue.message}`]
}

/** Returns the problems that concern several fields. */
function contradictions(wire: Wire, clientId: string | undefined): string[] {
  const problems: string[] = []
  const grants = new Set<string>(wire.grant_types)
  const isPublic = wire.token_endpoint_auth_method === 'none'
  const byKey = wire.token_endpoint_auth_method === 'private_key_jwt'
  const byWorkload = wire.token_endpoint_auth_method === 'workload_jwt'
  if (grants.has(GRANT.authorizationCode) && wire.redirect_uris.length === 0)
    problems.push(
      'redirect_uris: is empty, but grant_types has authorization_code; e.g. ["https://sydney.case-manager.example/oidc/callback"]',
    )
  if (grants.has(GRANT.refreshToken) && !grants.has(GRANT.authorizationCode))
    problems.push(
      'grant_types: has refresh_token without authorization_code, which is what issues refresh tokens',
    )
  if (isPublic && grants.has(GRANT.clientCredentials))
    problems.push(
      'grant_types: client_credentials needs a client that can authenticate; token_endpoint_auth_method is none',
    )
  if (isPublic && grants.has(GRANT.tokenExchange))
    problems.push(
      'grant_types: token exchange needs a client that can authenticate; token_endpoint_auth_method is none',
    )
  if (isPublic && !wire.require_pkce)
    problems.push(
      'require_pkce: cannot be false for a public client (token_endpoint_auth_method none)',
    )
  if (byKey && (wire.jwks === undefined) === (wire.jwks_uri === undefined))
    problems.push(
      'jwks: private_key_jwt needs exactly one of jwks and jwks_uri; e.g. jwks_uri: "https://sydney.case-manager.example/jwks"',
    )
  if (!byKey && !byWorkload && (wire.jwks !== undefined || wire.jwks_uri !== undefined))
    problems.push(
      'jwks: only private_key_jwt and workload_jwt use keys; set token_endpoint_auth_method to one of them, or remove jwks and jwks_uri',
    )
  if (byWorkload && wire.jwks !== undefined && wire.jwks_uri !== undefined)
    problems.push('jwks: is there beside jwks_uri; remove one of the two')
  if (byWorkload !== (wire.workload !== undefined))
    problems.push(
      'workload: belongs to token_endpoint_auth_method workload_jwt, and only to it; e.g. {"issuer": "https://kubernetes.default.svc.cluster.local", "subject": "system:serviceaccount:case-manager:sydney"}',
    )
  if (
    wire.own_sessions === 'logout_token' &&
    wire.backchannel_logout_uri === undefined &&
    wire.backchannel_logout_uris.length === 0
  )
    problems.push(
      'own_sessions: is logout_token, but there is no backchannel_logout_uri; e.g. "https://sydney.case-manager.example/oidc/backchannel-logout"',
    )
  if (!byKey && wire.client_assertion_audience === 'endpoint')
    problems.push('client_assertion_audience: only private_key_jwt sends assertions; remove it')
  if (wire.profile === 'fapi2') problems.push(...contradictionsOfProfile(wire))
  problems.push(...contradictionsOfScopes(wire, grants))
  if (wire.audience === undefined && clientId === undefined)
    problems.push('audience: is missing; e.g. "https://sydney.case-manager.example"')
  return problems
}

function contradictionsOfProfile(wire: Wire): string[] {
  const problems = Object.entries(FAPI2).flatMap(([name, value]) => {
    const given = wire[name as keyof typeof FAPI2]
    return given === value
      ? []
      : [`${name}: is ${given}, and with profile fapi2 it is ${value}; leave it out`]
  })
  if (wire.jwks?.keys.some(({ alg }) => alg === 'RS256') === true)
    problems.push('jwks: profile fapi2 has no RS256; register a key for ES256 or PS256')
  return problems
}

/** Returns the problems of the scopes, and of the fields that need a scope. */
function contradictionsOfScopes(wire: Wire, grants: ReadonlySet<string>): string[] {
  const problems: string[] = []
  const scopes = wire.scope.split(' ').filter(Boolean)
  for (const scope of scopes)
    if (!SCOPE_TOKEN.test(scope))
      problems.push(
        `scope: ${JSON.stringify(scope)} has characters that RFC 6749 §3.3 does not allow`,
      )
  const ofClients = scopes.filter((scope) =>
    [...OPERATOR_SCOPES, ...SSF_SCOPES].some((each) => each === scope),
  )
  if (ofClients.length > 0 && !grants.has(GRANT.clientCredentials))
    problems.push(
      `scope: ${ofClients.join(' ')} is for client_credentials; add that to grant_types or remove it`,
    )
  if (ofClients.length > 0 && wire.dpop_bound_access_tokens)
    problems.push(
      `scope: ${ofClients.join(' ')} is for APIs of the broker, which take Bearer tokens; register another client for them, without dpop_bound_access_tokens`,
    )
  if (!scopes.some((scope) => SSF_SCOPES.some((each) => each === scope)))
    for (const field of ['ssf_push_origins', 'ssf_email_domains'] as const)
      if (wire[field] !== undefined)
        problems.push(
          `${field}: has no effect without the scope ssf.manage or ssf.read; add one to scope, or remove ${field}`,
        )
  for (const tid of Object.keys(wire.ssf_email_domains ?? {}))
    if (wire.tenants?.includes(tid) === false)
      problems.push(
        `ssf_email_domains: names ${tid}, which is not among the tenants of this client; add it to tenants or remove it here`,
      )
  return problems
}

/** The wire name of each field of a registration. */
const WIRE = {
  name: 'client_name',
  uri: 'client_uri',
  initiateLoginUri: 'initiate_login_uri',
  logoUri: 'logo_uri',
  policyUri: 'policy_uri',
  tosUri: 'tos_uri',
  contacts: 'contacts',
  skipSignInPage: 'skip_sign_in_page',
  redirectUris: 'redirect_uris',
  postLogoutRedirectUris: 'post_logout_redirect_uris',
  logoutUris: 'backchannel_logout_uris',
  logoutBy: 'logout_by',
  authMethod: 'token_endpoint_auth_method',
  workload: 'workload',
  jwks: 'jwks',
  jwksUri: 'jwks_uri',
  assertionAudience: 'client_assertion_audience',
  grants: 'grant_types',
  scopes: 'scope',
  audience: 'audience',
  resources: 'resources',
  exchangeFrom: 'exchange_from',
  profile: 'profile',
  dpopBound: 'dpop_bound_access_tokens',
  requirePkce: 'require_pkce',
  requirePar: 'require_pushed_authorization_requests',
  idTokenAlg: 'id_token_signed_response_alg',
  idTokenUserClaims: 'id_token_user_claims',
  accessTokenSeconds: 'access_token_seconds',
  guardLeaseSeconds: 'guard_lease_seconds',
  ownSessions: 'own_sessions',
  tenants: 'tenants',
  appRole: 'app_role',
  consentRequired: 'consent_required',
  maxAuthAgeSeconds: 'default_max_age',
  sessionLimit: 'session_limit',
  maxAuthenticationSeconds: 'max_authentication_age',
  allowedOrigins: 'allowed_origins',
  ssfPushOrigins: 'ssf_push_origins',
  ssfEmailDomains: 'ssf_email_domains',
} as const satisfies Record<keyof ClientMetadata, keyof Wire>

/** Returns an object of the members that are set, each list without duplicates. */
const compact = (
  members: readonly (readonly [name: string, value: unknown])[],
): Record<string, unknown> =>
  Object.fromEntries(
    members
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, Array.isArray(value) ? [...new Set(value)] : value]),
  )

/** Converts the wire form to metadata. An optional field with its default value is left out. */
function fromWire(wire: Wire, clientId: string): ClientMetadata {
  const { backchannel_logout_uri: first, backchannel_logout_uris: more } = wire
  const given: Partial<Record<keyof Wire, unknown>> = {
    ...wire,
    backchannel_logout_uris: first === undefined ? more : [first, ...more],
    audience: wire.audience ?? `urn:case-manager:instance:${clientId}`,
    scope: wire.scope.split(' ').filter(Boolean),
    skip_sign_in_page: wire.skip_sign_in_page ? true : undefined,
    dpop_bound_access_tokens: wire.dpop_bound_access_tokens ? true : undefined,
    id_token_user_claims: wire.id_token_user_claims ? undefined : false,
    client_assertion_audience:
      wire.client_assertion_audience === 'issuer' ? undefined : wire.client_assertion_audience,
    ssf_email_domains: wire.ssf_email_domains && compact(Object.entries(wire.ssf_email_domains)),
  }
  return compact(
    Object.entries(WIRE).map(([field, name]) => [field, given[name]]),
  ) as unknown as ClientMetadata
}

/**
 * Returns the wire form of a registration, as shown and exported. `parseClientMetadata` reads it
 * back to the same metadata. It never contains a secret.
 */
export function registrationToWire({
  clientId,
  metadata,
}: Pick<Client, 'clientId' | 'metadata'>): Record<string, unknown> {
  const written = Object.entries(WIRE).map(
    ([field, name]) => [name, metadata[field as keyof ClientMetadata]] as const,
  )
  return {
    client_id: clientId,
    ...compact([
      ...written,
      ['scope', metadata.scopes.join(' ')],
      ['skip_sign_in_page', metadata.skipSignInPage ?? false],
      ['dpop_bound_access_tokens', metadata.dpopBound ?? false],
      ['id_token_user_claims', metadata.idTokenUserClaims ?? true],
    ]),
  }
}

/** The wire form as JSON Schema (2020-12), for editors that check `clients.yaml`. */
export const clientMetadataJsonSchema = (): Record<string, unknown> => ({
  ...z.toJSONSchema(wireSchema(true), { io: 'input', unrepresentable: 'any' }),
})
