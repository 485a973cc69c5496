import type { LockKind, LockTarget } from '../src/protocol/lock-target.ts'
import type { Actor, Reason, Selector } from '../src/protocol/revocation.ts'
import type { WebhookSwitch, WebhookType } from '../src/protocol/webhook-types.ts'
import type { ProcessKind } from '../src/protocol/work.ts'

/**
 * The rows of the store as the rest of the broker sees them. `…At` is epoch seconds unless it says
 * milliseconds.
 */

/**
 * A user as Microsoft knows them. The key is `tid` + `oid`; the rest is for display and never
 * decides anything.
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
   * The head of the log in the transaction that opened it: a revocation S covers it iff its
   * selector matches and openedSeq < S.
   */
  openedSeq: number
  openedAt: number
  /**
   * When the user last proved themselves at Microsoft, by its `auth_time`. 0: Microsoft did not
   * say, so that no demand for a fresh sign-in is met by it and no token claims it.
   */
  authTime: number
  /** The same; where Microsoft did not say, when the session was opened. */
  authenticatedAt: number
  lastActiveAt: number
  idleSeconds: number
  /** The absolute end. No token outlives it. */
  absoluteAt: number
  /**
   * A mark: from here on no refresh succeeds; and /authorize asks for a fresh sign-in as soon as it
   * is set.
   */
  markAt?: number | undefined
  markReason?: Reason | undefined
  acr?: string | undefined
  amr?: string[] | undefined
  roles: string[]
  staySignedIn: boolean
  /** Entra's own `sid`, by which its front-channel logout names the session. */
  microsoftSid?: string | undefined
  /** Entra's `login_hint` claim, sealed (src/clients/session/sealed.ts opens it). */
  loginHintSealed?: string | undefined
  /** For the user to recognize it by: "Firefox on Windows". */
  device: string
  /** When Microsoft last vouched for it: its sign-in, or the latest probe. */
  probedAt: number
  ended?: { seq: number; at: number; reason: Reason } | undefined
}

/** An entry of a user's security history. */
export interface SecurityEvent {
  id: string
  sub: string
  at: number
  kind: 'signed_in' | 'renewed' | 'sign_in_rejected' | 'ended' | 'reported'
  sid?: string | undefined
  device?: string | undefined
  /** Personal: only its user sees it, freshly signed in. */
  address?: string | undefined
  clientId?: string | undefined
  /** Of an end, the reason of the revocation; of a rejected sign-in, why. */
  why?: string | undefined
  /** Of an end: who asked for it. */
  actor?: Actor | undefined
  /** Of an end: its number in the log. */
  seq?: number | undefined
}

/** A row that is held about a user, under the names of its table's columns. */
export interface HeldRecord {
  kind:
    | 'user'
    | 'floor'
    | 'lock'
    | 'consent'
    | 'microsoft_work'
    | 'audit'
    | 'history'
    | 'session'
    | 'participation'
    | 'delivery'
    | 'revocation'
  values: Record<string, string | number | null>
}

/** Whether a session is valid now, decided by its row and the cutoffs and by nothing else. */
export type Standing =
  | { state: 'live'; session: Session }
  /** Good for what it has, but the next /authorize needs Microsoft again. */
  | { state: 'marked'; session: Session }
  | { state: 'ended'; session: Session; why: 'revoked' | 'idle' | 'expired' | 'marked' }
  | { state: 'unknown' }

/** One row of the log. */
export interface Revocation {
  seq: number
  selector: Selector
  /** The tenant concerned, where the selector has one: the feed is filtered by it. */
  tid?: string | undefined
  reason: Reason
  actor: Actor
  at: number
  /** The operator's own reference and words. */
  caseReference?: string | undefined
  comment?: string | undefined
  /** Its deliveries: all written, or still being written in batches. */
  fanOut: 'complete' | 'pending'
  /**
   * Sessions it ended, of a client those that it took part in; as far as written while the fan-out
   * is pending.
   */
  sessions: number
  /** W3C Trace Context of the request that caused it. */
  traceparent?: string | undefined
}

/**
 * How many of a revocation's deliveries, as far as they are written, are in each state. Retention
 * keeps the totals as long as the revocation.
 */
export type DeliveryTotals = Record<DeliveryState, number>

/** What a bounded search through a list in its order has found. */
export interface Searched<T, P> {
  found: T[]
  /**
   * The last entry that was looked at, where the search has read as much as one answer may, and
   * there may be more after it.
   */
  searchedTo: P | undefined
}

export interface LoggedRevocation extends Revocation {
  /**
   * When a guard last reported that it had reached it: no guard that reported it on its own reached
   * it later.
   */
  enforcedAtMs: number | undefined
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

/** A row of a log as evidence shows it. */
export interface EvidenceRow {
  number: number
  /** What the chain has as a salted hash. Undefined: the user was erased. */
  personal: { salt: string; fields: Record<string, string | null> } | undefined
  /** Of an audit entry that has ended. */
  ended:
    | { outcome: AuditOutcome['outcome']; atMs: number; result: Record<string, unknown> }
    | undefined
}

export interface DeliveryRef {
  id: string
  /** The attempt that comes next, from 1. */
  attempt: number
  targetId: string
  priority: Priority
  /** The revocation that it belongs to. */
  seq?: number | undefined
}

/**
 * What goes first. `urgent`: a user waits for it. `bulk`: a wide revocation. `background`: no user
 * waits (expiry).
 */
export type Priority = 'urgent' | 'bulk' | 'background'

/** How far the pages of deliveries that are not yet due have been read. */
export interface EarlyCursor {
  priority: Priority
  dueAtMs: number
  id: string
}

/**
 * A revocation, and the deliveries that its transaction wrote. The store announces it after the
 * commit.
 */
export interface Committed {
  revocation: Revocation
  /** Whose session, grant or sessions it ended, where that is one user. */
  sub?: string | undefined
  pending: DeliveryRef[]
}

export type DeliveryState =
  | 'pending'
  | 'delivered'
  | 'rejected'
  | 'failed'
  | 'superseded'
  | 'closed'

/** What a delivery carries; each kind has its own payload, signature and rules of success. */
export type DeliveryKind = 'logout_token' | 'webhook' | 'set'

/** One message of the outbox to one target. */
export interface Delivery {
  id: string
  kind: DeliveryKind
  /** The revocation that caused it, where one did, and why it was revoked. */
  seq?: number | undefined
  reason?: Reason | undefined
  /** Of a webhook the endpoint's id. */
  clientId: string
  targetId: string
  uri: string
  /** W3C Trace Context of the request that caused it. */
  traceparent?: string | undefined
  /** What kinds other than logout tokens are minted from. */
  payload?: string | undefined
  /**
   * Of a logout token exactly one of the two is set: what it names. Of other kinds `sub` is the
   * user whom it is about.
   */
  sid?: string | undefined
  sub?: string | undefined
  state: DeliveryState
  /** Attempts made. */
  attempts: number
  /** Epoch milliseconds, both: these decide within a second. */
  createdAtMs: number
  nextAttemptAtMs?: number | undefined
  settledAtMs?: number | undefined
  /** The later delivery that covers what this one said. */
  supersededBy?: string | undefined
  lastStatus?: number | undefined
  lastError?: string | undefined
}

/** Where webhooks go, and which. */
export interface WebhookEndpoint {
  id: string
  url: string
  description?: string | undefined
  events: WebhookType[]
  include: WebhookSwitch[]
  secretSealed: string
  /** The secret before, which signs too until then (epoch seconds). */
  former?: { sealed: string; until: number } | undefined
  state: 'enabled' | 'disabled'
  /** Why it is disabled. */
  cause?: string | undefined
  /** Of its latest message. */
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
  /** The value of the Authorization header that its endpoint wants. */
  authorizationSealed?: string | undefined
  eventsRequested: string[]
  description?: string | undefined
  /** `paused`: events are kept. `disabled`: there are none. */
  status: 'enabled' | 'paused' | 'disabled'
  statusReason?: string | undefined
  statusBy: 'receiver' | 'broker' | 'operator'
  /** Of a push: when its endpoint accepted a verification event. */
  verifiedAt?: number | undefined
  /** When its receiver last asked for a verification event. */
  askedAt?: number | undefined
  createdAt: number
  updatedAt: number
}

/** Proof of one attempt. */
export interface DeliveryAttempt {
  attempt: number
  /** Epoch milliseconds. */
  atMs: number
  /**
   * `closed`: no attempt; an operator closed the delivery, and `error` is the reason that was
   * given.
   */
  outcome: 'delivered' | 'retry' | 'rejected' | 'failed' | 'superseded' | 'closed'
  status?: number | undefined
  latencyMs: number
  jti?: string | undefined
  /** What went wrong, in words; never a body or a token. */
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
  /** The audience asked for by `resource`, else the client's own. */
  audience: string
  nonce?: string | undefined
}

/** What a one-time authorization code stands for. */
export interface CodeGrant {
  clientId: string
  redirectUri: string
  scope: string
  audience: string
  nonce?: string | undefined
  codeChallenge?: string | undefined
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
  /** From when on it stops being published. */
  retireAt?: number | undefined
}

/** What a guard does with tokens once it has not heard of the broker for `afterSeconds`. */
export interface GuardStaleness {
  afterSeconds: number
  policy: 'refuse' | 'introspect'
}

export interface GuardReport {
  clientId: string
  guardId: string
  epoch: string
  enforcedSeq: number
  reportedAtMs: number
  /** When its stream was opened; not given: it has none here. */
  connectedAtMs?: number | undefined
  version?: string | undefined
  staleness?: GuardStaleness | undefined
  /** The broker's clock less the guard's. */
  clockOffsetSeconds?: number | undefined
}

/** The latest report of a guard, and since when it is known. */
export interface GuardRecord extends Omit<GuardReport, 'connectedAtMs'> {
  firstSeenAtMs: number
  /** The seq of its first report in this epoch: it began with everything up to there. */
  firstSeq: number
  /**
   * Its latest report of more revocations than are marked one by one: it enforced all up to `seq`
   * no later than `atMs`.
   */
  leap: { seq: number; atMs: number }
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
   * How old a user's authentication at Microsoft may be. The broker's own limit counts too: the
   * lower one decides.
   */
  maxAuthenticationSeconds?: number | undefined
  /**
   * Who asserted the proof of MFA, and when. Not there: it came with the settings or by command.
   */
  proofAssertedBy?: string | undefined
  proofAssertedAt?: number | undefined
  /** Which administrator of this very tenant has confirmed its consent by signing in, and when. */
  consentConfirmedBy?: string | undefined
  consentConfirmedAt?: number | undefined
  /**
   * Who administers it at the console, as src/protocol/tenant-administrators.ts reads it. Not
   * there: no user of it does.
   */
  administrators?: string | undefined
  connectedAt: number
  removedAt?: number | undefined
}

/** No new sign-in, code or token of the target, until it is lifted. */
export interface Lock {
  id: string
  target: LockTarget
  actor: Actor
  at: number
  caseReference: string | undefined
  comment: string | undefined
  /** The broker lifts it then. */
  endsAt: number | undefined
  /** Its revocation; undefined where the user had not signed in yet. */
  seq: number | undefined
  /** Undefined: it is open. */
  lifted:
    | { at: number; actor: Actor; caseReference: string | undefined; comment: string | undefined }
    | undefined
}

/** By which way an act came in. `account`: a user's own page. `broker`: the broker itself. */
export type AuditWay = 'console' | 'api' | 'command' | 'setup' | 'file' | 'account' | 'broker'

/** An act that is about to be done. Never a secret; users by their `sub`. */
export interface NewAuditEntry {
  actor: Actor
  via: AuditWay
  /** `revoke`, `redrive`, `client.add`, `key.rotate`, `console.sign_in` … */
  act: string
  /** What it is done to: `session s_…`, `client sydney`, `key …`. */
  target?: string | undefined
  caseReference?: string | undefined
  comment?: string | undefined
  details?: Record<string, unknown> | undefined
}

export interface AuditOutcome {
  /**
   * `rejected`: for a reason that the caller is given. `failed`: a fault of ours, or the store's.
   */
  outcome: 'done' | 'rejected' | 'failed'
  result?: Record<string, unknown> | undefined
}

export interface AuditEntry extends NewAuditEntry {
  id: number
  /** Epoch milliseconds: when it began. */
  atMs: number
  details: Record<string, unknown>
  /** Not there: cut off before its end was written. */
  ended?: (AuditOutcome & { atMs: number; result: Record<string, unknown> }) | undefined
}

/** The place of a session in the rounds of the probe: by `phase` (0 to 65535), then by sid. */
interface ProbePlace {
  phase: number
  sid: string
}

/** A live session to be probed, with Microsoft's own tokens, sealed. */
export interface ProbeDue extends ProbePlace {
  sub: string
  user: Pick<User, 'tid' | 'oid'>
  cacheSealed: string
  probedAt: number
}

/**
 * A page of sessions that is the caller's to probe, by its id, until it is finished or its lease
 * runs out.
 */
export interface ProbeTaken {
  id: string
  due: ProbeDue[]
}

/** What a probe has learnt. `vouched`: Microsoft gave new tokens; `roles` where it said which. */
export type ProbeFinding =
  | { outcome: 'vouched'; cacheSealed: string; roles?: string[] | undefined }
  | { outcome: 'mark'; markAt: number; reason: Reason }
  | { outcome: 'end_session'; reason: Reason }
  /**
   * The user's sessions: all of them, or those authenticated up to a moment and the one that was
   * probed.
   */
  | { outcome: 'end_user'; reason: Reason; until?: number | undefined }

/**
 * What is to be asked of Microsoft Graph: read whether a user may still sign in, sign a user out
 * there, tend the subscription of a tenant (`oid` says why).
 */
export interface MicrosoftWork {
  kind: 'check_user' | 'revoke_sessions' | 'revoke_reported' | 'tend_subscription'
  tid: string
  oid: string
}

export interface QueuedMicrosoftWork extends MicrosoftWork {
  /** One higher each time it is asked for. */
  generation: number
  /** Attempts made. */
  attempts: number
  /** Epoch milliseconds, both. */
  askedAtMs: number
  nextAtMs: number
  /** It is the caller's alone until then. */
  leasedUntilMs: number
  lastError?: string | undefined
}

/** How long a revocation took, from its commit, in milliseconds. */
export interface RevocationTime {
  seq: number
  /** Epoch milliseconds of its commit. */
  atMs: number
  /** Until the last target had answered; not there while one has not. */
  deliveredMs?: number | undefined
  /** Until the last guard that has said so enforced it. */
  enforcedMs?: number | undefined
}

/**
 * `log`: another broker has revoked. `wide`: that was a wide revocation, whose deliveries are still
 * to be written. `registry`: another broker has changed clients, tenants, keys or settings.
 * `unconfirmed`: this broker may answer nothing from the store, and keep no guard fresh, until the
 * store says otherwise by answering again. `promoted`: the log went on at another server.
 * `log_lost`: that server lacked what had been acknowledged, so a new log has begun, and everything
 * is revoked.
 */
export type Elsewhere =
  | 'log'
  | 'wide'
  | 'registry'
  | 'unconfirmed'
  | 'returned'
  | 'promoted'
  | 'log_lost'

/** A process that has this store: a broker, or workers alone. */
export interface BrokerProcess {
  id: string
  kind: ProcessKind
  /** What background work it does, as BROKER_WORK says it. */
  work: string
  host: string
  version: string
  /** Epoch milliseconds, both. */
  startedAtMs: number
  seenAtMs: number
}

/** What a shared database is, as a database: for the checks. */
export interface DatabaseFacts {
  /** As Postgres writes it: `17.6`; and its first number. */
  version: string
  major: number
  /** `synchronous_commit` of this broker's connections. */
  synchronousCommit: string
  /** Whether the server syncs its disk at all (`fsync`). */
  fsync: boolean
  /** Whether a synchronous standby confirms commits. Only a role with pg_read_all_stats sees it. */
  standby: boolean
  seesStandbys: boolean
  /** Whether a notification that this broker sends reaches it. */
  notified: boolean
  /** Postgres's clock less the broker's, without the time of the question. */
  clockAheadMs: number
  /** Whether the broker's role may change tables, which it need not. */
  mayChangeTables: boolean
  /** Dead row versions of `log_head`. */
  deadHeads: number
}

export class StoreUnavailable extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'StoreUnavailable'
  }
}

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
  microsoftSid?: string | undefined
  loginHintSealed?: string | undefined
  /**
   * MSAL's cache of this sign-in, Microsoft's refresh token in it, sealed
   * (src/clients/session/sealed.ts). A renewal replaces it; it goes when the session ends.
   */
  microsoftCacheSealed?: string | undefined
  device: string
  cookieHash: string
  /**
   * SHA-256 of the cookie that names the browser. Not given: the session belongs to no known
   * browser.
   */
  browserHash?: string | undefined
}

/** How many sessions a user may have at once. */
export interface SessionLimit {
  most: number
  /**
   * Ends the oldest, or rejects the sign-in unless the user has chosen (`end`, sids) which sessions
   * end.
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
 * `fresh_context`: the tenant's authentication context for security reasons is missing; its visit
 * is a fresh one too.
 */
export type FreshDemand = 'fresh' | 'fresh_context'

/**
 * The head of the log when the latest fresh visit of a user by a browser departed; 0: there was
 * none.
 */
export interface FreshProof {
  provenSeq: number
  /**
   * The same of a visit that brought the tenant's authentication context too. Left out: the tenant
   * demands none.
   */
  contextSeq?: number | undefined
}

/** In the list of the newest first. */
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
   * A `subject` of one of these tenants is signed out at Microsoft too: that work is written in the
   * same transaction.
   */
  alsoAtMicrosoft?: 'all' | readonly string[] | undefined
}

export interface RevocationPreview {
  sessions: number
  subjects: number
  clients: number
  deliveries: number
  /**
   * Of the users, those who come back without a new password: their tenant has never sent
   * `auth_time`.
   */
  withoutFreshSignIn: number
  /** The first of the users, ten at most. */
  firstSubjects: string[]
  /**
   * Of one user: the subs of the same human in other tenants. A lock covers them; after a
   * revocation they too have to sign in afresh.
   */
  otherSubjects: string[]
}

export interface RevocationFilter {
  /** Of this user: what was revoked for them, and what has ended a session or a grant of theirs. */
  sub?: string | undefined
  /** Of this client alone: itself, or its grant in one session. */
  clientId?: string | undefined
  caseReference?: string | undefined
  /** Of this tenant: what names it, a user, a session or a grant of it. */
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
  /** What the actor may do: an operator locks no user who has a role of the broker. */
  may: 'operate' | 'administer'
  operatorTenant: string | undefined
  endsAt?: number | undefined
  caseReference?: string | undefined
  comment?: string | undefined
  /** The open lock that this one takes the place of: it is lifted in the same act. */
  replaces?: string | undefined
  now: number
}
export type LockProtection =
  | 'self'
  | 'operator_tenant'
  | 'console'
  | 'last_administrators'
  | 'has_role'

/** What lives for a day at most, and a request can create. */
export const PURGED_SOON = ['codes', 'consumed', 'pushed_requests', 'idempotency_keys'] as const
/**
 * What is kept for weeks. Deliveries before revocations: a revocation goes when none of its
 * deliveries is kept.
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
  'addresses',
] as const
export type Purged = (typeof PURGED_SOON)[number] | (typeof PURGED_LATE)[number]

export interface Retention {
  sessionDays: number
  revocationDays: number
  auditDays: number
  /** Of the security history; and of the IP addresses in it. */
  historyDays: number
  addressDays: number
}

export type BackupOutcome =
  | { outcome: 'made'; bytes: number; epoch: string; seq: number }
  | { outcome: 'exists' }
  | { outcome: 'unwritable'; code: string }

/**
 * Why a user who has proved themselves is not signed in. `not_fresh`: a revocation demands a fresh
 * sign-in of them, and this one is not. The first that holds is named, in this order.
 */
export type SignInRejection =
  | { why: `${LockKind}_locked` }
  | { why: 'not_fresh'; demand: FreshDemand }
  /** The user has to choose so many of their sessions, which end with the next attempt. */
  | { why: 'session_limit'; choose: number; among: Session[] }

export interface SignedIn {
  outcome: 'signed_in'
  session: Session
  renewed: boolean
  committed: Committed[]
}
