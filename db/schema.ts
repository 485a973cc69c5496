import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import type { ClientSource, SessionsEndedBy } from '../src/protocol/client-metadata.ts'
import type { Actor, Reason } from '../src/protocol/revocation.ts'
import { type AuditWay, DELIVERY_STATES, type Proof } from './types.ts'

/**
 * The tables of the store. `db/migrations` (`npm run db:generate`) and the tables of Postgres
 * (db/postgres/schema.ts) are generated from them. Acts name them in Drizzle statements, which both
 * engines render.
 * `…_at` is epoch seconds, `…_at_ms` milliseconds, `…_hash` a SHA-256, `…_sealed` AES-GCM under
 * `BROKER_SECRET`; lists and objects are JSON. There are no foreign keys: every act keeps its rows
 * together, and retention deletes in batches.
 */

/**
 * A table of one row. An act that appends to the log raises `seq` by one in its transaction, so
 * `seq` is in the order of commits. A restore sets a new `epoch`.
 */
export const logHead = sqliteTable('log_head', {
  id: integer().primaryKey(),
  seq: integer().notNull(),
  epoch: text().notNull(),
  /**
   * Up to this `seq` it is known until when entries can end an instance's own session, and from
   * which `seq` on. A broker of 1.0.0-rc.2 raises `seq` alone.
   */
  sessionsKnownTo: integer('sessions_known_to').notNull().default(0),
  sessionsKnownFrom: integer('sessions_known_from').notNull().default(0),
})

export const revocations = sqliteTable(
  'revocations',
  {
    seq: integer().primaryKey(),
    kind: text({
      enum: ['session', 'grant', 'subject', 'client', 'tenant', 'everything'],
    }).notNull(),
    sid: text(),
    sub: text(),
    clientId: text('client_id'),
    tid: text(),
    reason: text().$type<Reason>().notNull(),
    actorKind: text('actor_kind').$type<Actor['kind']>().notNull(),
    actorId: text('actor_id').notNull(),
    at: integer().notNull(),
    atMs: integer('at_ms').notNull(),
    caseReference: text('case_reference'),
    comment: text(),
    fanOut: text('fan_out', { enum: ['complete', 'pending'] }).notNull(),
    /** The last sid whose deliveries are written, while the fan-out is pending. */
    fanOutCursor: text('fan_out_cursor').notNull().default(''),
    sessions: integer().notNull(),
    /** A time after the commit, by the clock of a broker that knew of it. NULL: not yet written. */
    acknowledgedAtMs: integer('acknowledged_at_ms'),
    /**
     * When it can no longer end an instance's own session, epoch seconds: no ID token of a session
     * that it covers named a later end. 0: it ends none. NULL: not known.
     */
    sessionsUntil: integer('sessions_until'),
    /** JSON: the clients that may have such a session. NULL: every client. */
    sessionClients: text('session_clients'),
    /**
     * The row's link in the chain (src/protocol/evidence-chain.ts). Erasing the user deletes the
     * salt.
     */
    hash: text().notNull(),
    personalHash: text('personal_hash').notNull(),
    salt: text(),
    /**
     * W3C Trace Context of the request that caused the revocation. Its logout tokens are sent in
     * that trace. The chain's hash does not cover it.
     */
    traceparent: text(),
  },
  (t) => [
    index('revocations_by_at').on(t.at),
    index('revocations_by_sub')
      .on(t.sub, t.seq)
      .where(sql`sub IS NOT NULL`),
    index('revocations_by_client')
      .on(t.clientId, t.seq)
      .where(sql`client_id IS NOT NULL`),
    index('revocations_by_case')
      .on(t.caseReference, t.seq)
      .where(sql`case_reference IS NOT NULL`),
    index('revocations_by_tenant')
      .on(t.tid, t.seq)
      .where(sql`tid IS NOT NULL`),
    index('revocations_pending')
      .on(t.kind, t.seq)
      .where(sql`fan_out = 'pending'`),
  ],
)

/**
 * The revocations that can still end an instance's own session, by client, for guards that judge
 * sessions. Retention deletes a row at its end.
 */
export const sessionEntries = sqliteTable(
  'session_entries',
  {
    /** Empty: every client. */
    clientId: text('client_id').notNull(),
    seq: integer().notNull(),
    until: integer().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.clientId, t.seq] }),
    index('session_entries_by_end').on(t.until),
  ],
)

/**
 * The latest wide revocation of each selector. With it a validity check is one look-up, however
 * much was revoked.
 */
export const cutoffs = sqliteTable(
  'cutoffs',
  {
    kind: text({ enum: ['subject', 'client', 'tenant', 'everything'] }).notNull(),
    /** The sub, client_id or tid; empty for `everything`. */
    key: text().notNull(),
    seq: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.kind, t.key] })],
)

/**
 * How fresh a sign-in must be: the user's visit to Microsoft must have begun when the log had this
 * seq or a later one. A floor only rises, and no act deletes one. The key is a sub, a home account
 * id or a tid; empty for `everything`. `securitySeq` is the latest seq that was set for a security
 * reason; 0: none was. A row of seq 0 holds only a waiver, or a time.
 */
export const floors = sqliteTable(
  'floors',
  {
    kind: text({ enum: ['subject', 'home', 'tenant', 'everything'] }).notNull(),
    key: text().notNull(),
    seq: integer().notNull(),
    securitySeq: integer('security_seq').notNull(),
    /** The floor up to `waivedSeq` is not enforced until `waivedUntil`. */
    waivedSeq: integer('waived_seq').notNull().default(0),
    waivedUntil: integer('waived_until').notNull().default(0),
    /**
     * A sign-in of the user must have been authenticated after this time (epoch seconds), which an
     * event of Microsoft or of another issuer named while it found no session to end.
     */
    authenticatedAfter: integer('authenticated_after').notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.kind, t.key] })],
)

/**
 * Tenants that have sent auth_time in an ID token. Only these can prove a fresh sign-in, so the
 * broker demands one of their users only.
 */
export const authTimes = sqliteTable('auth_times', { tid: text().primaryKey() })

export const subjects = sqliteTable(
  'subjects',
  {
    sub: text().primaryKey(),
    tid: text().notNull(),
    oid: text().notNull(),
    name: text(),
    username: text(),
    /** The `email` claim of the latest accepted sign-in. */
    email: text(),
    /**
     * Microsoft's home account id (`uid.utid`): the same for one human's guest accounts in other
     * tenants.
     */
    homeId: text('home_id'),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [
    uniqueIndex('subjects_by_user').on(t.tid, t.oid),
    index('subjects_by_home')
      .on(t.homeId, t.sub)
      .where(sql`home_id IS NOT NULL`),
  ],
)

/**
 * The folded words of users' names and addresses. Operators find a user by them. Erasing the user
 * deletes them.
 */
export const subjectWords = sqliteTable(
  'subject_words',
  {
    word: text().notNull(),
    sub: text().notNull(),
  },
  (t) => [primaryKey({ columns: [t.word, t.sub] }), index('subject_words_by_sub').on(t.sub)],
)

/** Erased users whose ended sessions the background work has not yet found and cleaned. */
export const erasures = sqliteTable('erasures', {
  sub: text().primaryKey(),
  /** The erasure's revocation. A session that was opened after it is not touched. */
  seq: integer().notNull(),
  /** The last sid that the background work has looked at. */
  cursor: text().notNull(),
})

/**
 * Users, tenants and clients that may not sign in and get no code and no token, until the lock is
 * lifted.
 */
export const locks = sqliteTable(
  'locks',
  {
    id: text().primaryKey(),
    kind: text({ enum: ['user', 'tenant', 'client'] }).notNull(),
    /** The tid of a user or a tenant, or the client_id. */
    key: text().notNull(),
    /** The oid of a user; empty for tenants and clients. */
    oid: text().notNull(),
    /**
     * The home account id of a user, where it is known: the lock then covers them in every tenant.
     */
    homeId: text('home_id'),
    /** The audience of a client, as its registration has it now. */
    audience: text(),
    caseReference: text('case_reference'),
    comment: text(),
    actorKind: text('actor_kind').$type<Actor['kind']>().notNull(),
    actorId: text('actor_id').notNull(),
    at: integer().notNull(),
    /** When the broker lifts the lock; NULL: an operator lifts it. */
    endsAt: integer('ends_at'),
    /** The revocation that the lock caused; NULL where the user had not signed in yet. */
    seq: integer(),
    /**
     * NULL: the lock is open. Only the act of lifting sets it; a lock whose end has passed stays
     * open until then.
     */
    liftedAt: integer('lifted_at'),
    liftedByKind: text('lifted_by_kind').$type<Actor['kind']>(),
    liftedById: text('lifted_by_id'),
    liftCaseReference: text('lift_case_reference'),
    liftComment: text('lift_comment'),
  },
  (t) => [
    uniqueIndex('locks_open')
      .on(t.kind, t.key, t.oid)
      .where(sql`lifted_at IS NULL`),
    index('locks_open_by_home')
      .on(t.homeId)
      .where(sql`lifted_at IS NULL AND home_id IS NOT NULL`),
    index('locks_open_by_audience')
      .on(t.audience)
      .where(sql`lifted_at IS NULL AND audience IS NOT NULL`),
    index('locks_open_by_end')
      .on(t.endsAt)
      .where(sql`lifted_at IS NULL AND ends_at IS NOT NULL`),
    index('locks_lifted')
      .on(t.liftedAt)
      .where(sql`lifted_at IS NOT NULL`),
  ],
)

/**
 * Admin API requests with an `Idempotency-Key`, and their answers. Retention keeps them for a day.
 */
export const idempotencyKeys = sqliteTable(
  'idempotency_keys',
  {
    /** The kind and the id of the actor. Callers do not share keys. */
    caller: text().notNull(),
    keyHash: text('key_hash').notNull(),
    /** The hash of the method, the path and the body. */
    requestHash: text('request_hash').notNull(),
    expiresAt: integer('expires_at').notNull(),
    status: integer().notNull(),
    answer: text().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.caller, t.keyHash] }),
    index('idempotency_keys_by_expiry').on(t.expiresAt),
  ],
)

/**
 * Users who signed in to the console, with their role (`tenant`: administrator of their own
 * tenant). The last two administrators cannot be locked, so the store must know them.
 */
export const operators = sqliteTable('operators', {
  sub: text().primaryKey(),
  may: text({ enum: ['audit', 'operate', 'administer', 'tenant'] }).notNull(),
  seenAt: integer('seen_at').notNull(),
})

export const sessions = sqliteTable(
  'sessions',
  {
    sid: text().primaryKey(),
    sub: text().notNull(),
    tid: text().notNull(),
    openedSeq: integer('opened_seq').notNull(),
    openedAt: integer('opened_at').notNull(),
    authTime: integer('auth_time').notNull(),
    /** When the browser left for Microsoft at the latest sign-in, and when it returned. */
    visitStartedAt: integer('visit_started_at').notNull(),
    visitEndedAt: integer('visit_ended_at').notNull(),
    lastActiveAt: integer('last_active_at').notNull(),
    idleSeconds: integer('idle_seconds').notNull(),
    absoluteAt: integer('absolute_at').notNull(),
    /**
     * The latest absolute end that the session had before it was lowered: an instance may keep its
     * own session until then. A trigger writes it, whatever lowers the end. NULL: none was lowered.
     */
    promisedUntil: integer('promised_until'),
    markAt: integer('mark_at'),
    markReason: text('mark_reason').$type<Reason>(),
    /**
     * The earliest of the idle, absolute and marked ends. The sweep finds expired sessions by it.
     */
    deadlineAt: integer('deadline_at').notNull(),
    acr: text(),
    amr: text(),
    roles: text().notNull(),
    staySignedIn: integer('stay_signed_in').notNull(),
    /** 1 on a computer that several users share. */
    shared: integer().notNull().default(0),
    microsoftSid: text('microsoft_sid'),
    loginHintSealed: text('login_hint_sealed'),
    /** Microsoft's own tokens, deleted when the session ends. */
    microsoftCacheSealed: text('microsoft_cache_sealed'),
    /**
     * The session's fixed place in each round of the probe, 0 to 65535. Places spread sessions
     * evenly over a round.
     */
    probePhase: integer('probe_phase').notNull(),
    /**
     * When Microsoft last confirmed the session: at its sign-in, or at the latest probe that was
     * answered with tokens.
     */
    probedAt: integer('probed_at').notNull(),
    device: text().notNull(),
    cookieHash: text('cookie_hash').notNull(),
    /** The hash of the cookie that names the browser. A browser has one session. */
    browserHash: text('browser_hash'),
    endedSeq: integer('ended_seq'),
    endedAt: integer('ended_at'),
    endedReason: text('ended_reason').$type<Reason>(),
  },
  (t) => [
    uniqueIndex('sessions_by_cookie').on(t.cookieHash),
    index('sessions_open_by_browser')
      .on(t.browserHash)
      .where(sql`ended_seq IS NULL AND browser_hash IS NOT NULL`),
    index('sessions_open')
      .on(t.sid)
      .where(sql`ended_seq IS NULL`),
    index('sessions_open_by_opening')
      .on(t.openedAt, t.sid)
      .where(sql`ended_seq IS NULL`),
    index('sessions_open_by_sub')
      .on(t.sub, t.sid)
      .where(sql`ended_seq IS NULL`),
    index('sessions_open_by_tenant')
      .on(t.tid, t.sid)
      .where(sql`ended_seq IS NULL`),
    index('sessions_open_by_tenant_opening')
      .on(t.tid, t.openedAt, t.sid)
      .where(sql`ended_seq IS NULL`),
    index('sessions_open_by_microsoft')
      .on(t.microsoftSid, t.tid)
      .where(sql`ended_seq IS NULL AND microsoft_sid IS NOT NULL`),
    index('sessions_open_by_deadline')
      .on(t.deadlineAt, t.sid)
      .where(sql`ended_seq IS NULL`),
    index('sessions_open_by_end')
      .on(t.absoluteAt)
      .where(sql`ended_seq IS NULL`),
    index('sessions_open_by_promise')
      .on(t.promisedUntil)
      .where(sql`ended_seq IS NULL AND promised_until IS NOT NULL`),
    index('sessions_to_probe')
      .on(t.tid, t.probePhase, t.sid)
      .where(sql`ended_seq IS NULL AND microsoft_cache_sealed IS NOT NULL`),
    index('sessions_ended')
      .on(t.endedAt)
      .where(sql`ended_seq IS NOT NULL`),
  ],
)

/**
 * The clients that took part in a session. Rows are kept when their tokens are deleted, because
 * each client still gets a logout token.
 */
export const participants = sqliteTable(
  'participants',
  {
    sid: text().notNull(),
    clientId: text('client_id').notNull(),
    firstAt: integer('first_at').notNull(),
    lastAt: integer('last_at').notNull(),
    /** The head of the log when the client first joined, and when it last did. */
    firstSeq: integer('first_seq').notNull(),
    joinedSeq: integer('joined_seq').notNull(),
    /** The seq of the latest revocation of this grant; 0 where there is none. */
    grantCutoff: integer('grant_cutoff').notNull().default(0),
    /**
     * When the user last completed a sign-in at this client; NULL where the client took part by
     * token exchange alone.
     */
    signedInAt: integer('signed_in_at'),
    /**
     * When the user's authentication becomes too old for this client; NULL where the client sets no
     * limit, or the limit has already ended this grant.
     */
    freshUntil: integer('fresh_until'),
  },
  (t) => [
    primaryKey({ columns: [t.sid, t.clientId] }),
    index('participants_by_client').on(t.clientId, t.sid),
    index('participants_by_freshness')
      .on(t.freshUntil, t.sid, t.clientId)
      .where(sql`fresh_until IS NOT NULL`),
  ],
)

export const codes = sqliteTable(
  'codes',
  {
    codeHash: text('code_hash').primaryKey(),
    sid: text().notNull(),
    clientId: text('client_id').notNull(),
    redirectUri: text('redirect_uri').notNull(),
    scope: text().notNull(),
    audience: text().notNull(),
    nonce: text(),
    codeChallenge: text('code_challenge'),
    /** The thumbprint of the key that must be proved to redeem the code (RFC 9449 §10). */
    jkt: text(),
    wantsAuthTime: integer('wants_auth_time').notNull(),
    openedSeq: integer('opened_seq').notNull(),
    expiresAt: integer('expires_at').notNull(),
    consumedAt: integer('consumed_at'),
  },
  (t) => [
    index('codes_by_expiry').on(t.expiresAt),
    index('codes_by_session').on(t.sid, t.clientId),
  ],
)

/**
 * Token families: one row a grant, whatever the number of refreshes. Nothing in a row can be used
 * as a token.
 */
export const families = sqliteTable(
  'families',
  {
    familyId: text('family_id').primaryKey(),
    sid: text().notNull(),
    clientId: text('client_id').notNull(),
    generation: integer().notNull(),
    scope: text().notNull(),
    audience: text().notNull(),
    nonce: text(),
    /** The thumbprint of the key that a public client must prove to refresh (RFC 9449 §5). */
    jkt: text(),
    openedSeq: integer('opened_seq').notNull(),
    rotatedAt: integer('rotated_at').notNull(),
    /**
     * JSON: the times at which the latest generations were replaced, the newest last, as far back
     * as the grace period for pipelined refreshes needs.
     */
    replacedAt: text('replaced_at').notNull().default('[]'),
  },
  (t) => [index('families_by_session').on(t.sid)],
)

/**
 * The security history that a user reads: sign-ins, rejected sign-ins, and ends of sessions. Erased
 * with the user.
 */
export const securityEvents = sqliteTable(
  'security_events',
  {
    sub: text().notNull(),
    at: integer().notNull(),
    id: text().notNull(),
    kind: text({
      enum: ['signed_in', 'renewed', 'sign_in_rejected', 'ended', 'reported'],
    }).notNull(),
    sid: text(),
    device: text(),
    /** The IP address that the trusted proxies report. It has a retention of its own. */
    address: text(),
    /** The instance that the user signed in to, or whose grant ended. */
    clientId: text('client_id'),
    /** Why the session or grant was revoked, or why the sign-in was rejected. */
    why: text(),
    /** The actor who asked for the end, or who acted on a report, and the end's number in the log. */
    actorKind: text('actor_kind').$type<Actor['kind']>(),
    actorId: text('actor_id'),
    seq: integer(),
    /** When a report was marked as acted on. */
    doneAt: integer('done_at'),
  },
  (t) => [
    primaryKey({ columns: [t.sub, t.at, t.id] }),
    index('security_events_by_time').on(t.at),
    index('security_events_reported')
      .on(t.at)
      .where(sql`kind = 'reported'`),
    index('security_events_with_address')
      .on(t.at)
      .where(sql`address IS NOT NULL`),
  ],
)

/**
 * Rejected sign-ins, one row a visit to Microsoft. Their number is bounded for each user, each
 * tenant and in all (db/session/rejected.ts).
 */
export const rejectedSignIns = sqliteTable(
  'rejected_sign_ins',
  {
    id: integer().primaryKey(),
    /** The reference on the user's page: a MAC of the visit. */
    reference: text().notNull(),
    at: integer().notNull(),
    /** The tenant of a user whom Microsoft identified; empty where none was. */
    tid: text().notNull(),
    /** The row's place among those of its tenant. */
    number: integer().notNull(),
    oid: text(),
    username: text(),
    /** The instance that was signed in to; NULL: a page of the broker. */
    clientId: text('client_id'),
    /** A key of the guidance (src/microsoft/guidance.ts). */
    reason: text().notNull(),
    /** Microsoft's error number. */
    code: integer(),
  },
  (t) => [
    uniqueIndex('rejected_sign_ins_by_reference').on(t.reference),
    index('rejected_sign_ins_by_time').on(t.at),
    index('rejected_sign_ins_by_tenant').on(t.tid, t.number),
    index('rejected_sign_ins_by_user')
      .on(t.tid, t.oid, t.id)
      .where(sql`oid IS NOT NULL`),
  ],
)

/** How many sign-ins were accepted in each quarter of an hour, by tenant and instance. */
export const acceptedSignIns = sqliteTable(
  'accepted_sign_ins',
  {
    /** The beginning of the quarter. */
    at: integer().notNull(),
    tid: text().notNull(),
    /** The instance that was signed in to; empty: a page of the broker. */
    clientId: text('client_id').notNull(),
    count: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.at, t.tid, t.clientId] })],
)

export const consents = sqliteTable(
  'consents',
  {
    sub: text().notNull(),
    clientId: text('client_id').notNull(),
    scope: text().notNull(),
    at: integer().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.sub, t.clientId] }),
    index('consents_by_client').on(t.clientId, t.at),
  ],
)

export const consumed = sqliteTable(
  'consumed',
  {
    purpose: text().notNull(),
    idHash: text('id_hash').notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.purpose, t.idHash] }),
    index('consumed_by_expiry').on(t.expiresAt),
  ],
)

export const pushedRequests = sqliteTable(
  'pushed_requests',
  {
    requestHash: text('request_hash').primaryKey(),
    clientId: text('client_id').notNull(),
    parameters: text().notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (t) => [index('pushed_requests_by_expiry').on(t.expiresAt)],
)

/**
 * The outbox: each row is one message to one target, committed with its cause. A delivery is due
 * when it is pending, its time has come and it is not leased.
 */
export const deliveries = sqliteTable(
  'deliveries',
  {
    id: text().primaryKey(),
    /** The kind decides the payload, the signature and the rules of success. */
    kind: text({ enum: ['logout_token', 'webhook', 'set'] }).notNull(),
    /** The revocation that caused it, where one did. */
    seq: integer(),
    clientId: text('client_id').notNull(),
    targetId: text('target_id').notNull(),
    /**
     * A logout token has exactly one of the two. For other kinds `sub` is the user that the message
     * names.
     */
    sid: text(),
    sub: text(),
    /**
     * The content of a webhook or SET; for a logout token by `sub`, the sids that it ends,
     * separated by spaces. NULL once the delivery is settled.
     */
    payload: text(),
    /**
     * 0: a user waits for it. 1: a wide revocation; workers share their time fairly between these.
     * 2: no user waits (expiry).
     */
    priority: integer().notNull(),
    state: text({ enum: DELIVERY_STATES }).notNull(),
    attempts: integer().notNull(),
    createdAtMs: integer('created_at_ms').notNull(),
    nextAttemptAtMs: integer('next_attempt_at_ms').notNull(),
    leasedUntilMs: integer('leased_until_ms').notNull().default(0),
    settledAtMs: integer('settled_at_ms'),
    supersededBy: text('superseded_by'),
    lastStatus: integer('last_status'),
    lastError: text('last_error'),
    /**
     * W3C Trace Context of the request that caused a webhook or SET. A logout token uses that of
     * its revocation.
     */
    traceparent: text(),
  },
  (t) => [
    uniqueIndex('deliveries_by_sid')
      // The session is the first column, so that the deliveries of one sign-out are adjacent.
      .on(t.sid, t.targetId, t.seq)
      .where(sql`sid IS NOT NULL`),
    uniqueIndex('deliveries_by_sub')
      .on(t.sub, t.targetId, t.seq)
      .where(sql`sub IS NOT NULL`),
    index('deliveries_by_seq').on(t.seq, t.state, t.clientId, t.id),
    index('deliveries_by_state').on(t.state, t.clientId, t.createdAtMs, t.id),
    index('deliveries_by_time').on(t.state, t.createdAtMs, t.id),
    index('deliveries_due_by_target')
      .on(t.targetId, t.priority, t.nextAttemptAtMs, t.createdAtMs, t.state)
      .where(sql`state = 'pending'`),
    index('deliveries_due_by_revocation')
      .on(t.targetId, t.seq, t.nextAttemptAtMs)
      .where(sql`state = 'pending' AND priority = 1`),
    // Leases of attempts that run now, or ran in a process that was killed. They are few, and each
    // start of the broker searches for them.
    index('deliveries_leased')
      .on(t.leasedUntilMs)
      .where(sql`leased_until_ms > 0`),
    index('deliveries_settled')
      .on(t.settledAtMs)
      .where(sql`settled_at_ms IS NOT NULL`),
  ],
)

/** The endpoints that receive webhooks. Each is a target too, under its own id. */
export const webhookEndpoints = sqliteTable('webhook_endpoints', {
  endpointId: text('endpoint_id').primaryKey(),
  url: text().notNull(),
  description: text(),
  /** JSON: the event types that the endpoint subscribes to. */
  events: text().notNull(),
  /** JSON: the personal data that its events may hold. */
  include: text().notNull(),
  secretSealed: text('secret_sealed').notNull(),
  /** The previous secret, which also signs until `formerUntil` (epoch seconds). */
  formerSealed: text('former_sealed'),
  formerUntil: integer('former_until'),
  state: text({ enum: ['enabled', 'disabled'] }).notNull(),
  /** Why the endpoint is disabled. */
  cause: text(),
  /** The number of its latest message. */
  position: integer().notNull(),
  createdAt: integer('created_at').notNull(),
  updatedAt: integer('updated_at').notNull(),
})

/**
 * Streams of security events (SSF 1.0), one for each client at most. Each is a target too, under
 * its own id.
 */
export const streams = sqliteTable(
  'streams',
  {
    streamId: text('stream_id').primaryKey(),
    clientId: text('client_id').notNull(),
    method: text({ enum: ['push', 'poll'] }).notNull(),
    /** For a push stream: the endpoint's address, and the Authorization header that it requires. */
    endpointUrl: text('endpoint_url'),
    authorizationSealed: text('authorization_sealed'),
    /** JSON: the event types that the receiver requested. */
    eventsRequested: text('events_requested').notNull(),
    description: text(),
    /** The status as the receiver or the broker set it (`status_by`). */
    status: text({ enum: ['enabled', 'paused', 'disabled'] }).notNull(),
    statusReason: text('status_reason'),
    statusBy: text('status_by', { enum: ['receiver', 'broker', 'operator'] }).notNull(),
    /**
     * When a push endpoint first accepted a verification event. Before that the broker pushes it
     * nothing else.
     */
    verifiedAt: integer('verified_at'),
    /** When the receiver last requested a verification event. */
    askedAt: integer('asked_at'),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (t) => [uniqueIndex('streams_by_client').on(t.clientId)],
)

/**
 * How many deliveries each client has in each state. Every change updates the count, because
 * counting all kept deliveries would block the process.
 */
export const deliveryCounts = sqliteTable(
  'delivery_counts',
  {
    clientId: text('client_id').notNull(),
    state: text().notNull(),
    count: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.clientId, t.state] })],
)

/**
 * How many deliveries of each revocation are in each state, among those written so far. Every
 * change updates the totals, so that the proof of a wide revocation is one look-up. Retention
 * deletes deliveries one by one and keeps the totals as long as the revocation.
 */
export const revocationTotals = sqliteTable('revocation_totals', {
  seq: integer().primaryKey(),
  pending: integer().notNull(),
  delivered: integer().notNull(),
  rejected: integer().notNull(),
  failed: integer().notNull(),
  superseded: integer().notNull(),
  closed: integer().notNull(),
})

/**
 * The proof of delivery: one row an attempt. A redriven delivery counts its attempts from zero, so
 * the pair is not unique.
 */
export const deliveryAttempts = sqliteTable(
  'delivery_attempts',
  {
    id: integer().primaryKey(),
    deliveryId: text('delivery_id').notNull(),
    attempt: integer().notNull(),
    atMs: integer('at_ms').notNull(),
    outcome: text().notNull(),
    status: integer(),
    latencyMs: integer('latency_ms').notNull(),
    jti: text(),
    error: text(),
  },
  (t) => [index('delivery_attempts_by_delivery').on(t.deliveryId)],
)

export const guards = sqliteTable(
  'guards',
  {
    clientId: text('client_id').notNull(),
    guardId: text('guard_id').notNull(),
    epoch: text().notNull(),
    enforcedSeq: integer('enforced_seq').notNull(),
    reportedAtMs: integer('reported_at_ms').notNull(),
    /** The guard's state, as its latest report has it. NULL if the report lacks the value. */
    version: text(),
    withoutLease: text('without_lease', { enum: ['reject', 'introspect'] }),
    /** Times that its lease ran out, as it counts them, and when that last rose. */
    leasesRunOut: integer('leases_run_out'),
    leaseRanOutAtMs: integer('lease_ran_out_at_ms'),
    clockDriftPpm: integer('clock_drift_ppm'),
    clockOffsetSeconds: integer('clock_offset_seconds'),
    /** How soon its next report follows at the latest. */
    everySeconds: integer('every_seconds'),
    /** 1: it judges the instance's own sessions too. */
    sessions: integer(),
  },
  (t) => [primaryKey({ columns: [t.clientId, t.guardId] })],
)

/**
 * The streams and lengths of leases from which receipts are computed. A row with a guard id is a
 * stream or a poller, and is committed before its first lease. A row without one is a period in
 * which a client was registered with this length of lease, these lives of tokens and this end of
 * its own sessions, or, with a `reportedSeq` of -1, the doubt whether a server that failed had such
 * streams.
 */
export const guardLeases = sqliteTable(
  'guard_leases',
  {
    /** The name of the stream: random, from the broker. */
    stream: text().primaryKey(),
    clientId: text('client_id').notNull(),
    guardId: text('guard_id').notNull(),
    /** 1: the stream or poller asked for what can end the instance's own sessions. */
    sessions: integer().notNull().default(0),
    /** The length of leases; 0 for a stream. */
    seconds: integer().notNull(),
    /**
     * Who ends the instance's own sessions by its registration; `unknown`: it does not say. NULL: a
     * broker of 1.0.0-rc.2 wrote the row.
     */
    ownSessions: text('own_sessions').$type<SessionsEndedBy>(),
    /** The life of its access tokens by its registration. */
    tokenSeconds: integer('token_seconds'),
    /** The time at which access tokens of its former registrations are over, epoch ms. */
    formerTokensUntilMs: integer('former_tokens_until_ms'),
    /** The head when the row was written: its leases hold every revocation up to this. */
    firstSeq: integer('first_seq').notNull(),
    /** The head when its last lease was over; 2⁵³ − 1 until then. */
    lastSeq: integer('last_seq').notNull(),
    reportedSeq: integer('reported_seq').notNull(),
    reportedAtMs: integer('reported_at_ms').notNull(),
    /**
     * The process that grants its leases. Empty: no process grants any more. `registered`: the
     * length that a registration has now.
     */
    holder: text().notNull(),
  },
  (t) => [index('guard_leases_by_end').on(t.lastSeq)],
)

/**
 * Since when it is known that a participant of a revocation enforces it, and by what: its access
 * tokens and its own sessions. What is written never changes, so a receipt never gets worse.
 */
export const enforcements = sqliteTable(
  'enforcements',
  {
    seq: integer().notNull(),
    clientId: text('client_id').notNull(),
    tokensBy: text('tokens_by').$type<Proof>(),
    tokensAtMs: integer('tokens_at_ms'),
    sessionsBy: text('sessions_by').$type<Proof>(),
    sessionsAtMs: integer('sessions_at_ms'),
  },
  (t) => [primaryKey({ columns: [t.seq, t.clientId] })],
)

export const clients = sqliteTable('clients', {
  clientId: text('client_id').primaryKey(),
  source: text().$type<ClientSource>().notNull(),
  metadata: text().notNull(),
  logoutBy: text('logout_by', { enum: ['sid', 'sub'] }).notNull(),
  /** JSON: tenants that were removed from the registration, and when (FormerTenant). */
  formerTenants: text('former_tenants').notNull().default('[]'),
  createdAt: integer('created_at').notNull(),
  updatedAt: integer('updated_at').notNull(),
  removedAt: integer('removed_at'),
})

export const clientSecrets = sqliteTable(
  'client_secrets',
  {
    clientId: text('client_id').notNull(),
    id: text().notNull(),
    hash: text().notNull(),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at'),
    /** When it last authenticated its client, to the hour. NULL: no use was seen. */
    usedAt: integer('used_at'),
  },
  (t) => [primaryKey({ columns: [t.clientId, t.id] })],
)

/**
 * The logout addresses of clients. A target gets the revocations after `added_seq` and up to
 * `removed_seq`, including those whose fan-out was pending when it was removed.
 */
export const targets = sqliteTable(
  'targets',
  {
    targetId: text('target_id').primaryKey(),
    clientId: text('client_id').notNull(),
    uri: text().notNull(),
    addedSeq: integer('added_seq').notNull(),
    removedSeq: integer('removed_seq'),
  },
  (t) => [uniqueIndex('targets_by_client').on(t.clientId, t.uri)],
)

export const signingKeys = sqliteTable('signing_keys', {
  kid: text().primaryKey(),
  alg: text({ enum: ['ES256', 'RS256'] }).notNull(),
  state: text({ enum: ['next', 'active', 'retiring', 'retired'] }).notNull(),
  privateSealed: text('private_sealed'),
  publicJwk: text('public_jwk').notNull(),
  createdAt: integer('created_at').notNull(),
  activatedAt: integer('activated_at'),
  retireAt: integer('retire_at'),
})

export const tenants = sqliteTable('tenants', {
  tid: text().primaryKey(),
  name: text(),
  mfaProof: text('mfa_proof').notNull(),
  idleSeconds: integer('idle_seconds'),
  absoluteSeconds: integer('absolute_seconds'),
  staySignedInSeconds: integer('stay_signed_in_seconds'),
  /** The maximum age of the user's authentication at Microsoft. */
  maxAuthenticationSeconds: integer('max_authentication_seconds'),
  proofAssertedBy: text('proof_asserted_by'),
  proofAssertedAt: integer('proof_asserted_at'),
  consentConfirmedBy: text('consent_confirmed_by'),
  consentConfirmedAt: integer('consent_confirmed_at'),
  /**
   * The administrators of the tenant at the console: `app_role`, or `directory_role:` with its
   * template id. NULL: it has none.
   */
  administrators: text(),
  /** JSON: whom its users ask for help (HelpContact). */
  helpContact: text('help_contact'),
  connectedAt: integer('connected_at').notNull(),
  removedAt: integer('removed_at'),
})

/**
 * Requests that the broker has to make to Microsoft Graph. Requests for the same thing share a row,
 * which is deleted when it is done.
 */
export const microsoftWork = sqliteTable(
  'microsoft_work',
  {
    kind: text({
      enum: ['check_user', 'revoke_sessions', 'revoke_reported', 'tend_subscription'],
    }).notNull(),
    tid: text().notNull(),
    /** The user's oid; for work about a tenant, the reason. */
    oid: text().notNull(),
    /**
     * Rises by one each time the work is requested. If it rose while the work ran, the work is not
     * done.
     */
    generation: integer().notNull(),
    attempts: integer().notNull(),
    state: text({ enum: ['pending', 'failed'] }).notNull(),
    askedAtMs: integer('asked_at_ms').notNull(),
    nextAtMs: integer('next_at_ms').notNull(),
    /** The lease of the broker that took the work; 0: no broker has it. */
    leasedUntilMs: integer('leased_until_ms').notNull().default(0),
    lastError: text('last_error'),
  },
  (t) => [
    primaryKey({ columns: [t.kind, t.tid, t.oid] }),
    index('microsoft_work_leased')
      .on(t.leasedUntilMs)
      .where(sql`leased_until_ms > 0`),
    index('microsoft_work_due')
      .on(t.tid, t.nextAtMs)
      .where(sql`state = 'pending'`),
    index('microsoft_work_failed')
      .on(t.askedAtMs)
      .where(sql`state = 'failed'`),
  ],
)

/**
 * How far the probe of each tenant's sessions has come. Each tenant has one cursor; the broker that
 * takes the next page moves it.
 */
export const probeCursors = sqliteTable('probe_cursors', {
  tid: text().primaryKey(),
  /** Counts on from round to round; a round has 65536 places. */
  place: integer().notNull(),
  /** The last session that was passed at this place. */
  sid: text().notNull(),
  movedAtMs: integer('moved_at_ms').notNull(),
})

/**
 * Sessions that a broker probes now: those after one place (and sid), up to and including another.
 * The row is deleted when they are probed.
 */
export const probePages = sqliteTable(
  'probe_pages',
  {
    id: text().primaryKey(),
    tid: text().notNull(),
    place: integer().notNull(),
    sid: text().notNull(),
    toPlace: integer('to_place').notNull(),
    /** Empty: no session at `to_place` itself belongs to the page. */
    toSid: text('to_sid').notNull(),
    /** When the lease expires and another broker may take the page. */
    leasedUntilMs: integer('leased_until_ms').notNull(),
  },
  (t) => [index('probe_pages_by_lease').on(t.tid, t.leasedUntilMs)],
)

export const settings = sqliteTable('settings', {
  name: text().primaryKey(),
  value: text().notNull(),
})

/**
 * A table of one row. `version` rises with every change of what brokers keep in memory (clients,
 * secrets, targets, tenants, signing keys, settings).
 */
export const registry = sqliteTable('registry', {
  id: integer().primaryKey(),
  version: integer().notNull(),
})

/**
 * The audit log: the acts of operators and administrators. A row is written before its act is done
 * and never changes; ids are never reused. Triggers (db/after-tables.sql) reject every UPDATE, and
 * every DELETE except the oldest row's, so that retention can only shorten the log from its old
 * end.
 */
export const audit = sqliteTable(
  'audit',
  {
    id: integer().primaryKey(),
    atMs: integer('at_ms').notNull(),
    actorKind: text('actor_kind').$type<Actor['kind']>().notNull(),
    actorId: text('actor_id').notNull(),
    /** The interface that the act came through: the console, the admin API, cmb and so on. */
    via: text().$type<AuditWay>().notNull(),
    act: text().notNull(),
    target: text(),
    caseReference: text('case_reference'),
    comment: text(),
    details: text().notNull(),
    /** The row's link in the chain. */
    hash: text().notNull(),
    personalHash: text('personal_hash').notNull(),
  },
  (t) => [
    index('audit_by_actor').on(t.actorId, t.id),
    index('audit_by_act').on(t.act, t.id),
    index('audit_by_target').on(t.target, t.id),
    index('audit_by_case')
      .on(t.caseReference, t.id)
      .where(sql`case_reference IS NOT NULL`),
    index('audit_by_time').on(t.atMs),
  ],
)

/**
 * How an act ended, written once. An act without an outcome was interrupted: its effect was either
 * committed in full or not at all.
 */
export const auditOutcomes = sqliteTable('audit_outcomes', {
  id: integer().primaryKey(),
  atMs: integer('at_ms').notNull(),
  outcome: text({ enum: ['done', 'rejected', 'failed'] }).notNull(),
  result: text().notNull(),
})

/**
 * The salts of the audit log's personal fields. They have a table of their own because rows of the
 * audit log never change, and erasing a user deletes the salts.
 */
export const auditSalts = sqliteTable('audit_salts', {
  id: integer().primaryKey(),
  salt: text().notNull(),
})

/** The head of each log's chain, advanced in the transaction that appends a row. */
export const chainHeads = sqliteTable('chain_heads', {
  log: text({ enum: ['revocations', 'audit'] }).primaryKey(),
  number: integer().notNull(),
  hash: text().notNull(),
})

/**
 * The beginnings of a chain's segments: a new log, a restore, a promoted server. The hash covers
 * the head before it.
 */
export const chainBegins = sqliteTable(
  'chain_begins',
  {
    id: integer().primaryKey(),
    log: text().notNull(),
    number: integer().notNull(),
    hash: text().notNull(),
    fields: text().notNull(),
  },
  (t) => [index('chain_begins_by_number').on(t.log, t.number)],
)

/** Heads that the broker's key has signed. Retention cuts a log at one of them. */
export const chainSignatures = sqliteTable(
  'chain_signatures',
  {
    id: integer().primaryKey(),
    log: text().notNull(),
    number: integer().notNull(),
    hash: text().notNull(),
    at: integer().notNull(),
    signature: text().notNull(),
  },
  (t) => [
    uniqueIndex('chain_signatures_by_number').on(t.log, t.number, t.hash),
    index('chain_signatures_by_time').on(t.log, t.at),
  ],
)
