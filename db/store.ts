import type { Client, ClientMetadata, ClientSource, SecretHash } from '../src/protocol/client-metadata.ts'
import type { Link, LogName } from '../src/protocol/evidence-chain.ts'
import type { LockKind, LockTarget } from '../src/protocol/lock-target.ts'
import type { Actor, Reason, Selector } from '../src/protocol/revocation.ts'
import type { ProcessKind } from '../src/protocol/work.ts'
import type {
  AttemptResult,
  AuditEntry,
  AuditOutcome,
  CodeGrant,
  Committed,
  Delivery,
  DeliveryAttempt,
  DeliveryRef,
  DeliveryState,
  EarlyCursor,
  EvidenceRow,
  GuardRecord,
  GuardReport,
  NewAuditEntry,
  MicrosoftWork,
  QueuedMicrosoftWork,
  Lock,
  Participant,
  User,
  ProbeDue,
  ProbeFinding,
  ProbeTaken,
  LoggedRevocation,
  HeldRecord,
  SecurityEvent,
  SignedHead,
  Revocation,
  RevocationTime,
  Searched,
  Session,
  SignalStream,
  StoredSigningKey,
  Standing,
  Subject,
  Tenant,
  TokenFamily,
  WebhookEndpoint,
} from './types.ts'

/**
 * The port: each operation is one protocol act and one transaction. An answer means that its commit is on disk. Refusals are values,
 * because throwing rolls back. Callers never hold a transaction, so that a second store can serve.
 *
 * @throws StoreUnavailable where nothing was written (disk full, closed, too busy): the caller answers 503 and nothing is half done.
 */
export interface Store
  extends
    SignInActs,
    HistoryActs,
    TokenActs,
    RevocationActs,
    MicrosoftActs,
    DeliveryActs,
    WebhookActs,
    StreamActs,
    FeedActs,
    SharingActs,
    ClientActs,
    KeyActs,
    TenantActs,
    UserActs,
    AuditActs,
    EvidenceActs,
    LockActs,
    RepeatableActs,
    Housekeeping {}

/**
 * `log`: another broker has revoked. `wide`: that was a wide revocation, whose deliveries are still to be written. `registry`: another broker
 * has changed clients, tenants, keys or settings. `unconfirmed`: this broker may answer nothing from the store, and keep no guard fresh, until
 * the store says otherwise by answering again. `promoted`: the log went on at another server. `log_lost`: that server lacked what had been
 * acknowledged, so a new log has begun, and everything is revoked.
 */
export type Elsewhere = 'log' | 'wide' | 'registry' | 'unconfirmed' | 'returned' | 'promoted' | 'log_lost'

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

export interface SharingActs {
  /**
   * What other brokers of the same store commit: within a second, mostly at once. The first listener gets at once what was committed
   * since the store was opened, because what a broker has read meanwhile may be older. A store that one broker has alone never calls it.
   */
  onElsewhere(listener: (what: Elsewhere) => void): void
  /** Whether a server of this database had issued this number of the log, and failed before another one had it. */
  wasLost(seq: number): boolean
  /** The brokers and workers of this store whose heartbeat is not older than a minute. Empty where a store has one broker alone. */
  brokers(): Promise<BrokerProcess[]>
  /** Undefined where a store has one broker alone. */
  databaseFacts(): Promise<DatabaseFacts | undefined>
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
  /** MSAL's cache of this sign-in, Microsoft's refresh token in it, sealed (src/clients/session/sealed.ts). A renewal replaces it; it goes when the session ends. */
  microsoftCacheSealed?: string | undefined
  device: string
  cookieHash: string
  /** SHA-256 of the cookie that names the browser. Not given: the session belongs to no known browser. */
  browserHash?: string | undefined
}

/** How many sessions a user may have at once. */
export interface SessionLimit {
  most: number
  /** Ends the oldest, or rejects the sign-in unless the user has chosen (`end`, sids) which sessions end. */
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

export interface SignedIn {
  outcome: 'signed_in'
  session: Session
  renewed: boolean
  committed: Committed[]
}

/**
 * Why a user who has proved themselves is not signed in. `not_fresh`: a revocation demands a fresh sign-in of them, and this one is not. The
 * first that holds is named, in this order.
 */
export type SignInRejection =
  | { why: `${LockKind}_locked` }
  | { why: 'not_fresh'; demand: FreshDemand }
  /** The user has to choose so many of their sessions, which end with the next attempt. */
  | { why: 'session_limit'; choose: number; among: Session[] }

/** `fresh_context`: the tenant's authentication context for security reasons is missing; its visit is a fresh one too. */
export type FreshDemand = 'fresh' | 'fresh_context'

/** The head of the log when the latest fresh visit of a user by a browser departed; 0: there was none. */
export interface FreshProof {
  provenSeq: number
  /** The same of a visit that brought the tenant's authentication context too. Left out: the tenant demands none. */
  contextSeq?: number | undefined
}

export interface FloorActs {
  /**
   * Demands no fresh sign-in of a user, or of a tenant's users, before `untilAt`, for revocations up to now: later ones are demanded. A later
   * waiver replaces it. `unknown`: there is no such user.
   */
  waiveFreshSignIn(input: {
    selector: Extract<Selector, { kind: 'subject' | 'tenant' }>
    untilAt: number
  }): Promise<{ outcome: 'waived'; seq: number } | { outcome: 'unknown' }>
  /** Tenants whose ID tokens have had `auth_time`: in others no fresh sign-in can be demanded. */
  tenantsWithAuthTime(): Promise<string[]>
}

export interface SessionSearch {
  sub?: string | undefined
  tid?: string | undefined
  clientId?: string | undefined
  text?: string | undefined
  /** Letters of the device's name, case aside. */
  device?: string | undefined
  /** Only sessions opened before this one. */
  before?: SessionPlace | undefined
  now: number
  limit: number
}
/** In the list of the newest first. */
export type SessionPlace = { openedAt: number; sid: string }
type FoundSession = { session: Session; participants: Participant[] }

export interface SignInActs extends FloorActs {
  /**
   * A user has proved themselves on a browser. In one transaction: their subject is found or made; the session of this browser
   * (`browserCookieHash`, `session.browserHash`) ends as `replaced` where it is another user's, and is renewed (same sid, new cookie)
   * where it is theirs and live; otherwise a session opens; and the code is issued for it. Rejected, nothing of that is done.
   * @param input.ids candidates for new rows: `sub`, `sid`
   */
  signIn(
    input: FreshProof & {
      session: NewSession
      code?: NewCode | undefined
      browserCookieHash?: string | undefined
      /** For the security history: the address of the browser, and the instance that it signs in to. */
      from?: SignInFrom | undefined
      /** The user has not used this browser before: a webhook event, unless it is their first sign-in. */
      newDevice?: boolean | undefined
      limit?: SessionLimit | undefined
      ids: { sub: string; sid: string }
      now: number
    },
  ): Promise<SignedIn | ({ outcome: 'rejected' } & SignInRejection)>
  /**
   * Single sign-on: a code for a live session, which counts as activity. There is none for a marked, ended or unknown session, for a client that
   * was removed, nor where the user or the client is locked.
   */
  issueCode(input: { sid: string; code: NewCode; now: number }): Promise<Standing | { state: 'locked'; by: LockKind } | { state: 'client_removed' }>
  standingBySid(sid: string, now: number): Promise<Standing>
  standingByCookie(cookieHash: string, now: number): Promise<Standing>
  /** What a sign-in of this user has to bring, in a browser with that proof: Microsoft is asked for it at once. */
  owesFreshSignIn(input: FreshProof & { user: Pick<User, 'tid' | 'oid'>; now: number }): Promise<FreshDemand | undefined>
  findSubject(sub: string): Promise<Subject | undefined>
  findSubjectByUser(tid: string, oid: string): Promise<Subject | undefined>
  /** The subs that a lock of this user covers: their own, where they have signed in, and the same human's in other tenants. */
  findHuman(user: Pick<User, 'tid' | 'oid'>): Promise<{ sub: string | undefined; others: string[] }>
  /** Who took part: what sign-out tells, whether or not their tokens still live. */
  participants(sid: string): Promise<Participant[]>
  /** A user's live sessions, newest first, each with who took part. */
  liveSessionsOf(sub: string, now: number): Promise<{ session: Session; participants: Participant[] }[]>
  /**
   * For operators: live sessions, newest first, by any of sub, tenant, client that took part, and `text` (words of a name or username in any
   * order, without regard to case and accents; or a whole oid, sub or sid). Bounded by `limit`.
   */
  searchSessions(input: SessionSearch): Promise<FoundSession[]>
  /**
   * The same for one page: it looks at about `most` open sessions, and says how far it came where that was not enough. With `tid` only the sessions
   * of that tenant are read, so that neither what is found, nor how far it came, depends on the sessions of others.
   */
  pageOfSessions(input: SessionSearch & { most: number }): Promise<Searched<FoundSession, SessionPlace>>
  /**
   * For operators: users by words of their name, username or address, in any order, each by its beginning, without regard to case and accents.
   * Bounded in what it reads: `more` where others may fit too. With `tid` only the users of that tenant are read, so that neither what is found, nor
   * `more`, depends on the users of others.
   */
  searchUsers(input: { text: string; tid?: string | undefined; limit: number }): Promise<{ users: Subject[]; more: boolean }>
  hasConsent(input: { sub: string; clientId: string; scope: string }): Promise<boolean>
  recordConsent(input: { sub: string; clientId: string; scope: string; now: number }): Promise<void>
  /** The grants of a user's live sessions that no revocation covers, and what the user consented to. */
  appsOfUser(
    sub: string,
    now: number,
  ): Promise<{ grants: { sid: string; clientId: string; firstAt: number }[]; consents: { clientId: string; scope: string; at: number }[] }>
  /** The client asks again at its next sign-in, if it asks at all. Codes that it has not redeemed go too. */
  withdrawConsent(input: { sub: string; clientId: string; now: number }): Promise<void>
}

/** What users read about the security of their account. Sign-ins and ends write their entries in their own acts. */
export interface HistoryActs {
  /** A sign-in that was rejected after Microsoft named its user. A user who has never signed in has no history, and gets no entry. */
  recordRejectedSignIn(input: {
    user: Pick<User, 'tid' | 'oid'>
    why: string
    device: string
    from?: SignInFrom | undefined
    now: number
  }): Promise<void>
  /** Newest first. `before`: only entries that come after this one in the list. */
  securityHistory(input: { sub: string; before?: Pick<SecurityEvent, 'at' | 'id'> | undefined; limit: number }): Promise<SecurityEvent[]>
}

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

export interface TokenActs {
  /**
   * Consumes a code once. A second use is refused; from the right client with the right verifier it also revokes the code's grant.
   * `familyId` becomes the grant's token family where the code's scope has `offline_access`.
   */
  redeemAuthorizationCode(input: {
    codeHash: string
    clientId: string
    redirectUri: string | undefined
    verifier: string | undefined
    familyId: string
    /** How old the user's authentication may be for this client: then its grant ends. */
    maxAuthenticationSeconds?: number | undefined
    /** In how many sessions of the user this client may take part at once: the oldest grants beyond it end. */
    sessionLimit?: number | undefined
    /** Asked for instead of the code's own. */
    audience?: string | undefined
    now: number
  }): Promise<
    | { outcome: 'redeemed'; session: Session; grant: CodeGrant; family: TokenFamily | undefined; rev: number }
    | { outcome: 'rejected'; why: RejectedWhy }
    | { outcome: 'reused'; committed: Committed }
  >
  /**
   * `generation = g → g+1`, compare and set. g−1 gets the same successor again until that has been used. `replayWindowSeconds` bounds
   * that for public clients: past it g−1 is `late`, which revokes the grant, and after 30 s it is theft. An older one is `stale` for 30 s from when it was last valid, later it is theft and the session is revoked.
   */
  rotateRefreshToken(input: {
    familyId: string
    generation: number
    clientId: string
    replayWindowSeconds?: number | undefined
    /** Asked for instead of the family's own. */
    audience?: string | undefined
    now: number
  }): Promise<
    | { outcome: 'rotated' | 'replayed'; family: TokenFamily; session: Session; rev: number }
    | { outcome: 'rejected'; why: RejectedWhy }
    | { outcome: 'late' | 'stolen'; committed: Committed }
  >
  /** Who a refresh token's family belongs to, without using it (RFC 7009, RFC 7662). `current` where `generation` could still be used. */
  findFamily(familyId: string, generation: number): Promise<{ family: TokenFamily; current: boolean } | undefined>
  /**
   * Whether an access token is still valid: by its session and the cutoffs, its client's grant included. `touch` counts as activity.
   * With `joins`, that client becomes a participant in the same transaction (token exchange).
   * @param input.needs a client that brings the token, or that it is exchanged for; not given: `joins`. A token is rejected where it was removed.
   * @param input.audience of the token: it is rejected while a client of that audience is locked
   */
  checkAccess(input: {
    sid: string
    sub: string
    clientId: string
    rev: number
    now: number
    touch: boolean
    joins?: string | undefined
    needs?: string | undefined
    audience?: string | undefined
  }): Promise<{ outcome: 'good'; session: Session } | { outcome: 'rejected'; why: RejectedWhy }>
  /** The `rev` of a token that a client gets for itself (client_credentials). `unknown` where it is not registered, or was removed. */
  grantClient(input: {
    clientId: string
    audience: string
  }): Promise<{ outcome: 'granted'; rev: number } | { outcome: 'rejected'; why: 'unknown' | 'locked' }>
  /** Whether such a token is valid: no revocation of `client` or `everything` covers it. `needs` and `audience` as in checkAccess. */
  checkClientAccess(input: { clientId: string; rev: number; needs?: string | undefined; audience?: string | undefined }): Promise<boolean>
  /** One-time use of an identifier (`jti`, a sealed state's id). False: it was consumed before. */
  consumeOnce(input: { purpose: string; idHash: string; expiresAt: number; now: number }): Promise<boolean>
  /** Whether it was consumed, without consuming it: for what is burned only when it has taken effect. */
  wasConsumed(input: { purpose: string; idHash: string }): Promise<boolean>
  /** RFC 9126: the parameters as JSON, until `expiresAt`. */
  pushRequest(input: { requestHash: string; clientId: string; parameters: string; expiresAt: number }): Promise<void>
  /** Reads a pushed request. `consume` at the end of its use: a page in between may be reloaded. */
  pushedRequest(input: { requestHash: string; clientId: string; now: number; consume: boolean }): Promise<string | undefined>
}

export interface RevokeInput {
  selector: Selector
  reason: Reason
  actor: Actor
  now: number
  caseReference?: string | undefined
  comment?: string | undefined
  /** A `subject` of one of these tenants is signed out at Microsoft too: that work is written in the same transaction. */
  alsoAtMicrosoft?: 'all' | readonly string[] | undefined
}

export interface RevocationPreview {
  sessions: number
  subjects: number
  clients: number
  deliveries: number
  /** Of the users, those who come back without a new password: their tenant has never sent `auth_time`. */
  withoutFreshSignIn: number
  /** The first of the users, ten at most. */
  firstSubjects: string[]
  /** Of one user: the subs of the same human in other tenants. A lock covers them; after a revocation they too have to sign in afresh. */
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

export interface RevocationActs {
  /**
   * Takes what any act revoked, once its commit is on disk and before the act is answered. A listener returns at once and never throws.
   */
  onRevoked(listener: (committed: readonly Committed[]) => void): void
  /**
   * The log's one entrance. `already` where a session or grant selector covers nothing that is not ended before (nothing is appended);
   * `unknown` where there is no such session, subject or client.
   */
  revoke(input: RevokeInput): Promise<{ outcome: 'revoked'; committed: Committed } | { outcome: 'already' | 'unknown' }>
  /**
   * A user does not recognize one of their sessions, or an entry of their history. In one transaction: that session ends, the history has the
   * report, and webhooks tell of it. The acting session ends too, unless it is fresh (authenticated at or after `freshSince`) and another session
   * has ended by this. Only a fresh acting session ends all sessions (`everywhere`) and has the user signed out at Microsoft (`atMicrosoft`).
   * `unknown`: what is reported is not the user's, or the acting session has ended.
   */
  reportByUser(input: {
    sub: string
    acting: string
    what: { sid: string } | { event: Pick<SecurityEvent, 'at' | 'id'> }
    everywhere: boolean
    atMicrosoft: boolean
    freshSince: number
    /** Of the browser that reports, for the history and the webhooks that may have it. */
    address?: string | undefined
    now: number
  }): Promise<
    { outcome: 'reported'; committed: Committed[]; pending: DeliveryRef[]; sid: string | undefined; actingEnded: boolean } | { outcome: 'unknown' }
  >
  /**
   * Who and how many a revocation would sign out, without doing it. `authenticatedUntil`: counts what a new limit on the age of an
   * authentication ends at once, which is each session, or each grant of the client, whose user authenticated at Microsoft no later than then.
   */
  previewRevocation(
    what: Selector | readonly Extract<Selector, { kind: 'subject' }>[],
    now: number,
    how?: { authenticatedUntil?: number },
  ): Promise<RevocationPreview>
  /** Writes the next batch of the deliveries of wide revocations; resumable. `more` until nothing is pending. */
  fanOutPending(input: { limit: number; nowMs: number }): Promise<{ pending: DeliveryRef[]; more: boolean }>
  /** Ends sessions whose idle, absolute or marked time has passed, each through the log. */
  expireSessions(input: { now: number; limit: number }): Promise<Committed[]>
  /** Ends grants whose user's authentication has become too old for their client, each through the log. */
  expireGrants(input: { now: number; limit: number }): Promise<{ committed: Committed[]; more: boolean }>
  /**
   * A new limit on the age of authentications (not given: none), of a tenant's users or for a client: applies it to the next page, of so many
   * sessions or grants that are open already. Resumable; nothing is written once it is applied. True while there is more.
   */
  applyAuthenticationAge(input: { kind: 'tenant' | 'client'; key: string; seconds: number | undefined; rows: number }): Promise<boolean>
  findRevocation(seq: number): Promise<LoggedRevocation | undefined>
  /** When everything was last revoked: no session is older. Epoch seconds; undefined where the log has no such entry. */
  everythingRevokedAt(): Promise<number | undefined>
  /** Newest first. Bounded in what one turn reads, whatever is wanted. */
  listRevocations(input: { before?: number | undefined; limit: number } & RevocationFilter): Promise<LoggedRevocation[]>
  /** The same for one page: it looks at about `most` entries, and says how far it came where that was not enough. */
  pageOfRevocations(
    input: { before?: number | undefined; limit: number; most: number } & RevocationFilter,
  ): Promise<Searched<LoggedRevocation, { seq: number; at: number }>>
  /** For the console's chart: the latest `limit` revocations, newest first. Bounded: one with more deliveries than are read has no `deliveredMs`. */
  revocationTimes(input: { limit: number }): Promise<RevocationTime[]>
}

/** What Microsoft says of sessions, and what is to be asked of it. */
export interface MicrosoftActs {
  /**
   * Takes the next live sessions of a tenant that are to be probed, at most `limit`: until `untilMs` they are the caller's. The hand of the
   * tenant goes on to the place `end` (not included); places count on from round to round. It begins at `begun`, where this caller began, if no
   * broker has moved it for a minute before. What a caller has not finished in time is taken again. Undefined: nothing is due.
   */
  takeProbes(input: {
    tid: string
    begun: { place: number; atMs: number }
    end: number
    limit: number
    now: number
    nowMs: number
    untilMs: number
  }): Promise<ProbeTaken | undefined>
  finishProbes(id: string): Promise<void>
  /** One session as `takeProbes` has it, if it is live and keeps Microsoft's tokens. */
  findProbe(sid: string, now: number): Promise<ProbeDue | undefined>
  /**
   * What a probe has learnt takes effect, if the session still keeps the tokens that were probed: a sign-in meanwhile has brought newer ones,
   * and what the old ones say (`stale`) means nothing.
   */
  recordProbe(input: {
    sid: string
    cacheWas: string
    finding: ProbeFinding
    now: number
  }): Promise<{ outcome: 'recorded' | 'stale'; committed: Committed[] }>
  /** Ends every live session that Entra's own `sid` names and that was authenticated at or before `until` (not given: all). Where no tenant is named and several have it, none. */
  endMicrosoftSession(input: {
    microsoftSid: string
    tid?: string | undefined
    until?: number | undefined
    reason: Reason
    actor: Actor
    now: number
  }): Promise<Committed[]>
  /**
   * Ends a user's live sessions that were authenticated at or before `until` (not given: all), one of them where `sid` is given. Where that is
   * all of them, the user is revoked. A session that has no time of authentication counts from its opening.
   */
  endAuthenticated(input: {
    sub: string
    sid?: string | undefined
    until?: number | undefined
    /** A moment: sessions whose visit to Microsoft it fell into stay. */
    sparing?: number | undefined
    reason: Reason
    actor: Actor
    now: number
  }): Promise<Committed[]>
  /** Persists work in one transaction; what is there already is asked for again, and due now. */
  askMicrosoft(work: readonly MicrosoftWork[], nowMs: number): Promise<void>
  /** Whether that work is pending. */
  hasPendingMicrosoftWork(work: MicrosoftWork): Promise<boolean>
  /** `check_user` for every user of a tenant who has a live session, page by page. How many. */
  askAboutEverybody(input: { tid: string; now: number; nowMs: number }): Promise<number>
  /** Takes due work, the earliest first: until `untilMs` it is the caller's alone. Of two that ask at once, each gets its own. */
  claimMicrosoftWork(input: { tid: string; nowMs: number; untilMs: number; limit: number }): Promise<QueuedMicrosoftWork[]>
  /** Gives back what was claimed and not begun: it is due for all again. Nothing of what others have claimed since. */
  releaseMicrosoftWork(work: readonly QueuedMicrosoftWork[]): Promise<void>
  /** Done: it goes, unless it was asked for again since. */
  settleMicrosoftWork(work: QueuedMicrosoftWork): Promise<void>
  /** Not done: due again at `nextAtMs`, or dead where there is none. Nothing where it was asked for again since. */
  postponeMicrosoftWork(work: QueuedMicrosoftWork, input: { nextAtMs: number | undefined; error: string }): Promise<void>
  /** Work that has no attempts left. */
  failedMicrosoftWork(limit: number): Promise<QueuedMicrosoftWork[]>
  /** Failed work (of one tenant) is pending again, due now, as if it were asked for now: page by page. @returns how many */
  redriveMicrosoftWork(input: { tid?: string | undefined; nowMs: number }): Promise<number>
}

export interface DeliveryActs {
  findDelivery(id: string): Promise<Delivery | undefined>
  /**
   * Takes a delivery for one attempt until `untilMs`: only if it is pending, `attempt` is the one that comes next, and no other worker has it.
   * `endsNewer`: it is a logout token by `sub` that would end a newer session of its user at that client, and has to be split.
   * With `early` it need not be due: a probe of a target that was down.
   */
  leaseDelivery(input: {
    id: string
    attempt: number
    nowMs: number
    untilMs: number
    early?: boolean | undefined
  }): Promise<{ outcome: 'leased'; delivery: Delivery; endsNewer: boolean } | { outcome: 'not_due' | 'taken' | 'settled' | 'unknown' }>
  /**
   * Compare-and-set on (id, attempt); never leaves `delivered`. False where it changes nothing: another process recorded that attempt, or the
   * delivery was superseded or closed meanwhile (then only `delivered` is news; the proof is kept).
   */
  recordDelivery(input: { id: string; result: AttemptResult }): Promise<boolean>
  /** Replaces a delivery by `sub` by one for each session that it names. Returns none where `attempt` is not the next one. */
  splitDelivery(input: { id: string; attempt: DeliveryAttempt }): Promise<DeliveryRef[]>
  /** Gives a lease back unused (drain, breaker open): due again at `nextAttemptAtMs`, the attempt not counted. */
  releaseDelivery(input: { id: string; attempt: number; nextAttemptAtMs: number }): Promise<void>
  /**
   * Pending, due to a target and not leased: at most `limit` urgent ones, of each wide revocation, and of the others, each in the order in
   * which they became due. `more` where a further page may have some.
   */
  dueDeliveries(input: { targetId: string; nowMs: number; limit: number }): Promise<{ refs: DeliveryRef[]; more: boolean }>
  /** Pending, not yet due and not leased, after a cursor. `next` is not there at the end. */
  earlyDeliveries(input: {
    targetId: string
    nowMs: number
    limit: number
    after?: EarlyCursor | undefined
  }): Promise<{ refs: DeliveryRef[]; next?: EarlyCursor | undefined }>
  /** Targets with pending deliveries: for lanes, and cheap whatever is pending. */
  pendingTargetIds(): Promise<string[]>
  /** The same with how much and since when: for operators. */
  pendingTargets(): Promise<{ targetId: string; clientId: string; uri: string; pending: number; oldestAtMs: number }[]>
  /** Failed and rejected ones become pending again, with attempts counted from zero. */
  redrive(input: { id?: string | undefined; targetId?: string | undefined; clientId?: string | undefined }): Promise<DeliveryRef[]>
  /** The next attempt of a pending one is due now. Undefined: it is not pending, or it is held for its receiver. */
  tryNow(input: { id: string }): Promise<DeliveryRef | undefined>
  /** Closes pending, rejected and failed ones: nothing is sent any more. The reason becomes part of each one's proof. How many. */
  closeDeliveries(input: { id?: string | undefined; targetId?: string | undefined; clientId?: string | undefined; reason: string }): Promise<number>
  listDeliveries(input: {
    seq?: number | undefined
    clientId?: string | undefined
    state?: DeliveryState | undefined
    /** Only those after this one in the list: the id of a delivery. Nothing where it is unknown. */
    before?: string | undefined
    limit: number
  }): Promise<Delivery[]>
  attemptsOf(id: string): Promise<DeliveryAttempt[]>
  /** For metrics: how many per client and state, and since when the oldest is pending. */
  deliveryCounts(): Promise<{ clientId: string; state: DeliveryState; count: number; oldestAtMs?: number | undefined }[]>
}

/** Endpoints of webhooks. An act that is an event writes a delivery to each enabled one that wants it, in its own transaction. */
export interface WebhookActs {
  listWebhooks(): Promise<WebhookEndpoint[]>
  findWebhook(id: string): Promise<WebhookEndpoint | undefined>
  /** False where there are as many as there may be. */
  addWebhook(endpoint: WebhookEndpoint): Promise<boolean>
  /** Changes some of an endpoint; undefined where it is not there. */
  changeWebhook(input: {
    id: string
    change: Partial<Omit<WebhookEndpoint, 'id' | 'position' | 'createdAt' | 'updatedAt'>>
    now: number
  }): Promise<WebhookEndpoint | undefined>
  removeWebhook(id: string): Promise<boolean>
  /** Writes a test event for one endpoint; undefined where it is not there or disabled. */
  testWebhook(id: string): Promise<DeliveryRef | undefined>
}

/** Streams of security events. An act that is an event writes a delivery to each stream that may have it, in its own transaction. */
export interface StreamActs {
  listStreams(): Promise<SignalStream[]>
  findStream(id: string): Promise<SignalStream | undefined>
  streamOfClient(clientId: string): Promise<SignalStream | undefined>
  /** Writes its first verification event, if it is pushed. False where its client has one, or there are as many as there may be. */
  addStream(stream: SignalStream): Promise<{ added: boolean; refs: DeliveryRef[] }>
  /**
   * Changes some of a stream; undefined where it is not there. Pushed to another endpoint, or with another header, it has to be verified again.
   * `tell`: the broker's own decision, which the receiver is sent as `stream-updated`.
   */
  changeStream(input: {
    id: string
    change: Partial<Omit<SignalStream, 'id' | 'clientId' | 'verifiedAt' | 'askedAt' | 'createdAt' | 'updatedAt'>>
    tell?: boolean
    now: number
  }): Promise<{ stream: SignalStream; refs: DeliveryRef[] } | undefined>
  removeStream(id: string): Promise<boolean>
  /** Writes a verification event. @param notBefore the stream was last asked then or later: too soon */
  verifyStream(input: { id: string; state?: string | undefined; notBefore: number; now: number }): Promise<VerificationAsked>
  /** Its endpoint accepted a verification event. Nothing changes where the stream has another endpoint now. */
  streamVerified(input: { id: string; endpointUrl: string; now: number }): Promise<void>
  /** What was kept while a push stream was paused or not verified is due from now on: a page of it. Nothing unless it is pushing. */
  releaseStream(input: { id: string; limit: number }): Promise<DeliveryRef[]>
  /** Ends a lease without an attempt: the delivery is kept until its stream is pushing. */
  holdDelivery(input: { id: string; attempt: number }): Promise<void>
  /** What waits to be polled, oldest first, and whether there is more. */
  pollStream(input: { id: string; limit: number }): Promise<{ deliveries: Pick<Delivery, 'id' | 'payload' | 'createdAtMs'>[]; more: boolean }>
  /** A receiver has taken what it polled, or rejects it. What is not the stream's, or is settled, is ignored. How many. */
  settlePolled(input: { id: string; results: { delivery: string; error?: string | undefined }[]; nowMs: number }): Promise<number>
}

export type VerificationAsked =
  | { outcome: 'asked'; refs: DeliveryRef[] }
  | { outcome: 'unknown' }
  | { outcome: 'disabled' }
  | { outcome: 'too_soon'; askedAt: number }

export interface ReachedRevocation {
  clientId: string
  seq: number
  at: number
  atMs: number
  reportedAtMs: number
}

export interface FeedActs {
  head(): Promise<{ epoch: string; seq: number }>
  /** The log after `after`, rising, only what was revoked at or after `since` (older ones cover no token that could still live). */
  revocationsAfter(input: { after: number; since: number; limit: number }): Promise<Revocation[]>
  /**
   * Guards say what they enforce, many in one transaction; only rises within an epoch. Returns the revocations that each of them reached with it
   * (for the histogram).
   */
  recordEnforced(...reports: GuardReport[]): Promise<{ reached: ReachedRevocation[] }>
  guardReports(): Promise<GuardRecord[]>
}

export interface ClientActs {
  findClient(clientId: string): Promise<Client | undefined>
  /** Registered and not removed. */
  listClients(): Promise<Client[]>
  /** The logout addresses that clients have now. */
  listTargets(): Promise<{ targetId: string; clientId: string; uri: string }[]>
  /** Adds or replaces a registration, its targets with it. `foreign`: another source owns it. Pending deliveries to a target that is removed stay pending. */
  putClient(input: {
    clientId: string
    source: ClientSource
    metadata: ClientMetadata
    secrets?: SecretHash[] | undefined
    now: number
  }): Promise<{ outcome: 'added' | 'changed' | 'unchanged'; client: Client } | { outcome: 'foreign'; source: ClientSource }>
  /** Adds a secret; of more than two good ones the oldest goes. */
  addClientSecret(input: { clientId: string; secret: SecretHash; now: number }): Promise<boolean>
  removeClientSecret(input: { clientId: string; secretId: string }): Promise<boolean>
  /** Removes a registration and revokes what it holds, in one transaction. */
  removeClient(input: {
    clientId: string
    source: ClientSource | 'any'
    actor: Actor
    now: number
  }): Promise<{ outcome: 'removed'; committed: Committed } | { outcome: 'unknown' } | { outcome: 'foreign'; source: ClientSource }>
}

export interface KeyActs {
  listKeys(): Promise<StoredSigningKey[]>
  /** Adds a key unless its kid is there. */
  addKey(key: StoredSigningKey): Promise<void>
  /** One transaction: `next` becomes active, the active one retiring until `retireAt`. */
  activateKey(input: { kid: string; retireAt: number; now: number }): Promise<boolean>
  /** Stops publishing a key at once. */
  retireKey(input: { kid: string; now: number }): Promise<boolean>
}

export interface TenantActs {
  listTenants(): Promise<Tenant[]>
  findTenant(tid: string): Promise<Tenant | undefined>
  putTenant(tenant: Tenant): Promise<void>
  /** Changes some of a tenant that is connected; false where it is not, so that a removal at the same time is not undone. */
  changeTenant(input: { tid: string; change: Partial<Omit<Tenant, 'tid' | 'connectedAt' | 'removedAt'>> }): Promise<boolean>
  /**
   * Disconnects a tenant and revokes every session of its users, in one transaction. What was to be asked of Microsoft there is dropped, at the
   * latest before the tenant is connected again. `unknown` where it is not connected.
   */
  removeTenant(input: { tid: string; actor: Actor; now: number }): Promise<{ outcome: 'removed'; committed: Committed } | { outcome: 'unknown' }>
}

export interface UserActs {
  /**
   * Everything of one user is revoked, and in the same transaction their name, username, email, consents and what their open sessions say of
   * them (device, Entra's session, login hint, Microsoft's tokens, roles) are forgotten. What their ended sessions and the logs say, `forgetErased`
   * forgets.
   * Opaque ids stay, so that a `sub` is never another's. Run again, it forgets what has come since.
   */
  eraseUser(input: {
    sub: string
    actor: Actor
    caseReference?: string | undefined
    comment?: string | undefined
    now: number
  }): Promise<{ outcome: 'erased'; committed: Committed } | { outcome: 'unknown' }>
  /**
   * What is held about a user, without secrets: a page of at most `limit` rows looked at, and where the next begins. A page may be empty and have
   * a next. Undefined: there is no such user, or no such cursor.
   */
  exportUser(input: {
    sub: string
    cursor?: string | undefined
    limit: number
  }): Promise<{ records: HeldRecord[]; next: string | undefined } | undefined>
  /** Looks at the next `limit` sessions or entries of a log for those of an erased user; resumable. True while there is more. */
  forgetErased(input: { limit: number }): Promise<boolean>
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
export type LockProtection = 'self' | 'operator_tenant' | 'console' | 'last_administrators' | 'has_role'

export interface LockActs {
  /**
   * Revokes (`locked`) what the target has, and refuses every new sign-in, code and token of it until the lock is lifted. A user whose home account
   * is known is locked in every tenant. `already`: the target has another open lock. `changed`: the lock that was to be replaced is not open any
   * more. `rejected`: the target must not be locked.
   */
  lock(
    input: LockInput,
  ): Promise<
    | { outcome: 'locked'; lock: Lock; committed: Committed[] }
    | { outcome: 'already'; lock: Lock }
    | { outcome: 'changed' }
    | { outcome: 'unknown' }
    | { outcome: 'rejected'; why: LockProtection }
  >
  /** Of two operators at once, one lifts it; the other gets `already`, with who did. */
  liftLock(input: {
    id: string
    actor: Actor
    caseReference?: string | undefined
    comment?: string | undefined
    now: number
  }): Promise<{ outcome: 'lifted' | 'already'; lock: Lock } | { outcome: 'unknown' }>
  /** Lifts locks whose end has come, each with its audit entry. Only reads while there is none. */
  liftDueLocks(input: { now: number; limit: number }): Promise<Lock[]>
  findLock(id: string): Promise<Lock | undefined>
  /** Newest first, before the lock `before`. */
  listLocks(input: {
    state: 'open' | 'lifted' | 'all'
    kind?: LockKind | undefined
    /** tid of users and a tenant, or client_id. */
    key?: string | undefined
    oid?: string | undefined
    caseReference?: string | undefined
    before?: string | undefined
    limit: number
  }): Promise<Lock[]>
  /** Open locks, and when the first of them ends: for metrics and checks. */
  lockCounts(): Promise<{ kind: LockKind; open: number; firstEndsAt: number | undefined }[]>
  /** A user with a role of the broker is at the console: who is known as an administrator, and as one of their own tenant. */
  recordOperator(input: { sub: string; may: 'audit' | 'operate' | 'administer' | 'tenant'; now: number }): Promise<void>
}

/** What operators and administrators did: append-only. Only retention (`purge`) shortens it, from its old end. */
export interface AuditSearch {
  before?: number | undefined
  after?: number | undefined
  actorId?: string | undefined
  /** What the administrators of this tenant did, newest first; of the other filters only times count then. */
  tid?: string | undefined
  act?: string | undefined
  target?: string | undefined
  caseReference?: string | undefined
  sinceMs?: number | undefined
  untilMs?: number | undefined
  limit: number
}

export interface AuditActs {
  /** Before the act is done: who cannot be written down does nothing. @returns its id, which rises */
  appendAudit(entry: NewAuditEntry): Promise<number>
  /** How it ended. Once: a second word about the same act changes nothing. */
  concludeAudit(input: { id: number } & AuditOutcome): Promise<void>
  /** Newest first, before `before`; or rising from `after` on. Times are epoch milliseconds, `untilMs` not included. */
  listAudit(input: AuditSearch): Promise<AuditEntry[]>
  /** The same for one page: it looks at about `most` entries, and says how far it came where that was not enough. */
  pageOfAudit(input: AuditSearch & { most: number }): Promise<Searched<AuditEntry, { id: number; atMs: number }>>
}

/** The chains of hashes of the two logs (src/protocol/evidence-chain.ts): each append advances its own, in the same transaction. */
export interface EvidenceActs {
  chainHead(log: LogName): Promise<{ number: number; hash: string; signed: SignedHead | undefined }>
  addSignedHead(head: SignedHead & { log: LogName }): Promise<void>
  /** The last signed head before a row, and the first at or after it. */
  signedAround(input: { log: LogName; number: number }): Promise<{ before: SignedHead | undefined; from: SignedHead | undefined }>
  /** Rows after `after` up to and with `to`, rising. */
  chainRows(input: { log: LogName; after: number; to: number; limit: number }): Promise<Link[]>
  chainBegins(input: { log: LogName; from: number; to: number }): Promise<Link[]>
  /** The same rows with their personal fields, and of the audit log with how each act ended. */
  evidenceRows(input: { log: LogName; after: number; to: number; limit: number }): Promise<EvidenceRow[]>
}

/** What lives for a day at most, and a request can create. */
export const PURGED_SOON = ['codes', 'consumed', 'pushed_requests', 'idempotency_keys'] as const
/** What is kept for weeks. Deliveries before revocations: a revocation goes when none of its deliveries is kept. */
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

/** A request that its sender may repeat (`Idempotency-Key`). The hashes are of the key, and of what is asked. */
interface RepeatableRequest {
  caller: string
  keyHash: string
  requestHash: string
  now: number
}
export interface RepeatableActs {
  /** Looks up the answer that was kept under a key. `other`: it was kept of another request. */
  findRepeatable(request: RepeatableRequest): Promise<{ outcome: 'new' | 'other' } | { outcome: 'done'; status: number; answer: string }>
  /** Keeps the answer for a day, unless the key has one or the caller has `most` keys. */
  keepRepeatable(request: RepeatableRequest & { most: number; status: number; answer: string }): Promise<void>
}

export interface Housekeeping {
  /** A value of the broker itself, sealed by the caller where it is secret. */
  setting(name: string): Promise<string | undefined>
  setSetting(name: string, value: string | undefined): Promise<void>
  /** Sets it only if it is not there; returns what is there. */
  setSettingOnce(name: string, value: string): Promise<string>
  /** The same secret, sealed again: no change of the setting. False where it is not `from` any more, and then it stays. */
  resealSetting(input: { name: string; from: string; to: string }): Promise<boolean>
  liveSessionCount(now: number): Promise<number>
  /**
   * Deletes some of one kind that retention no longer wants: `limit` rows are looked at. True while there is more of it.
   * @param retention how long each kind is kept; not given: the defaults of the settings
   */
  purge(input: { kind: Purged; now: number; limit: number; retention?: Retention | undefined }): Promise<boolean>
  /** Writes something and reads it back: for /readyz. */
  probe(): Promise<void>
  /**
   * Reads the whole database for damage, beside the acts that go on. A damaged one refuses every act from then on.
   * @returns what is wrong and what to do; undefined where nothing is
   */
  checkIntegrity(): Promise<string | undefined>
  /**
   * Copies all there is into one new file (0600), as it was at one moment after the call; acts go on meanwhile. Nothing is written over. A
   * second backup waits for the first.
   * @param path absolute, in a directory that is there
   */
  backup(
    path: string,
  ): Promise<{ outcome: 'made'; bytes: number; epoch: string; seq: number } | { outcome: 'exists' } | { outcome: 'unwritable'; code: string }>
  /** How much disk the data takes, in bytes; `walBytes` is what is not yet moved into the main file. 0 where there is no such file. */
  size(): Promise<{ bytes: number; walBytes: number }>
  close(): Promise<void>
}
