import type { GrantType, SigningAlg } from './names.ts'

/**
 * What a Case Manager instance is registered with (RFC 7591 §2 where it has a name for it). URIs
 * must match exactly.
 */
export interface ClientMetadata {
  /** Shown to users. */
  name: string
  /** The instance's home, shown as a link to users. */
  uri?: string
  /** Where the instance begins a sign-in by itself (OpenID Connect Core 1.0 §4). */
  initiateLoginUri?: string
  /** The instance's logo, fetched once by the broker and served from there. */
  logoUri?: string
  /** How the instance uses the user's data, and on which terms. */
  policyUri?: string
  tosUri?: string
  /** Email addresses of the instance's support. */
  contacts?: string[]
  /** A sign-in begins at Microsoft at once, where no page of the broker is needed. */
  skipSignInPage?: true
  redirectUris: string[]
  postLogoutRedirectUris: string[]
  /**
   * Back-channel logout addresses: each gets a logout token (Back-Channel Logout 1.0 §2.2 knows
   * one).
   */
  logoutUris: string[]
  /**
   * What a logout token for a whole user holds: each session's `sid`, or the `sub` once (instances
   * that use the guard).
   */
  logoutBy: 'sid' | 'sub'
  /**
   * `client_secret_basic` and `client_secret_post` are one: a client that has a secret may send it
   * either way. `none`: a public client, PKCE only.
   */
  authMethod: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none'
  /** Public keys for `private_key_jwt`: by value or by address. */
  jwks?: { keys: Record<string, unknown>[] }
  jwksUri?: string
  /**
   * Its assertions may name an endpoint of the broker, or a list of one, instead of the issuer: a
   * library of before rfc7523bis.
   */
  assertionAudience?: 'endpoint' | undefined
  grants: GrantType[]
  scopes: string[]
  /** The `aud` of its own access tokens; others name it as `resource` (RFC 8707). */
  audience: string
  /** Other clients' audiences that it may ask for directly by `resource`. */
  resources: string[]
  /** Clients that may exchange a user's token for one of this client's audience (RFC 8693). */
  exchangeFrom: string[]
  requirePkce: boolean
  /** Only pushed authorization requests (RFC 9126 §6). */
  requirePar: boolean
  idTokenAlg: SigningAlg
  /** False: `name` and `email` come from userinfo alone (OpenID Connect Core 1.0 §5.4). */
  idTokenUserClaims?: false | undefined
  /** Lifetime of its access tokens, 60 to 3600. */
  accessTokenSeconds: number
  /** Entra tenants whose users may use it; not set: every tenant that is connected. */
  tenants?: string[]
  /** The app role a user must hold to use it. */
  appRole?: string
  /** Ask the user, once, before the first sign-in there. */
  consentRequired: boolean
  /** Every sign-in here needs an authentication no older than this. */
  maxAuthAgeSeconds?: number
  /** In so many sessions of one user it may take part at once: of more, the oldest grant ends. */
  sessionLimit?: number
  /** The grant of a user whose authentication at Microsoft is older ends; the session stays. */
  maxAuthenticationSeconds?: number
  /** Origins of browser code that may call the token endpoint (public clients). */
  allowedOrigins: string[]
  /**
   * Origins that security events may be pushed to (RFC 8935): an administrator names them before a
   * stream can.
   */
  ssfPushOrigins?: string[]
  /**
   * By tenant, lower case: its users with an address in one of these domains are named by that
   * address too in security events.
   */
  ssfEmailDomains?: Record<string, string[]>
}

/**
 * Who owns a client's registration; no other source may change it. `broker`: a part of the broker
 * itself (the operators' console).
 */
export type ClientSource = 'file' | 'command' | 'api' | 'demo' | 'broker'

/** A client's secret as it is kept: SHA-256 of 256 random bits. */
export interface SecretHash {
  id: string
  hash: string
  createdAt: number
  /** Not set: valid until it is removed. */
  expiresAt?: number
}

/**
 * A tenant that was taken out of a registration: its users' access tokens may outlive the change.
 */
export interface FormerTenant {
  /** Absent: the registration named no tenants before, so it was for every one. */
  tid?: string
  /** Epoch seconds. */
  removedAt: number
}

export interface Client {
  clientId: string
  source: ClientSource
  metadata: ClientMetadata
  /** Two at most are valid at a time. */
  secrets: SecretHash[]
  createdAt: number
  updatedAt: number
  formerTenants: readonly FormerTenant[]
  removedAt?: number
}

/** Whether the client has no credential: any caller can send a request in its name. */
export const isPublic = ({ metadata }: Client): boolean => metadata.authMethod === 'none'

/**
 * Email addresses that the broker gives to other systems: only in domains that an administrator has
 * named.
 */

/** Lower case. */
export const DOMAIN = /^(?:[a-z0-9-]{1,63}\.)+[a-z0-9-]{2,63}$/
const ADDRESS = /^([^\s\p{Cc}@<>,;:"]{1,64})@([a-z0-9.-]{1,255})$/iu

/**
 * @returns the address with its domain in lower case; undefined where its domain is none of these
 */
export function addressIn(address: string, domains: readonly string[]): string | undefined {
  const [, local, domain] = ADDRESS.exec(address) ?? []
  const lower = domain?.toLowerCase()
  return local !== undefined && lower !== undefined && domains.includes(lower)
    ? `${local}@${lower}`
    : undefined
}
