import type { GrantType, SigningAlg } from './names.ts'

/**
 * Who ends the sessions that an instance keeps itself: none, where it keeps no sessions; its guard;
 * or the instance, at its logout address.
 */
export const OWN_SESSIONS = ['none', 'guard', 'logout_token'] as const
export type OwnSessions = (typeof OWN_SESSIONS)[number]
export type SessionsEndedBy = OwnSessions | 'unknown'

/** Returns who ends the instance's own sessions, as far as its registration says. */
export const sessionsEndedBy = ({
  ownSessions,
  logoutUris,
  redirectUris,
}: ClientMetadata): SessionsEndedBy =>
  ownSessions ??
  (logoutUris.length > 0 ? 'logout_token' : redirectUris.length === 0 ? 'none' : 'unknown')

/**
 * The workload that a platform vouches for by signed tokens, such as a service account of
 * Kubernetes. Both its issuer and its subject must match exactly.
 */
export interface Workload {
  issuer: string
  subject: string
  /** The `aud` of its tokens. Default: the broker's issuer. */
  audience?: string | undefined
}

export const AUTH_METHODS = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  'workload_jwt',
  'none',
] as const
export type AuthMethod = (typeof AUTH_METHODS)[number]

/**
 * The registration of a Case Manager instance (names of RFC 7591 §2 if it has one). URIs must match
 * exactly.
 */
export interface ClientMetadata {
  /** The client's name, which users see. */
  name: string
  /** The instance's home page, to which users' pages link. */
  uri?: string
  /** The address at which the instance starts a sign-in by itself (OpenID Connect Core 1.0 §4). */
  initiateLoginUri?: string
  /** The address of the instance's logo. The broker fetches it once and serves it. */
  logoUri?: string
  /** Addresses of the instance's privacy policy and, below, of its terms of service. */
  policyUri?: string
  tosUri?: string
  /** Email addresses of the instance's support. */
  contacts?: string[]
  /** True if a sign-in goes directly to Microsoft, unless a page of the broker is needed. */
  skipSignInPage?: true
  redirectUris: string[]
  postLogoutRedirectUris: string[]
  /**
   * The back-channel logout addresses. Each gets a logout token (Back-Channel Logout 1.0 §2.2 has
   * only one).
   */
  logoutUris: string[]
  /**
   * The subject of logout tokens for a whole user: one token by `sid` for each session, or a single
   * one by `sub` (for instances that use the guard).
   */
  logoutBy: 'sid' | 'sub'
  /**
   * The authentication method. `client_secret_basic` and `client_secret_post` are equivalent: a
   * client with a secret may send it either way. `workload_jwt`: a token of its `workload`.
   * `none`: a public client, PKCE only.
   */
  authMethod: AuthMethod
  workload?: Workload
  /**
   * Public keys for `private_key_jwt`, or of the workload's issuer; by value or, below, by address.
   */
  jwks?: { keys: Record<string, unknown>[] }
  jwksUri?: string
  /**
   * Set if the client's assertions may name an endpoint of the broker, or a list with one, instead
   * of the issuer, for libraries older than rfc7523bis.
   */
  assertionAudience?: 'endpoint' | undefined
  grants: GrantType[]
  scopes: string[]
  /** The `aud` of its own access tokens. Other clients request it as `resource` (RFC 8707). */
  audience: string
  /** Audiences of other clients that it may request directly as `resource`. */
  resources: string[]
  /** Clients that may exchange a user's token for one of this client's audience (RFC 8693). */
  exchangeFrom: string[]
  requirePkce: boolean
  /**
   * The profile that the client keeps to. FAPI 2.0 Security Profile: its refresh tokens are not
   * rotated and its assertions have no RS256; what else it demands is in the other fields.
   */
  profile?: 'fapi2' | undefined
  /** True if its tokens must be bound to a key (RFC 9449 §5.2). */
  dpopBound?: true | undefined
  /** True if authorization requests must be pushed (RFC 9126 §6). */
  requirePar: boolean
  idTokenAlg: SigningAlg
  /**
   * False if the ID token omits `name` and `email`, which userinfo then has (OpenID Connect Core
   * 1.0 §5.4).
   */
  idTokenUserClaims?: false | undefined
  /** The lifetime of its access tokens in seconds, from 60 to 3600. */
  accessTokenSeconds: number
  /** How long in seconds its guards accept tokens after the broker last knew the log, 1 to 60. */
  guardLeaseSeconds: number
  /** Who ends the instance's own sessions, where `sessionsEndedBy` is not right by default. */
  ownSessions?: OwnSessions
  /** The Entra tenants whose users may use it. Default: every connected tenant. */
  tenants?: string[]
  /** The app role that a user needs to use it. */
  appRole?: string
  /** True if the user must consent once, before the first sign-in there. */
  consentRequired: boolean
  /** The greatest age in seconds of the user's authentication at each sign-in here. */
  maxAuthAgeSeconds?: number
  /**
   * The most sessions of one user in which the client takes part at once. Beyond that, the oldest
   * grant ends.
   */
  sessionLimit?: number
  /**
   * The greatest age in seconds of the user's authentication at Microsoft. At that age the user's
   * grant ends; the session continues.
   */
  maxAuthenticationSeconds?: number
  /** Origins of browser code that may call the token endpoint, for public clients. */
  allowedOrigins: string[]
  /**
   * Origins to which security events may be pushed (RFC 8935). An administrator sets them before a
   * stream can use one.
   */
  ssfPushOrigins?: string[]
  /**
   * Email domains by tenant, in lower case. Security events also name a user of the tenant by an
   * email address in one of its domains.
   */
  ssfEmailDomains?: Record<string, string[]>
}

/**
 * The owner of a client's registration; no other source may change it. `broker` is the broker
 * itself (the operators' console).
 */
export type ClientSource = 'file' | 'command' | 'api' | 'demo' | 'broker'

/** A client's secret as it is stored: SHA-256 of 256 random bits. */
export interface SecretHash {
  id: string
  hash: string
  createdAt: number
  /** Default: valid until it is removed. */
  expiresAt?: number
  /** When it last authenticated its client, to the hour. */
  usedAt?: number
}

/**
 * A tenant that was removed from a registration. Access tokens of its users may outlive the change.
 */
export interface FormerTenant {
  /** Absent if the registration had named no tenants and so allowed every one. */
  tid?: string
  /** The time of the removal in epoch seconds. */
  removedAt: number
}

export interface Client {
  clientId: string
  source: ClientSource
  metadata: ClientMetadata
  /** At most two are valid at a time. */
  secrets: SecretHash[]
  createdAt: number
  updatedAt: number
  formerTenants: readonly FormerTenant[]
  removedAt?: number
}

/** Returns whether the client is registered for the workload. */
export const isOfWorkload = (
  { metadata: { workload } }: Pick<Client, 'metadata'>,
  { issuer, subject }: Workload,
): boolean => workload?.issuer === issuer && workload.subject === subject

/** Returns whether the client has no credential, so that anyone can send a request in its name. */
export const isPublic = ({ metadata }: Client): boolean => metadata.authMethod === 'none'

/**
 * Email addresses that the broker gives to other systems are limited to domains that an
 * administrator has set.
 */

/** A domain in lower case. */
export const DOMAIN = /^(?:[a-z0-9-]{1,63}\.)+[a-z0-9-]{2,63}$/
const ADDRESS = /^([^\s\p{Cc}@<>,;:"]{1,64})@([a-z0-9.-]{1,255})$/iu

/**
 * Checks an email address.
 * @returns the address with its domain in lower case, or undefined if the domain is not in the list
 */
export function addressIn(address: string, domains: readonly string[]): string | undefined {
  const [, local, domain] = ADDRESS.exec(address) ?? []
  const lower = domain?.toLowerCase()
  return local !== undefined && lower !== undefined && domains.includes(lower)
    ? `${local}@${lower}`
    : undefined
}
