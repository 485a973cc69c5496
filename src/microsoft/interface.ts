import type { User } from '../../db/types.ts'
import type { Connection } from './connection.ts'

/**
 * The interface of this module: Microsoft Entra ID. Nothing outside it imports MSAL or knows an
 * AADSTS code.
 */

export interface StartSignIn {
  /** Sealed by the caller; comes back as it is. */
  state: string
  nonce: string
  codeChallenge: string
  prompt?: 'login' | 'select_account' | 'consent' | 'none' | undefined
  loginHint?: string | undefined
  maxAgeSeconds?: number | undefined
  /** Ask for these authentication contexts by the claims parameter. */
  authContext?: string | undefined
  /** A claims challenge of Microsoft's own, to be replayed. */
  claims?: string | undefined
  /** Restricts to one tenant; not set: the one that is connected, or `organizations`. */
  tid?: string | undefined
}

/**
 * What Microsoft has proved, after its ID token was verified: signature, issuer, audience, tenant
 * on the allow-list, nonce, expiry.
 */
export interface MicrosoftIdentity {
  user: User
  authTime: number | undefined
  /**
   * By how many seconds Microsoft's clock is ahead of ours; undefined where its answer did not say.
   */
  clockOffsetSeconds: number | undefined
  issuedAt: number
  acrs: string[]
  amr: string[] | undefined
  roles: string[]
  /** Directory roles (`wids`). */
  directoryRoles: string[]
  sid: string | undefined
  loginHint: string | undefined
  /** `undefined` is unknown, which lengthens nothing. */
  staySignedIn: boolean | undefined
  /** MSAL's cache, serialized: a secret, to be sealed at once. */
  cache: string
}

/**
 * What became of a session's tokens at Microsoft: new ones, to be sealed at once, and what the new
 * ID token says.
 */
export interface Renewal {
  cache: string
  /** App roles; undefined where no ID token came. */
  roles: string[] | undefined
  /** Directory roles (`wids`); not there where no ID token came. */
  directoryRoles?: string[]
}

/** An account that exists. Times are epoch seconds. */
interface Account {
  state: 'there'
  enabled: boolean
  /** Sign-ins before it are revoked. */
  sessionsValidFrom: number | undefined
  passwordChangedAt: number | undefined
}

/** Microsoft Graph by the broker's own permissions. Each call may throw a `GraphProblem`. */
export interface Graph {
  user(tid: string, oid: string): Promise<{ state: 'gone' } | Account>
  /**
   * When Identity Protection last changed its entry of a user who is at high risk or confirmed as
   * compromised. Undefined: the user is neither, or the entry has no date. `paused`: a read of the
   * tenant failed a moment ago, so Graph was not asked.
   */
  riskSince(tid: string, oid: string): Promise<number | 'paused' | undefined>
  /**
   * The tenant's domains whose users another identity provider signs in. Needs `Domain.Read.All`.
   */
  federatedDomains(tid: string): Promise<FederatedDomain[]>
  /**
   * Asks Microsoft to end the user's sessions, which takes it minutes. `gone`: no user of that id.
   */
  revokeSessions(tid: string, oid: string): Promise<'asked' | 'gone'>
  /** One on `/users`. Microsoft calls the address back before it answers. */
  subscribe(
    tid: string,
    input: { address: string; clientState: string; until: number },
  ): Promise<{ id: string; until: number }>
  /** Undefined: it is gone. */
  renewSubscription(
    tid: string,
    id: string,
    until: number,
  ): Promise<{ id: string; until: number } | undefined>
  /** Those of ours on that address. */
  subscriptions(tid: string, address: string): Promise<{ id: string; until: number }[]>
  unsubscribe(tid: string, id: string): Promise<void>
  /** Where changes are counted from now on. */
  deltaFromNow(tid: string): Promise<string>
  /**
   * One page of who has changed since; `next` to go on, `link` to begin with next time. `lost`: the
   * link is too old.
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
   * What its identity provider does with `prompt=login`: it asks for the password, Entra does not
   * pass it on, or Graph does not say.
   */
  promptLogin: 'asked' | 'ignored' | 'unknown'
}

/** Why Graph did not do it. None of it says anything about a user's session. */
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
   * Whether tenant, client id and credential are there; else what is missing, in words for an
   * operator.
   */
  readiness(): { connected: true } | { connected: false; missing: string[] }
  authorizeUrl(input: StartSignIn): Promise<string>
  /** @throws MicrosoftRejection */
  redeemCode(input: {
    code: string
    codeVerifier: string
    nonce: string
    tid?: string | undefined
    now: number
  }): Promise<MicrosoftIdentity>
  /**
   * Redeems the refresh token in a session's cache. Undefined: it holds none.
   * @throws MicrosoftRejection whose `effect` says what becomes of sessions
   */
  renew(input: {
    cache: string
    user: Pick<User, 'tid' | 'oid'>
    now: number
  }): Promise<Renewal | undefined>
  readonly graph: Graph
  /** Where the browser signs out of Microsoft 365; comes back to our fixed return address. */
  logoutUrl(input: { tid: string; logoutHint?: string | undefined }): Promise<string>
  /** Asks Microsoft, now, for what a sign-in of that tenant needs. */
  examine(tid: string): Promise<Examination>
  /**
   * Whether Entra gives that application a token in that tenant, by that credential. Nothing of it
   * is kept.
   */
  tryConnection(tid: string, candidate: Candidate): Promise<NonNullable<Examination['credential']>>
  /** When the broker's own credential expires, as far as that is known. Epoch seconds. */
  credentialEnd(): Promise<number | undefined>
}

/** An application and credential that are not in use yet. */
export type Candidate = Pick<Connection, 'clientId' | 'credential'>

export interface Examination {
  /** `skewSeconds`: by how much Microsoft's clock is ahead of ours, where it sends its time. */
  metadata: { ok: true; skewSeconds: number | undefined } | { ok: false; problem: string }
  /**
   * Whether the sign-in page answers, and the guidance and code of the error that it shows for our
   * own request. Undefined: not asked.
   */
  authorize:
    | { ok: true; shown?: { guidance: string; code: number } }
    | { ok: false; problem: string }
    | undefined
  /**
   * Whether Entra accepts our credential, by a token for the application itself, and what Graph
   * permissions it holds there. `outage`: Microsoft gave no usable answer. `guidance`: a key of the
   * guidance table. Undefined: not asked.
   */
  credential:
    | { ok: true; graphRoles: string[] }
    | { ok: false; problem: string; code: number | undefined; guidance: string; outage: boolean }
    | undefined
}

/** What becomes of sessions after an answer of Microsoft's. */
export type SessionEffect = 'subject' | 'session' | 'mark' | 'nothing'

/**
 * A refusal of Microsoft's, or a token of its that we refuse. Pages choose their words by
 * `guidance`.
 */
export class MicrosoftRejection extends Error {
  /** A key of the guidance table in `aadsts.ts`. */
  readonly guidance: string
  /** AADSTS number, where there is one: it may be shown. */
  readonly code: number | undefined
  readonly effect: SessionEffect
  /** A claims challenge to be replayed for a step-up. */
  readonly claims: string | undefined
  /** Of an outage: what Microsoft's Retry-After asked for. */
  readonly retryAfterSeconds: number | undefined
  constructor(
    guidance: string,
    options: {
      code?: number | undefined
      effect?: SessionEffect
      claims?: string | undefined
      cause?: unknown
      retryAfterSeconds?: number | undefined
    },
  ) {
    super(
      `Microsoft refused: ${guidance}${options.code === undefined ? '' : ` (AADSTS${options.code})`}`,
      { cause: options.cause },
    )
    this.name = 'MicrosoftRejection'
    this.guidance = guidance
    this.code = options.code
    this.effect = options.effect ?? 'nothing'
    this.claims = options.claims
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}
