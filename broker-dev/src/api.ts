/**
 * The types of `startBroker()`. This file imports nothing, so that a project that uses it needs no
 * other types.
 */

/** A user of the simulated Microsoft, as in the users file. */
export interface DevUser {
  /** The sign-in name, for example `alice@contoso.example`. */
  username: string
  name?: string
  /** The object id at Microsoft. Default: derived from the username, the same at each start. */
  id?: string
  /** App roles. Default: `CaseManager.User`. */
  roles?: string[]
  /** False if the user has no second factor. The broker then rejects the sign-in. */
  mfa?: boolean
  /** True if the account is disabled at Microsoft. */
  disabled?: boolean
  /** False if the user is not assigned to the application. */
  assigned?: boolean
  /**
   * The password for Microsoft's pages in a browser. Default: the part before the `@`, then
   * `-demo`.
   */
  password?: string
}

export interface DevTenant {
  /** The domain of its usernames, for example `contoso.example`. */
  domain: string
  name?: string
  /** The tenant id at Microsoft. Default: derived from the domain, the same at each start. */
  id?: string
}

/** A client as the clients file has it (names of RFC 7591), and its secret in plain text. */
export interface DevClient {
  client_id: string
  redirect_uris: string[]
  /** Default: `startBroker()` generates a secret. `broker.clients` has it. */
  client_secret?: string
  client_name?: string
  audience?: string
  backchannel_logout_uris?: string[]
  post_logout_redirect_uris?: string[]
  [member: string]: unknown
}

export interface BrokerOptions {
  /** The path of a users file, or its content. Default: the users of the demo. */
  users?: string | { tenants?: DevTenant[]; users: DevUser[] }
  /**
   * The clients, or the path of a clients file, whose edits take effect while the broker runs.
   * Default: the client `dev`.
   */
  clients?: string | DevClient[]
  /** Settings of the broker, by their names: `{ BROKER_SESSION_IDLE_SECONDS: '60' }`. */
  settings?: Record<string, string>
  /** The first of four consecutive ports. Default: four free ports. */
  port?: number
}

/** The addresses, secrets and names that a test needs to use a running broker. */
export interface Facts {
  issuer: string
  /** The operators' listener: metrics, `/ops`, `/admin/v1`. */
  operators: string
  /** The address of the simulated Microsoft. */
  microsoft: string
  /** The address of `POST /_control/…` and the header that every request there needs. */
  control: { url: string; header: 'X-Control-Secret'; secret: string }
  clients: { client_id: string; client_secret?: string }[]
  users: string[]
}

/** A cookie for a browser in a test: the argument of Playwright's `addCookies`. */
export interface SessionCookie {
  name: string
  value: string
  url: string
  httpOnly: boolean
  secure: boolean
  sameSite: 'Lax'
}

export interface Tokens {
  access_token: string
  token_type: string
  expires_in: number
  scope: string
  id_token?: string
  refresh_token?: string
}

export interface SignInRequest {
  /** The username of the user who signs in. */
  user: string
  /**
   * The client to sign in to. Default: none; the user signs in at the broker alone and the answer
   * has no tokens.
   */
  client?: string
  scope?: string
  /** The audience of the access token (RFC 8707). */
  resource?: string
  /** The `value` of an earlier cookie: the client joins that session. */
  session?: string
}

export interface SignedIn {
  cookie: SessionCookie
  /** Present for a public client and for a client that authenticates by a secret. */
  tokens?: Tokens
  /** Present for any other client: the test exchanges the code at the token endpoint itself. */
  code?: { code: string; code_verifier: string; redirect_uri: string }
}

/** The selector of a revocation. Give exactly one member. */
export type RevokeRequest =
  | { user: string }
  | { session: string }
  | { client: string }
  | { tenant: string }
  | { everything: true }

export interface Revoked {
  /** `already`: everything it selects was revoked before, and nothing changed. */
  outcome: 'revoked' | 'already'
  /** The number of the revocation in the broker's log. */
  seq?: number
}

export interface DevBroker extends Facts, AsyncDisposable {
  signIn(request: SignInRequest): Promise<SignedIn>
  revoke(what: RevokeRequest): Promise<Revoked>
  stop(): Promise<void>
}
