/**
 * The types of `startBroker()`. They import nothing, so that a project needs no types but these.
 */

/** A user at the simulated Microsoft, as the users file has it. */
export interface DevUser {
  /** `alice@contoso.example` */
  username: string
  name?: string
  /** The object id at Microsoft. Not given: derived from the username, the same at each start. */
  id?: string
  /** App roles. Not given: `CaseManager.User`. */
  roles?: string[]
  /** False: the user has no second factor, and the broker rejects the sign-in. */
  mfa?: boolean
  /** True: the account is disabled at Microsoft. */
  disabled?: boolean
  /** False: the user is not assigned to the application. */
  assigned?: boolean
  /** For Microsoft's pages in a browser. Not given: the part before the `@`, then `-demo`. */
  password?: string
}

export interface DevTenant {
  /** `contoso.example` */
  domain: string
  name?: string
  /** The tenant id at Microsoft. Not given: derived from the domain, the same at each start. */
  id?: string
}

/** A client as the clients file has it (names of RFC 7591), and its secret in plain text. */
export interface DevClient {
  client_id: string
  redirect_uris: string[]
  /** Not given: `startBroker()` makes one. `broker.clients` has it. */
  client_secret?: string
  client_name?: string
  audience?: string
  backchannel_logout_uris?: string[]
  post_logout_redirect_uris?: string[]
  [member: string]: unknown
}

export interface BrokerOptions {
  /** A users file, or what it holds. Not given: the users of the demo. */
  users?: string | { tenants?: DevTenant[]; users: DevUser[] }
  /**
   * A clients file, whose edits take effect while the broker runs, or the clients. Not given:
   * `dev`.
   */
  clients?: string | DevClient[]
  /** Settings of the broker, by their names: `{ BROKER_SESSION_IDLE_SECONDS: '60' }`. */
  settings?: Record<string, string>
  /** The first of four ports that follow each other. Not given: four free ports. */
  port?: number
}

/** What a running broker says about itself. */
export interface Facts {
  issuer: string
  /** The operators' listener: metrics, `/ops`, `/admin/v1`. */
  operators: string
  /** The simulated Microsoft. */
  microsoft: string
  /** Where `POST /_control/…` is, and the header that every request there needs. */
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
  /** The username. */
  user: string
  /** Not given: the user signs in at the broker alone, and the answer holds no tokens. */
  client?: string
  scope?: string
  /** The audience of the access token (RFC 8707). */
  resource?: string
  /** The value of an earlier cookie: the same session, one more client. */
  session?: string
}

export interface SignedIn {
  cookie: SessionCookie
  /** With a client that authenticates by a secret, or is public. */
  tokens?: Tokens
  /** With another client: exchange it at the token endpoint yourself. */
  code?: { code: string; code_verifier: string; redirect_uri: string }
}

/** What to revoke. Give exactly one. */
export type RevokeRequest =
  | { user: string }
  | { session: string }
  | { client: string }
  | { tenant: string }
  | { everything: true }

export interface Revoked {
  /** `already`: it was revoked before, and nothing changed. */
  outcome: 'revoked' | 'already'
  /** The number of the revocation in the broker's log. */
  seq?: number
}

export interface DevBroker extends Facts, AsyncDisposable {
  signIn(request: SignInRequest): Promise<SignedIn>
  revoke(what: RevokeRequest): Promise<Revoked>
  stop(): Promise<void>
}
