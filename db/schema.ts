import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import type { ClientSource } from '../src/protocol/client-metadata.ts'
import type { Actor, Reason } from '../src/protocol/revocation.ts'
import type { AuditWay } from './types.ts'

/**
 * The tables of the store: the one source of `db/migrations` (`npm run db:generate`), and of the
 * tables of Postgres (db/postgres/schema.ts). Acts name them in Drizzle statements, which both
 * engines render.
 *
 * `…_at` is epoch seconds, `…_at_ms` milliseconds, `…_hash` a SHA-256, `…_sealed` AES-GCM under
 * `BROKER_SECRET`; lists and objects are JSON. No foreign keys: every act keeps its rows together,
 * and retention deletes in batches.
 */

/**
 * One row. `seq` only ever rises by one inside a transaction that appends, so it is commit-ordered;
 * `epoch` is new after a restore.
 */
export const logHead = sqliteTable('log_head', {
  id: integer().primaryKey(),
  seq: integer().notNull(),
  epoch: text().notNull(),
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
    /** When a guard last said that it enforces it: what operators' times are made of. */
    enforcedAtMs: integer('enforced_at_ms'),
    /**
     * The row's link in the chain (src/protocol/evidence-chain.ts). Erasing the user deletes the
     * salt.
     */
    hash: text().notNull(),
    personalHash: text('personal_hash').notNull(),
    salt: text(),
    /**
     * W3C Trace Context of the request that caused it: its logout tokens are sent in that trace. No
     * part of the chain.
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
 * The latest wide revocation of each selector: what makes validity one look-up, whatever was
 * revoked.
 */
export const cutoffs = sqliteTable(
  'cutoffs',
  {
    kind: text({ enum: ['subject', 'client', 'tenant', 'everything'] }).notNull(),
    /** sub, client_id or tid; empty for everything. */
    key: text().notNull(),
    seq: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.kind, t.key] })],
)

/**
 * How fresh a sign-in must be: its visit to Microsoft began when the log had this seq, or later. A
 * floor only rises, and no act deletes one. The key is a sub, a home account id or a tid; empty for
 * everything. `securitySeq` is the latest that was raised for a security reason; 0: none was. A row
 * of seq 0 holds a waiver alone.
 */
export const floors = sqliteTable(
  'floors',
  {
    kind: text({ enum: ['subject', 'home', 'tenant', 'everything'] }).notNull(),
    key: text().notNull(),
    seq: integer().notNull(),
    securitySeq: integer('security_seq').notNull(),
    /** Until then a floor up to this seq is not demanded. */
    waivedSeq: integer('waived_seq').notNull().default(0),
    waivedUntil: integer('waived_until').notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.kind, t.key] })],
)

/**
 * Tenants whose ID tokens have had auth_time: only there a fresh sign-in can be proved, and is
 * demanded.
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
 * The words of users' names and addresses, folded: how operators find a user. Erased with the user.
 */
export const subjectWords = sqliteTable(
  'subject_words',
  {
    word: text().notNull(),
    sub: text().notNull(),
  },
  (t) => [primaryKey({ columns: [t.word, t.sub] }), index('subject_words_by_sub').on(t.sub)],
)

/** Erased users whose ended sessions still have to be looked for. */
export const erasures = sqliteTable('erasures', {
  sub: text().primaryKey(),
  /** Only sessions that the erasure revoked: one that was opened later is not touched. */
  seq: integer().notNull(),
  /** The last sid that was looked at. */
  cursor: text().notNull(),
})

/** Who or what may not sign in, and gets no code and no token, until the lock is lifted. */
export const locks = sqliteTable(
  'locks',
  {
    id: text().primaryKey(),
    kind: text({ enum: ['user', 'tenant', 'client'] }).notNull(),
    /** tid of a user or a tenant; client_id. */
    key: text().notNull(),
    /** Of a user; empty for others. */
    oid: text().notNull(),
    /** Of a user whose home account is known: the lock covers them in every tenant. */
    homeId: text('home_id'),
    /** Of a client, as its registration has it now. */
    audience: text(),
    caseReference: text('case_reference'),
    comment: text(),
    actorKind: text('actor_kind').$type<Actor['kind']>().notNull(),
    actorId: text('actor_id').notNull(),
    at: integer().notNull(),
    /** The broker lifts it then; NULL: an operator does. */
    endsAt: integer('ends_at'),
    /** Its revocation; NULL where the user had not signed in yet. */
    seq: integer(),
    /** NULL: the lock is open. Only the act of lifting sets it, never the passing of time. */
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
 * Requests of the admin API that had an `Idempotency-Key`: what was asked, and the answer. Kept for
 * a day.
 */
export const idempotencyKeys = sqliteTable(
  'idempotency_keys',
  {
    /** The kind and the id of the actor: one caller's keys are no other's. */
    caller: text().notNull(),
    keyHash: text('key_hash').notNull(),
    /** Of the method, the path and the body. */
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
 * Users who signed in to the console, with the role that they had: the last two administrators
 * cannot be locked. `tenant`: of their own tenant.
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
    /** When the browser left for Microsoft at the latest sign-in, and when it was back. */
    visitStartedAt: integer('visit_started_at').notNull(),
    visitEndedAt: integer('visit_ended_at').notNull(),
    lastActiveAt: integer('last_active_at').notNull(),
    idleSeconds: integer('idle_seconds').notNull(),
    absoluteAt: integer('absolute_at').notNull(),
    markAt: integer('mark_at'),
    markReason: text('mark_reason').$type<Reason>(),
    /** The earliest of the idle, absolute and marked ends: what the sweep looks for. */
    deadlineAt: integer('deadline_at').notNull(),
    acr: text(),
    amr: text(),
    roles: text().notNull(),
    staySignedIn: integer('stay_signed_in').notNull(),
    microsoftSid: text('microsoft_sid'),
    loginHintSealed: text('login_hint_sealed'),
    /** Microsoft's own tokens: gone when the session ends. */
    microsoftCacheSealed: text('microsoft_cache_sealed'),
    /**
     * Its place in each round of the probe, 0 to 65535, for life: sessions are spread evenly over
     * it.
     */
    probePhase: integer('probe_phase').notNull(),
    /**
     * When Microsoft last vouched for it: its sign-in, or the latest probe that was answered with
     * tokens.
     */
    probedAt: integer('probed_at').notNull(),
    device: text().notNull(),
    cookieHash: text('cookie_hash').notNull(),
    /** Of the cookie that names the browser: a browser has one session. */
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
    index('sessions_to_probe')
      .on(t.tid, t.probePhase, t.sid)
      .where(sql`ended_seq IS NULL AND microsoft_cache_sealed IS NOT NULL`),
    index('sessions_ended')
      .on(t.endedAt)
      .where(sql`ended_seq IS NOT NULL`),
  ],
)

/**
 * Who took part in a session: kept when their tokens are gone, because each of them still gets a
 * logout token.
 */
export const participants = sqliteTable(
  'participants',
  {
    sid: text().notNull(),
    clientId: text('client_id').notNull(),
    firstAt: integer('first_at').notNull(),
    lastAt: integer('last_at').notNull(),
    /** The head of the log when it first joined, and when it last did. */
    firstSeq: integer('first_seq').notNull(),
    joinedSeq: integer('joined_seq').notNull(),
    /** The latest revocation of this grant; 0 where there is none. */
    grantCutoff: integer('grant_cutoff').notNull().default(0),
    /**
     * When a sign-in at this client was last completed here; NULL where it took part by token
     * exchange alone.
     */
    signedInAt: integer('signed_in_at'),
    /**
     * Until then the user's authentication is recent enough for this client; NULL where it sets no
     * limit, or this grant has ended by it.
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

/** One row a grant, whatever the number of refreshes; nothing here can be used as a token. */
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
    openedSeq: integer('opened_seq').notNull(),
    rotatedAt: integer('rotated_at').notNull(),
    /**
     * JSON: when the latest generations were replaced, the newest last, as far back as the
     * pipeline's seconds reach.
     */
    replacedAt: text('replaced_at').notNull().default('[]'),
  },
  (t) => [index('families_by_session').on(t.sid)],
)

/**
 * What a user reads about the security of their account: sign-ins, rejected ones, and ends of
 * sessions. Erased with the user.
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
    /** As the trusted proxies give it. It has a retention of its own. */
    address: text(),
    /** The instance that the user signed in to, or whose grant ended. */
    clientId: text('client_id'),
    /** Of an end, the reason of the revocation; of a rejected sign-in, why. */
    why: text(),
    /** Of an end: who asked for it, and its number in the log. */
    actorKind: text('actor_kind').$type<Actor['kind']>(),
    actorId: text('actor_id'),
    seq: integer(),
  },
  (t) => [
    primaryKey({ columns: [t.sub, t.at, t.id] }),
    index('security_events_by_time').on(t.at),
    index('security_events_with_address')
      .on(t.at)
      .where(sql`address IS NOT NULL`),
  ],
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
 * The outbox: one message to one target, committed with its cause. Due: pending, its time come, and
 * not leased.
 */
export const deliveries = sqliteTable(
  'deliveries',
  {
    id: text().primaryKey(),
    /** What payload, signature and rules of success it has. */
    kind: text({ enum: ['logout_token', 'webhook', 'set'] }).notNull(),
    /** The revocation that caused it, where one did. */
    seq: integer(),
    clientId: text('client_id').notNull(),
    targetId: text('target_id').notNull(),
    /**
     * Of a logout token, exactly one of the two. Of other kinds `sub` is the user whom it is about.
     */
    sid: text(),
    sub: text(),
    /**
     * What other kinds are minted from; of a logout token by `sub`, the sids that it ends, with
     * spaces between. NULL once it is settled.
     */
    payload: text(),
    /**
     * 0: a user waits for it. 1: a wide revocation, shared fairly between revocations. 2: no user
     * waits (expiry).
     */
    priority: integer().notNull(),
    state: text({
      enum: ['pending', 'delivered', 'rejected', 'failed', 'superseded', 'closed'],
    }).notNull(),
    attempts: integer().notNull(),
    createdAtMs: integer('created_at_ms').notNull(),
    nextAttemptAtMs: integer('next_attempt_at_ms').notNull(),
    leasedUntilMs: integer('leased_until_ms').notNull().default(0),
    settledAtMs: integer('settled_at_ms'),
    supersededBy: text('superseded_by'),
    lastStatus: integer('last_status'),
    lastError: text('last_error'),
    /**
     * Of other kinds than logout tokens: W3C Trace Context of the request that caused it. A logout
     * token has that of its revocation.
     */
    traceparent: text(),
  },
  (t) => [
    uniqueIndex('deliveries_by_sid')
      // The session first: the deliveries of one sign-out are side by side.
      .on(t.sid, t.targetId, t.seq)
      .where(sql`sid IS NOT NULL`),
    uniqueIndex('deliveries_by_sub')
      .on(t.sub, t.targetId, t.seq)
      .where(sql`sub IS NOT NULL`),
    index('deliveries_by_seq').on(t.seq, t.createdAtMs, t.id),
    index('deliveries_by_state').on(t.state, t.clientId, t.createdAtMs, t.id),
    index('deliveries_by_time').on(t.state, t.createdAtMs, t.id),
    index('deliveries_due_by_target')
      .on(t.targetId, t.priority, t.nextAttemptAtMs, t.createdAtMs, t.state)
      .where(sql`state = 'pending'`),
    index('deliveries_due_by_revocation')
      .on(t.targetId, t.seq, t.nextAttemptAtMs)
      .where(sql`state = 'pending' AND priority = 1`),
    // Attempts that run in the process that has the file, or in one that was killed: few, and
    // searched at each start.
    index('deliveries_leased')
      .on(t.leasedUntilMs)
      .where(sql`leased_until_ms > 0`),
    index('deliveries_settled')
      .on(t.settledAtMs)
      .where(sql`settled_at_ms IS NOT NULL`),
  ],
)

/** Where webhooks go. Each is a target too, under its own id. */
export const webhookEndpoints = sqliteTable('webhook_endpoints', {
  endpointId: text('endpoint_id').primaryKey(),
  url: text().notNull(),
  description: text(),
  /** JSON: the types of event that it wants. */
  events: text().notNull(),
  /** JSON: the personal data that its events may hold. */
  include: text().notNull(),
  secretSealed: text('secret_sealed').notNull(),
  /** The secret before, which signs too until then (epoch seconds). */
  formerSealed: text('former_sealed'),
  formerUntil: integer('former_until'),
  state: text({ enum: ['enabled', 'disabled'] }).notNull(),
  /** Why it is disabled. */
  cause: text(),
  /** Of its latest message. */
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
    /** Of a push: where to, and the header that its receiver wants with each. */
    endpointUrl: text('endpoint_url'),
    authorizationSealed: text('authorization_sealed'),
    /** JSON: the types of event that were asked for. */
    eventsRequested: text('events_requested').notNull(),
    description: text(),
    /** As the receiver wants it, or as the broker set it (`status_by`). */
    status: text({ enum: ['enabled', 'paused', 'disabled'] }).notNull(),
    statusReason: text('status_reason'),
    statusBy: text('status_by', { enum: ['receiver', 'broker', 'operator'] }).notNull(),
    /**
     * Of a push: when its endpoint first accepted a verification event; before that nothing else is
     * pushed.
     */
    verifiedAt: integer('verified_at'),
    /** When its receiver last asked for a verification event. */
    askedAt: integer('asked_at'),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (t) => [uniqueIndex('streams_by_client').on(t.clientId)],
)

/**
 * How many deliveries each client has in each state: kept with every change, because counting a
 * retention's worth stops the process.
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
 * How many deliveries of each revocation are in each state, as far as they are written: kept with
 * every change, so that the proof of a wide revocation is one look-up. Retention deletes deliveries
 * one by one and leaves these until the revocation goes.
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
 * Proof, one row an attempt. A redriven delivery counts its attempts from zero, so the pair is not
 * unique.
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
    /**
     * When it first connected, and where in this epoch its reports began: it came after every
     * revocation up to there.
     */
    firstSeenAtMs: integer('first_seen_at_ms').notNull(),
    firstSeq: integer('first_seq').notNull(),
    /**
     * Its latest report of more revocations than are marked one by one (`enforced_at_ms`): it
     * enforced all up to this seq no later than then.
     */
    leapSeq: integer('leap_seq').notNull().default(0),
    leapAtMs: integer('leap_at_ms').notNull().default(0),
    /** What it last said of itself; NULL where it does not say. */
    version: text(),
    staleness: text(),
    clockOffsetSeconds: integer('clock_offset_seconds'),
  },
  (t) => [primaryKey({ columns: [t.clientId, t.guardId] })],
)

export const clients = sqliteTable('clients', {
  clientId: text('client_id').primaryKey(),
  source: text().$type<ClientSource>().notNull(),
  metadata: text().notNull(),
  logoutBy: text('logout_by', { enum: ['sid', 'sub'] }).notNull(),
  /** JSON: tenants that a change took out of the registration, and when (FormerTenant). */
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
  },
  (t) => [primaryKey({ columns: [t.clientId, t.id] })],
)

/**
 * A logout address. It gets revocations up to `removed_seq`, also those whose fan-out was pending
 * when it was removed.
 */
export const targets = sqliteTable(
  'targets',
  {
    targetId: text('target_id').primaryKey(),
    clientId: text('client_id').notNull(),
    uri: text().notNull(),
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
  /** How old the user's authentication at Microsoft may be. */
  maxAuthenticationSeconds: integer('max_authentication_seconds'),
  proofAssertedBy: text('proof_asserted_by'),
  proofAssertedAt: integer('proof_asserted_at'),
  consentConfirmedBy: text('consent_confirmed_by'),
  consentConfirmedAt: integer('consent_confirmed_at'),
  /**
   * Who administers the tenant at the console: `app_role`, or `directory_role:` with its template
   * id. NULL: no user of it.
   */
  administrators: text(),
  connectedAt: integer('connected_at').notNull(),
  removedAt: integer('removed_at'),
})

/**
 * What is to be asked of Microsoft Graph, each once however often it was asked for; done, its row
 * goes.
 */
export const microsoftWork = sqliteTable(
  'microsoft_work',
  {
    kind: text({
      enum: ['check_user', 'revoke_sessions', 'revoke_reported', 'tend_subscription'],
    }).notNull(),
    tid: text().notNull(),
    /** Of the user; where it is about the tenant, why. */
    oid: text().notNull(),
    /** One higher each time it is asked for: what was asked for again meanwhile is not done. */
    generation: integer().notNull(),
    attempts: integer().notNull(),
    state: text({ enum: ['pending', 'failed'] }).notNull(),
    askedAtMs: integer('asked_at_ms').notNull(),
    nextAtMs: integer('next_at_ms').notNull(),
    /** Until then it is the work of the broker that took it; 0: of none. */
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
 * How far the probe of each tenant's sessions has come: one hand, which the broker moves that takes
 * the next page.
 */
export const probeHands = sqliteTable('probe_hands', {
  tid: text().primaryKey(),
  /** Counts on from round to round: 65536 places a round. */
  place: integer().notNull(),
  /** The last session that was passed at this place. */
  sid: text().notNull(),
  movedAtMs: integer('moved_at_ms').notNull(),
})

/**
 * Sessions that a broker probes now: after one place (and sid), up to and with another. Its row
 * goes when they are probed.
 */
export const probePages = sqliteTable(
  'probe_pages',
  {
    id: text().primaryKey(),
    tid: text().notNull(),
    place: integer().notNull(),
    sid: text().notNull(),
    toPlace: integer('to_place').notNull(),
    /** Empty: none at `to_place` itself. */
    toSid: text('to_sid').notNull(),
    /** From then on another broker takes them. */
    leasedUntilMs: integer('leased_until_ms').notNull(),
  },
  (t) => [index('probe_pages_by_lease').on(t.tid, t.leasedUntilMs)],
)

export const settings = sqliteTable('settings', {
  name: text().primaryKey(),
  value: text().notNull(),
})

/**
 * One row: rises with every change of what brokers keep in memory (clients, secrets, targets,
 * tenants, signing keys, settings).
 */
export const registry = sqliteTable('registry', {
  id: integer().primaryKey(),
  version: integer().notNull(),
})

/**
 * What operators and administrators did. A row is written before its act is done, and is never
 * changed; ids are never reused. Triggers (a migration of their own) refuse every UPDATE, and every
 * DELETE but the oldest row's: retention shortens it from its old end alone.
 */
export const audit = sqliteTable(
  'audit',
  {
    id: integer().primaryKey(),
    atMs: integer('at_ms').notNull(),
    actorKind: text('actor_kind').$type<Actor['kind']>().notNull(),
    actorId: text('actor_id').notNull(),
    /** By which way: the console, the admin API, cmb. */
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
 * How an act ended, once. One that has none was cut off: its effect is in the other tables, or is
 * not.
 */
export const auditOutcomes = sqliteTable('audit_outcomes', {
  id: integer().primaryKey(),
  atMs: integer('at_ms').notNull(),
  outcome: text({ enum: ['done', 'rejected', 'failed'] }).notNull(),
  result: text().notNull(),
})

/**
 * The salts of the audit log's personal fields, beside it because its rows never change: erasing a
 * user deletes theirs.
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
 * Where a segment of a chain begins: a new log, a restore, a promoted server. Its hash covers the
 * head before it.
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
