import type { User } from '../../db/types.ts'
import type { Connection } from './connection.ts'

/**
 * The public types of this module: Microsoft Entra ID. No other module imports MSAL or knows an
 * AADSTS code.
 */

export interface StartSignIn {
  /** A value that the caller has sealed. Microsoft returns it unchanged. */
  state: string
  nonce: string
  codeChallenge: string
  prompt?: 'login' | 'select_account' | 'consent' | 'none' | undefined
  loginHint?: string | undefined
  maxAgeSeconds?: number | undefined
  /** The authentication context to request by the claims parameter. */
  authContext?: string | undefined
  /** A claims challenge from Microsoft, to be sent back to it. */
  claims?: string | undefined
  /**
   * Restricts the sign-in to one tenant. Default: the only connected tenant, or `organizations`.
   */
  tid?: string | undefined
}

/**
 * The user as Microsoft proved them, after verification of the ID token: signature, issuer,
 * audience, allowed tenant, nonce, expiry.
 */
export interface MicrosoftIdentity {
  user: User
  authTime: number | undefined
  /**
   * The seconds by which Microsoft's clock is ahead of the broker's; undefined if its answer has no
   * date.
   */
  clockOffsetSeconds: number | undefined
  issuedAt: number
  acrs: string[]
  amr: string[] | undefined
  roles: string[]
  /** Directory roles, from the claim `wids`. */
  directoryRoles: string[]
  sid: string | undefined
  loginHint: string | undefined
  /**
   * True if the user chose "Stay signed in"; undefined if unknown, and then no limit is extended.
   */
  staySignedIn: boolean | undefined
  /** MSAL's cache as text. It is a secret, and the caller seals it at once. */
  cache: string
}

/**
 * The result of renewing a session's tokens at Microsoft: the new cache, to be sealed at once, and
 * the claims of the new ID token.
 */
export interface Renewal {
  cache: string
  /** App roles; undefined if Microsoft's answer had no ID token. */
  roles: string[] | undefined
  /** Directory roles (`wids`); absent if Microsoft's answer had no ID token. */
  directoryRoles?: string[]
}

/** An existing account. Times are epoch seconds. */
interface Account {
  state: 'there'
  enabled: boolean
  /** The time before which all sign-ins are revoked. */
  sessionsValidFrom: number | undefined
  passwordChangedAt: number | undefined
}

/**
 * Microsoft Graph with the broker's application permissions. Each call may throw a `GraphProblem`.
 */
export interface Graph {
  user(tid: string, oid: string): Promise<{ state: 'gone' } | Account>
  /**
   * Returns when Identity Protection last changed its entry of a user who is at high risk or
   * confirmed as compromised. Undefined: the user is neither, or the entry has no date. `paused`: a
   * read for the tenant failed a moment ago, so Graph was not asked.
   */
  riskSince(tid: string, oid: string): Promise<number | 'paused' | undefined>
  /**
   * Returns the tenant's domains whose users sign in at another identity provider. Needs
   * `Domain.Read.All`.
   */
  federatedDomains(tid: string): Promise<FederatedDomain[]>
  /**
   * Asks Microsoft to end the user's sessions, which takes it minutes. `gone`: the user does not
   * exist.
   */
  revokeSessions(tid: string, oid: string): Promise<'asked' | 'gone'>
  /** Creates a subscription to `/users`. Microsoft calls the address before it answers. */
  subscribe(
    tid: string,
    input: { address: string; clientState: string; until: number },
  ): Promise<{ id: string; until: number }>
  /** Extends a subscription. Undefined if it no longer exists. */
  renewSubscription(
    tid: string,
    id: string,
    until: number,
  ): Promise<{ id: string; until: number } | undefined>
  /** Returns the broker's subscriptions with that address. */
  subscriptions(tid: string, address: string): Promise<{ id: string; until: number }[]>
  unsubscribe(tid: string, id: string): Promise<void>
  /** Returns a delta link: changes from now on are read with it. */
  deltaFromNow(tid: string): Promise<string>
  /**
   * Reads one page of users that changed. `next` is the link of the next page, `link` the delta
   * link for the next time. `lost`: the link has expired.
   */
  changes(
    tid: string,
    link: string,
  ): Promise<
    | { outcome: 'page'; oids: string[]; next?: string | undefined; link?: string | undefined }
    | { outcome: 'lost' }
  >
}

export interface FederatedDomain {
  domain: string
  /**
   * The treatment of `prompt=login` by the domain's identity provider: it asks for the password,
   * Entra does not pass the parameter on, or Graph does not say.
   */
  promptLogin: 'asked' | 'ignored' | 'unknown'
}

/** A failed request to Graph. It says nothing about a user's session. */
export class GraphProblem extends Error {
  readonly kind: 'outage' | 'throttled' | 'credential' | 'forbidden' | 'rejected'
  readonly retryAfterSeconds: number | undefined
  constructor(
    kind: GraphProblem['kind'],
    message: string,
    options: { cause?: unknown; retryAfterSeconds?: number | undefined } = {},
  ) {
    super(message, { cause: options.cause })
    this.name = 'GraphProblem'
    this.kind = kind
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

export interface Microsoft {
  /**
   * Returns whether tenant, client id and credential are set, or else what is missing, in words for
   * the operator.
   */
  readiness(): { connected: true } | { connected: false; missing: string[] }
  authorizeUrl(input: StartSignIn): Promise<string>
  /**
   * Redeems the code of a sign-in and verifies the ID token.
   * @throws MicrosoftRejection
   */
  redeemCode(input: {
    code: string
    codeVerifier: string
    nonce: string
    tid?: string | undefined
    now: number
  }): Promise<MicrosoftIdentity>
  /**
   * Redeems the refresh token in a session's cache. Undefined if the cache has none.
   * @throws MicrosoftRejection, whose `effect` says what happens to sessions
   */
  renew(input: {
    cache: string
    user: Pick<User, 'tid' | 'oid'>
    now: number
  }): Promise<Renewal | undefined>
  readonly graph: Graph
  /** Returns Microsoft's sign-out address, which redirects to the broker's fixed return address. */
  logoutUrl(input: { tid: string; logoutHint?: string | undefined }): Promise<string>
  /** Requests from Microsoft, without a cache, everything that a sign-in of that tenant needs. */
  examine(tid: string): Promise<Examination>
  /** Returns whether Entra issues a token to that application in that tenant. Nothing is stored. */
  tryConnection(tid: string, candidate: Candidate): Promise<NonNullable<Examination['credential']>>
  /** Returns when the broker's credential expires, if known. Epoch seconds. */
  credentialEnd(): Promise<number | undefined>
}

/** An application and credential that are not in use yet. */
export type Candidate = Pick<Connection, 'clientId' | 'credential'>

export interface Examination {
  /**
   * The check of discovery document and keys. `skewSeconds`: by how much Microsoft's clock is ahead
   * of the broker's, if it reports its time.
   */
  metadata: { ok: true; skewSeconds: number | undefined } | { ok: false; problem: string }
  /**
   * The check of the sign-in page: if it answers, and the guidance and code of the error that it
   * shows for the broker's request. Undefined if it was not requested.
   */
  authorize:
    | { ok: true; shown?: { guidance: string; code: number } }
    | { ok: false; problem: string }
    | undefined
  /**
   * The check of the broker's credential, by requesting a token for the application itself, with
   * the Graph permissions in that token. `outage`: Microsoft gave no usable answer. `guidance`: a
   * key of the guidance table. Undefined if it was not tested.
   */
  credential:
    | { ok: true; graphRoles: string[] }
    | { ok: false; problem: string; code: number | undefined; guidance: string; outage: boolean }
    | undefined
}

/**
 * The sessions that an answer of Microsoft ends or marks: all of the user, the one session, a mark
 * only, or none.
 */
export type SessionEffect = 'subject' | 'session' | 'mark' | 'nothing'

/**
 * The subject of an answer that many users of a tenant may get at once. `account`: the user's own
 * account was disabled, deleted or revoked. `assignment`: the application was withdrawn from the
 * user. `address`: a policy on the address that asked can cause the answer, so it may say nothing
 * about the user.
 */
export type Concern = 'account' | 'assignment' | 'address'

/**
 * A rejection by Microsoft, or a token of Microsoft that the broker rejects. `guidance` selects the
 * text of the page.
 */
export class MicrosoftRejection extends Error {
  /** A key of the table in `guidance.ts`. */
  readonly guidance: string
  /** The AADSTS number, if there is one. Pages may show it. */
  readonly code: number | undefined
  readonly effect: SessionEffect
  /** Undefined: any other answer. */
  readonly concerns: Concern | undefined
  /** A claims challenge, to be sent back to Microsoft for a step-up. */
  readonly claims: string | undefined
  /** The seconds in Microsoft's Retry-After during an outage. */
  readonly retryAfterSeconds: number | undefined
  constructor(
    guidance: string,
    options: {
      code?: number | undefined
      effect?: SessionEffect
      concerns?: Concern | undefined
      claims?: string | undefined
      cause?: unknown
      retryAfterSeconds?: number | undefined
    },
  ) {
    super(
      `Microsoft rejected: ${guidance}${options.code === undefined ? '' : ` (AADSTS${options.code})`}`,
      { cause: options.cause },
    )
    this.name = 'MicrosoftRejection'
    this.guidance = guidance
    this.code = options.code
    this.effect = options.effect ?? 'nothing'
    this.concerns = options.concerns
    this.claims = options.claims
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}
