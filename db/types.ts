import type { Link } from '../src/protocol/evidence-chain.ts'
import type { LockKind, LockTarget } from '../src/protocol/lock-target.ts'
import type { Actor, Reason, Selector } from '../src/protocol/revocation.ts'
import type { WebhookSwitch, WebhookType } from '../src/protocol/webhook-types.ts'
import type { ProcessKind } from '../src/protocol/work.ts'

/**
 * The rows of the store as the rest of the broker sees them. `…At` is epoch seconds unless it says
 * milliseconds.
 */

/**
 * A user as Microsoft knows them. The key is `tid` + `oid`; the other fields are for display and no
 * rule depends on them.
 */
export interface User {
  tid: string
  oid: string
  name?: string | undefined
  username?: string | undefined
  email?: string | undefined
  /**
   * Microsoft's home account id (`uid.utid`), where it is known: one human's guest accounts in
   * other tenants have the same.
   */
  homeId?: string | undefined
}

export interface Subject extends User {
  sub: string
  createdAt: number
}

export interface Session {
  sid: string
  sub: string
  user: User
  /**
   * The head of the log in the transaction that opened the session: a revocation S covers it iff
   * its selector matches and openedSeq < S.
   */
  openedSeq: number
  openedAt: number
  /**
   * When the user last authenticated at Microsoft, by its `auth_time`. 0: Microsoft did not say;
   * then the session meets no demand for a fresh sign-in, and its tokens have no `auth_time`.
   */
  authTime: number
  /** The same, or when the session was opened where Microsoft did not say. */
  authenticatedAt: number
  lastActiveAt: number
  idleSeconds: number
  /** The absolute end. No token outlives it. */
  absoluteAt: number
  /**
   * The time from which no refresh succeeds. As soon as it is set, /authorize demands a fresh
   * sign-in.
   */
  markAt?: number | undefined
  markReason?: Reason | undefined
  acr?: string | undefined
  amr?: string[] | undefined
  roles: string[]
  staySignedIn: boolean
  /** True on a computer that several users share. */
  shared: boolean
  /** Entra's own `sid`, by which its front-channel logout names the session. */
  microsoftSid?: string | undefined
  /** Entra's `login_hint` claim, sealed (src/session/sealed.ts opens it). */
  loginHintSealed?: string | undefined
  /** Lets the user recognize the session: "Firefox on Windows". */
  device: string
  /** When Microsoft last confirmed the session: at its sign-in, or at the latest probe. */
  probedAt: number
  ended?: { seq: number; at: number; reason: Reason } | undefined
}

/** An entry of a user's security history. */
/** Why a sign-in was rejected after Microsoft had named its user. */
export type RejectedFor =
  | 'mfa_not_proved'
  | 'freshness_not_proved'
  | 'not_assigned_here'
  | 'other_user'
  | 'tenant_not_connected'
  | `${LockKind}_locked`

export interface SecurityEvent {
  id: string
  sub: string
  at: number
  kind: 'signed_in' | 'renewed' | 'sign_in_rejected' | 'ended' | 'reported'
  sid?: string | undefined
  device?: string | undefined
  /** Personal data: only the user sees it, after a fresh sign-in. */
  address?: string | undefined
  clientId?: string | undefined
  /** Why the session or grant was revoked, or why the sign-in was rejected. */
  why?: string | undefined
  /** The actor who asked for the end, or who acted on a report. */
  actor?: Actor | undefined
  /** The end's number in the log. */
  seq?: number | undefined
  /** When a report was marked as acted on. */
  doneAt?: number | undefined
}

/** A rejected sign-in, by the visit to Microsoft that it ended. */
export interface RejectedSignIn {
  /** Rises with the time; a cursor. */
  id: number
  /** The reference on the user's page. */
  reference: string
  at: number
  /** The user whom Microsoft identified, of a registered tenant. Undefined: none was. */
  user?: Pick<User, 'tid' | 'oid' | 'name' | 'username'> & { sub?: string | undefined }
  /** The instance that was signed in to; undefined: a page of the broker. */
  clientId?: string | undefined
  /** A key of the guidance (src/microsoft/guidance.ts). */
  reason: string
  /** Microsoft's error number. */
  code?: number | undefined
}

/** A rejected visit in which Microsoft identified no user of a registered tenant. */
export type RejectedVisit = Omit<RejectedSignIn, 'id' | 'user'>

/** The members are joined by "and". A user is named by both `tid` and `oid`. */
export interface RejectedSignInFilter {
  tid?: string | undefined
  oid?: string | undefined
  /** A part of the username or of the object id, in any case. */
  who?: string | undefined
  clientId?: string | undefined
  reason?: string | undefined
  since?: number | undefined
  until?: number | undefined
}

/** The kinds of rows that the store holds about a user. */
export const HELD_KINDS = [
  'user',
  'floor',
  'lock',
  'consent',
  'microsoft_work',
  'audit',
  'history',
  'rejected_sign_in',
  'session',
  'participation',
  'delivery',
  'revocation',
] as const

/** A row that the store holds about a user, with its table's column names. */
export interface HeldRecord {
  kind: (typeof HELD_KINDS)[number]
  values: Record<string, string | number | null>
}

/** The validity of a session now, decided by its row and the cutoffs and by nothing else. */
export type SessionStatus =
  | { state: 'live'; session: Session }
  /** Valid until its mark, but the next /authorize needs a new sign-in at Microsoft. */
  | { state: 'marked'; session: Session }
  | { state: 'ended'; session: Session; why: 'revoked' | 'idle' | 'expired' | 'marked' }
  | { state: 'unknown' }

/** One row of the log of revocations. */
export interface Revocation {
  seq: number
  selector: Selector
  /** The tenant concerned, where the selector has one. The feed is filtered by it. */
  tid?: string | undefined
  reason: Reason
  actor: Actor
  at: number
  /** The operator's own case reference and comment. */
  caseReference?: string | undefined
  comment?: string | undefined
  /** `complete` once all deliveries are written, `pending` while they are written in batches. */
  fanOut: 'complete' | 'pending'
  /**
   * The number of sessions that it ended (for a client: those in which it took part), so far while
   * the fan-out is pending.
   */
  sessions: number
  /**
   * When it can no longer end an instance's own session, epoch seconds; 0: it ends none. Undefined:
   * not known, as of every entry that 1.0.0-rc.2 wrote.
   */
  sessionsUntil?: number | undefined
  /** The clients that may have such a session; undefined: every client. */
  sessionClients?: readonly string[] | undefined
  /** W3C Trace Context of the request that caused it. */
  traceparent?: string | undefined
}

/**
 * How many of a revocation's deliveries are in each state, among those written so far. Retention
 * keeps the totals as long as the revocation.
 */
export type DeliveryTotals = Record<DeliveryState, number>

/** The result of a bounded search through an ordered list. */
export interface Searched<T, P> {
  found: T[]
  /**
   * The last entry that was looked at, where the search stopped at its limit and there may be more
   * after it; otherwise undefined.
   */
  searchedTo: P | undefined
}

export interface LoggedRevocation extends Revocation {
  /** When it was acknowledged, if that is written yet. */
  acknowledgedAtMs?: number | undefined
  totals: DeliveryTotals
}

/** A head of a log's chain with its signature (JWS). */
export interface SignedHead {
  number: number
  hash: string
  /** Epoch seconds. */
  at: number
  signature: string
}

/** A row of a log with its link, as it is exported for evidence. */
export interface EvidenceRow extends Link {
  /** Null: the user was erased. */
  salt: string | null
  /** The fields that the chain holds as a hash with this salt. */
  content: Record<string, string | null>
  /** The outcome of an audit entry; undefined until it has one, and for revocations. */
  ended: AuditEntry['ended']
}

export interface DeliveryRef {
  id: string
  /** The number of the next attempt, from 1. */
  attempt: number
  targetId: string
  priority: Priority
  /** The revocation that caused the delivery. */
  seq?: number | undefined
}

/**
 * The order in which deliveries are sent. `urgent`: a user waits for it. `bulk`: a wide revocation.
 * `background`: no user waits (expiry).
 */
export type Priority = 'urgent' | 'bulk' | 'background'

/** The place up to which the pages of deliveries that are not yet due have been read. */
export interface EarlyCursor {
  priority: Priority
  dueAtMs: number
  id: string
}

/**
 * A revocation and the deliveries that its transaction wrote. The store announces it after the
 * commit.
 */
export interface Committed {
  revocation: Revocation
  /** The user whose session, grant or sessions it ended, where that is one user. */
  sub?: string | undefined
  pending: DeliveryRef[]
  /** The hash of the chain at the revocation's entry. */
  hash: string
  /** A version of the registry that is as new as the entry, for `FeedRow`. */
  registryVersion: number
}

/** An entry of the log as the feed reads it. */
export interface FeedRow extends Revocation {
  /**
   * A version of the registry that is as new as the entry. Who may see the entry is decided by
   * registrations of this version or a later one.
   */
  registryVersion: number
}

/** The states of a delivery. All but `pending` settle it. */
export const DELIVERY_STATES = [
  'pending',
  'delivered',
  'rejected',
  'failed',
  'superseded',
  'closed',
] as const
export type DeliveryState = (typeof DELIVERY_STATES)[number]

/** The content of a delivery. Each kind has its own payload, signature and rules of success. */
export type DeliveryKind = 'logout_token' | 'webhook' | 'set'

/** One message of the outbox to one target. */
export interface Delivery {
  id: string
  kind: DeliveryKind
  /** The revocation that caused it, where one did, and the reason of that revocation. */
  seq?: number | undefined
  reason?: Reason | undefined
  /** The client; for a webhook the endpoint's id. */
  clientId: string
  targetId: string
  uri: string
  /** W3C Trace Context of the request that caused it. */
  traceparent?: string | undefined
  /** The content of a webhook or SET, from which its message is built. */
  payload?: string | undefined
  /**
   * A logout token has exactly one of the two, which it names. For other kinds `sub` is the user
   * that the message names.
   */
  sid?: string | undefined
  sub?: string | undefined
  priority: Priority
  state: DeliveryState
  /** The number of attempts made. */
  attempts: number
  /** Epoch milliseconds, like `nextAttemptAtMs`: the order within a second matters here. */
  createdAtMs: number
  nextAttemptAtMs?: number | undefined
  settledAtMs?: number | undefined
  /** The later delivery that replaces this one. */
  supersededBy?: string | undefined
  lastStatus?: number | undefined
  lastError?: string | undefined
}

/** A webhook endpoint, with the event types that it gets. */
export interface WebhookEndpoint {
  id: string
  url: string
  description?: string | undefined
  events: WebhookType[]
  include: WebhookSwitch[]
  secretSealed: string
  /** The previous secret, which also signs until `until` (epoch seconds). */
  former?: { sealed: string; until: number } | undefined
  state: 'enabled' | 'disabled'
  /** Why the endpoint is disabled. */
  cause?: string | undefined
  /** The number of its latest message. */
  position: number
  createdAt: number
  updatedAt: number
}

/** A stream of security events to a client's receiver (SSF 1.0 §8.1). */
export interface SignalStream {
  id: string
  clientId: string
  method: 'push' | 'poll'
  endpointUrl?: string | undefined
  /** The value of the Authorization header that its endpoint requires. */
  authorizationSealed?: string | undefined
  eventsRequested: string[]
  description?: string | undefined
  /** `paused`: events are kept. `disabled`: events are not written. */
  status: 'enabled' | 'paused' | 'disabled'
  statusReason?: string | undefined
  statusBy: 'receiver' | 'broker' | 'operator'
  /** When a push endpoint first accepted a verification event. */
  verifiedAt?: number | undefined
  /** When the receiver last requested a verification event. */
  askedAt?: number | undefined
  createdAt: number
  updatedAt: number
}

/** The proof of one attempt. */
export interface DeliveryAttempt {
  attempt: number
  /** Epoch milliseconds. */
  atMs: number
  /**
   * `closed` is not an attempt: an operator closed the delivery, and `error` holds the reason that
   * they gave.
   */
  outcome: 'retry' | Exclude<DeliveryState, 'pending'>
  status?: number | undefined
  latencyMs: number
  jti?: string | undefined
  /** A description of the error; never a body or a token. */
  error?: string | undefined
}

export type AttemptResult =
  | { outcome: 'delivered' | 'rejected' | 'failed' | 'superseded'; attempt: DeliveryAttempt }
  | { outcome: 'retry'; attempt: DeliveryAttempt; nextAttemptAtMs: number }

export interface Participant {
  sid: string
  clientId: string
  firstAt: number
  lastAt: number
}

/** The refresh tokens of one grant. */
export interface TokenFamily {
  familyId: string
  sid: string
  clientId: string
  generation: number
  scope: string
  /** The audience requested by `resource`, else the client's own. */
  audience: string
  nonce?: string | undefined
  /** The thumbprint of the key that must be proved to use it (RFC 9449). */
  jkt?: string | undefined
}

/** The request that a one-time authorization code was issued for. */
export interface CodeGrant {
  clientId: string
  redirectUri: string
  scope: string
  audience: string
  nonce?: string | undefined
  codeChallenge?: string | undefined
  /** The thumbprint of the key that must be proved to redeem the code (RFC 9449 §10). */
  jkt?: string | undefined
  /** The client asked for `auth_time` (max_age, or the claims parameter). */
  wantsAuthTime?: boolean | undefined
}

export type KeyState = 'next' | 'active' | 'retiring' | 'retired'

export interface StoredSigningKey {
  kid: string
  alg: 'ES256' | 'RS256'
  state: KeyState
  /**
   * PKCS#8 DER, sealed with table `signing_keys`, row `kid`, column `private_sealed`; null for keys
   * that a file holds.
   */
  privateSealed: string | null
  publicJwk: Record<string, unknown>
  createdAt: number
  activatedAt?: number | undefined
  /** When the key stops being published. */
  retireAt?: number | undefined
}

export interface GuardReport {
  clientId: string
  guardId: string
  epoch: string
  enforcedSeq: number
  reportedAtMs: number
  /** The names of the streams and pollers whose leases it may hold. */
  streams?: readonly string[] | undefined
  version?: string | undefined
  /** The policy of the guard for valid tokens while it holds no lease. */
  withoutLease?: 'reject' | 'introspect' | undefined
  /** How often its lease has run out since it was started. */
  leasesRunOut?: number | undefined
  /** The drift of the two clocks, if it is so large that the guard holds no lease. */
  clockDriftPpm?: number | undefined
  /** The broker's clock minus the guard's. */
  clockOffsetSeconds?: number | undefined
  /** How soon its next report follows at the latest. */
  everySeconds?: number | undefined
  /** True if it judges the instance's own sessions too. */
  sessions?: boolean | undefined
}

/**
 * The proof that a participant of a revocation enforces it: the reports of its guards, the end of
 * their leases, its answers to logout tokens, the end of every access token, or that there is
 * nothing to end.
 */
export type Proof = 'report' | 'lease' | 'logout_token' | 'expiry' | 'none'

/** The first proof of each kind that a participant of a revocation enforces it. */
export interface Enforcement {
  seq: number
  clientId: string
  tokensBy?: Proof | undefined
  tokensAtMs?: number | undefined
  sessionsBy?: Proof | undefined
  sessionsAtMs?: number | undefined
}

/** The latest report of a guard. */
export interface GuardRecord extends Omit<GuardReport, 'streams'> {
  /** The report that first told of it; undefined where its lease never ran out. */
  leaseRanOutAtMs: number | undefined
}

/** Whom the users of a tenant ask for help. It has at least one address. */
export interface HelpContact {
  name?: string | undefined
  email?: string | undefined
  telephone?: string | undefined
  /** An https address. */
  link?: string | undefined
}

export interface Tenant {
  tid: string
  name?: string | undefined
  /**
   * `auth_context:c1` … `c25`, `amr` or `conditional_access`. Anything else (`undecided`) rejects
   * every sign-in.
   */
  mfaProof: string
  idleSeconds?: number | undefined
  absoluteSeconds?: number | undefined
  staySignedInSeconds?: number | undefined
  /**
   * The maximum age of a user's authentication at Microsoft. The lower of this limit and the
   * broker's own applies.
   */
  maxAuthenticationSeconds?: number | undefined
  /**
   * The user who asserted the proof of MFA, and when. Undefined: it was set in the settings or by
   * command.
   */
  proofAssertedBy?: string | undefined
  proofAssertedAt?: number | undefined
  /** The administrator of this tenant who confirmed its consent by signing in, and when. */
  consentConfirmedBy?: string | undefined
  consentConfirmedAt?: number | undefined
  /**
   * The administrators of the tenant at the console, in the form that
   * src/protocol/tenant-administrators.ts reads. Undefined: it has none.
   */
  administrators?: string | undefined
  helpContact?: HelpContact | undefined
  connectedAt: number
  removedAt?: number | undefined
}

/** A lock: its target gets no new sign-in, code or token until it is lifted. */
export interface Lock {
  id: string
  target: LockTarget
  actor: Actor
  at: number
  caseReference: string | undefined
  comment: string | undefined
  /** When the broker lifts the lock; undefined: an operator lifts it. */
  endsAt: number | undefined
  /** The revocation that the lock caused; undefined where the user had not signed in yet. */
  seq: number | undefined
  /** Undefined: the lock is open. */
  lifted:
    | { at: number; actor: Actor; caseReference: string | undefined; comment: string | undefined }
    | undefined
}

/** A lock as the user whom it keeps out may know it. */
export interface LockInForce {
  kind: LockKind
  /** When the broker lifts it; undefined: not before an act lifts it. */
  endsAt: number | undefined
  /** True: an administrator of the user's own tenant locked it, and not an operator of the broker. */
  byOwnTenant: boolean
}

/**
 * The interface that an act came through. `account`: a user's own page. `broker`: the broker
 * itself.
 */
export type AuditWay = 'console' | 'api' | 'command' | 'setup' | 'file' | 'account' | 'broker'

/** An act that is about to be done. It never holds a secret, and names users by their `sub`. */
export interface NewAuditEntry {
  actor: Actor
  via: AuditWay
  /** `revoke`, `redrive`, `client.add`, `key.rotate`, `console.sign_in` … */
  act: string
  /** The object of the act: `session s_…`, `client sydney`, `key …`. */
  target?: string | undefined
  caseReference?: string | undefined
  comment?: string | undefined
  details?: Record<string, unknown> | undefined
}

export interface AuditOutcome {
  /** `rejected`: the caller gets the reason. `failed`: an error of the broker or the store. */
  outcome: 'done' | 'rejected' | 'failed'
  result?: Record<string, unknown> | undefined
}

export interface AuditEntry extends NewAuditEntry {
  id: number
  /** When the act began, in epoch milliseconds. */
  atMs: number
  details: Record<string, unknown>
  /** Undefined: the act was interrupted before its outcome was written. */
  ended?: (AuditOutcome & { atMs: number; result: Record<string, unknown> }) | undefined
}

/**
 * The place of a session in the rounds of the probe: ordered by `phase` (0 to 65535), then by sid.
 */
interface ProbePlace {
  phase: number
  sid: string
}

/** A live session that is due for a probe, with Microsoft's own tokens, sealed. */
export interface ProbeDue extends ProbePlace {
  sub: string
  user: Pick<User, 'tid' | 'oid'>
  cacheSealed: string
  probedAt: number
}

/**
 * A page of sessions that the caller probes. It has the page, named by its id, until it finishes it
 * or its lease expires.
 */
export interface ProbeTaken {
  id: string
  due: ProbeDue[]
}

/**
 * The result of a probe. `vouched`: Microsoft gave new tokens; `roles` is set where the answer
 * named the user's roles.
 */
export type ProbeFinding =
  | { outcome: 'vouched'; cacheSealed: string; roles?: string[] | undefined }
  | { outcome: 'mark'; markAt: number; reason: Reason }
  | { outcome: 'end_session'; reason: Reason }
  /**
   * Ends the user's sessions: all of them, or those authenticated up to `until` and the one that
   * was probed.
   */
  | { outcome: 'end_user'; reason: Reason; until?: number | undefined }

/**
 * A request to Microsoft Graph: read whether a user may still sign in, sign a user out there, or
 * maintain the subscription of a tenant (`oid` then holds the reason).
 */
export interface MicrosoftWork {
  kind: 'check_user' | 'revoke_sessions' | 'revoke_reported' | 'tend_subscription'
  tid: string
  oid: string
}

export interface QueuedMicrosoftWork extends MicrosoftWork {
  /** Rises by one each time the work is requested. */
  generation: number
  /** The number of attempts made. */
  attempts: number
  /** Epoch milliseconds, like `nextAtMs`. */
  askedAtMs: number
  nextAtMs: number
  /** When the caller's lease expires; until then no other broker takes the work. */
  leasedUntilMs: number
  lastError?: string | undefined
}

/**
 * `log`: another broker has revoked. `wide`: that was a wide revocation, whose deliveries are still
 * to be written. `registry`: another broker has changed clients, tenants, keys or settings.
 * `unconfirmed`: this broker must not answer anything from the store, nor keep a guard fresh, until
 * the store answers again. `promoted`: the log continues at another server. `log_lost`: that server
 * lacked entries that had been acknowledged, so a new log has begun and everything is revoked.
 */
export type Elsewhere =
  | 'log'
  | 'wide'
  | 'registry'
  | 'unconfirmed'
  | 'returned'
  | 'promoted'
  | 'log_lost'

/** A process that uses this store: a broker, or workers alone. */
export interface BrokerProcess {
  id: string
  kind: ProcessKind
  /** Its background work, in the form of BROKER_WORK. */
  work: string
  host: string
  version: string
  /** Epoch milliseconds, like `seenAtMs`. */
  startedAtMs: number
  seenAtMs: number
}

/** Facts about a shared database, for the checks. */
export interface DatabaseFacts {
  /** The version as Postgres writes it (`17.6`); `major` is its first number. */
  version: string
  major: number
  /** `synchronous_commit` of this broker's connections. */
  synchronousCommit: string
  /** True if the server syncs its disk at all (`fsync`). */
  fsync: boolean
  /** True if a synchronous standby confirms commits. Only a role with pg_read_all_stats sees it. */
  standby: boolean
  seesStandbys: boolean
  /** True if a notification that this broker sends reaches it. */
  notified: boolean
  /** Postgres's clock minus the broker's, corrected for the duration of the query. */
  clockAheadMs: number
  /** True if the broker's role may change tables, which the broker does not need. */
  mayChangeTables: boolean
  /** The number of dead row versions of `log_head`. */
  deadHeads: number
  /** Indexes that `cmb migrate` is building or has not built. */
  unbuiltIndexes: string[]
}

export class StoreUnavailable extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'StoreUnavailable'
  }
}

/** No commit was confirmed in time. Another attempt may succeed. */
export class StoreUnconfirmed extends StoreUnavailable {}

export interface NewSession {
  user: User
  authTime: number
  /** When the browser left for Microsoft. */
  visitStartedAt: number
  idleSeconds: number
  absoluteAt: number
  acr?: string | undefined
  amr?: string[] | undefined
  roles: string[]
  staySignedIn: boolean
  shared?: boolean | undefined
  microsoftSid?: string | undefined
  loginHintSealed?: string | undefined
  /**
   * MSAL's cache of this sign-in, with Microsoft's refresh token, sealed
   * (src/session/sealed.ts). A renewal replaces it; the end of the session deletes it.
   */
  microsoftCacheSealed?: string | undefined
  device: string
  cookieHash: string
  /**
   * SHA-256 of the cookie that names the browser. Undefined: the session belongs to no known
   * browser.
   */
  browserHash?: string | undefined
}

/** The limit of a user's simultaneous sessions. */
export interface SessionLimit {
  most: number
  /**
   * The effect of a sign-in above the limit: end the oldest session, or be rejected unless the user
   * has chosen which sessions end (`end`, their sids).
   */
  whenFull: 'end_oldest' | 'ask'
  end?: readonly string[] | undefined
}

export interface NewCode extends CodeGrant {
  codeHash: string
  expiresAt: number
}

export interface SignInFrom {
  address?: string | undefined
  clientId?: string | undefined
}

/**
 * The proof that a sign-in lacks. `fresh`: a fresh visit to Microsoft. `fresh_context`: a fresh
 * visit with the tenant's authentication context for security reasons.
 */
export type FreshDemand = 'fresh' | 'fresh_context'

/**
 * The head of the log when the latest fresh visit of a user from a browser began; 0: there was
 * none.
 */
export interface FreshProof {
  provenSeq: number
  /**
   * The same for a visit that also brought the tenant's authentication context. Undefined: the
   * tenant demands none.
   */
  contextSeq?: number | undefined
}

/** The place of a session in the list of a user's sessions, newest first. */
export type SessionPlace = { openedAt: number; sid: string }

/** `not_fresh`: the session is valid, and its user's authentication is too old for this client. */
export type RejectedWhy =
  | 'unknown'
  | 'expired'
  | 'revoked'
  | 'stale'
  | 'wrong_client'
  | 'wrong_redirect_uri'
  | 'wrong_verifier'
  | 'wrong_key'
  | 'marked'
  | 'not_fresh'
  | 'locked'

export interface RevokeInput {
  selector: Selector
  reason: Reason
  actor: Actor
  now: number
  caseReference?: string | undefined
  comment?: string | undefined
  /**
   * The tenants whose user is signed out at Microsoft too, if the selector is a `subject`. That
   * work is written in the same transaction.
   */
  alsoAtMicrosoft?: 'all' | readonly string[] | undefined
  /**
   * When the token that a client presents was opened: `rev`, or `openedSeq` of its family.
   * Undefined: the request is for all that the selector matches.
   */
  presentedSeq?: number | undefined
}

export interface RevocationPreview {
  sessions: number
  subjects: number
  clients: number
  deliveries: number
  /**
   * The number of users who can sign in again without a new authentication, because their tenant
   * has never sent `auth_time`.
   */
  withoutFreshSignIn: number
  /** The first of the users, ten at most. */
  firstSubjects: string[]
  /**
   * For a selector of one user: the subs of the same human in other tenants. A lock covers them;
   * after a revocation they too need a fresh sign-in.
   */
  otherSubjects: string[]
}

export interface RevocationFilter {
  /** Only revocations that name this user, or ended a session or grant of theirs. */
  sub?: string | undefined
  /** Only revocations of this client, or of its grant in one session. */
  clientId?: string | undefined
  caseReference?: string | undefined
  /** Only revocations of this tenant, or of a user, session or grant in it. */
  tid?: string | undefined
  reason?: Reason | undefined
  actorId?: string | undefined
  /** Epoch seconds; `until` is not included. */
  since?: number | undefined
  until?: number | undefined
}

export interface LockInput {
  target: LockTarget
  actor: Actor
  /** The actor's role. An operator cannot lock a user who has a role of the broker. */
  may: 'operate' | 'administer'
  operatorTenant: string | undefined
  endsAt?: number | undefined
  caseReference?: string | undefined
  comment?: string | undefined
  /** The open lock that this one replaces. It is lifted in the same act. */
  replaces?: string | undefined
  now: number
}
export type LockProtection =
  | 'self'
  | 'operator_tenant'
  | 'console'
  | 'last_administrators'
  | 'has_role'

/**
 * Tables whose rows a request can create and that live for a day at most. They are purged often.
 */
export const PURGED_SOON = [
  'codes',
  'consumed',
  'pushed_requests',
  'idempotency_keys',
  'session_entries',
] as const
/**
 * Data that is kept for weeks. Deliveries are purged before revocations, because a revocation is
 * deleted only when none of its deliveries is kept.
 */
export const PURGED_LATE = [
  'sessions',
  'deliveries',
  'revocations',
  'microsoft_work',
  'audit',
  'locks',
  'guards',
  'consents',
  'history',
  'rejected_sign_ins',
  'accepted_sign_ins',
  'addresses',
] as const
export type Purged = (typeof PURGED_SOON)[number] | (typeof PURGED_LATE)[number]

export interface Retention {
  sessionDays: number
  revocationDays: number
  auditDays: number
  /** The retention of the security history, and of the IP addresses in it. */
  historyDays: number
  addressDays: number
}

export type BackupOutcome =
  | { outcome: 'made'; bytes: number; epoch: string; seq: number }
  | { outcome: 'exists' }
  | { outcome: 'unwritable'; code: string }

/**
 * Why a user who has authenticated is not signed in. `not_fresh`: a revocation demands a fresh
 * sign-in, and this one is not. The first reason that applies is given, in this order.
 */
export type SignInRejection =
  | { why: `${LockKind}_locked` }
  | { why: 'not_fresh'; demand: FreshDemand }
  /** The user has to choose `choose` of their sessions, which the next attempt ends. */
  | { why: 'session_limit'; choose: number; among: Session[]; identified: Identified }

/**
 * The moment at which Microsoft identified the user of a sign-in. What happened to the user since
 * then counts.
 */
export interface Identified {
  at: number
  /** The head of the log. */
  seq: number
}

export interface SignedIn {
  outcome: 'signed_in'
  session: Session
  renewed: boolean
  committed: Committed[]
}
