import { sql, type Column, type SQL, type Table } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { forUpdateSkipLocked, indexedBy, isOneOf } from '../engine/dialect.ts'
import { assign, columnsOf, command, names, query, type Takes } from '../engine/statement.ts'
import { applyCountChanges } from '../outbox/counts.ts'
import { dropWorkOfTenant } from '../outbox/microsoft-work.ts'
import {
  acceptedSignIns,
  clients,
  codes,
  consents,
  consumed,
  deliveries,
  deliveryAttempts,
  families,
  guards,
  idempotencyKeys,
  locks,
  microsoftWork,
  participants,
  pushedRequests,
  rejectedSignIns,
  securityEvents,
  sessionEntries,
  sessions,
  tenants,
} from '../schema.ts'
import { consentsFrom } from '../session/consent.ts'
import type { Purged, Retention } from '../types.ts'
import { purgeAudit, purgeRevocations } from './purge-logs.ts'

/**
 * Deletes what retention no longer keeps. Each act claims a bounded page of rows, so that two
 * brokers that purge at once delete different ones. Subjects (a `sub` is never reused) and cutoffs
 * are kept forever.
 */

const DAY = 86_400
/** A used code is kept past its expiry, so that a late second use is still recognized. */
const CODE_SECONDS = 600
const GUARD_DAYS = 30
const SIGN_IN_DAYS = 30
const DEFAULT: Retention = {
  sessionDays: 30,
  revocationDays: 90,
  auditDays: 730,
  historyDays: 90,
  addressDays: 30,
}

/**
 * Deletes one page.
 * @returns the number of rows that it looked at: `limit` where there may be more
 */
type Purge = (before: number, limit: number, now: number) => Act<number>

/**
 * Deletes the oldest rows of a table that no other act has locked.
 * @param key the columns of its primary key
 */
function oldest(
  table: Table,
  { key, index, old }: { key: Column[]; index?: string; old: (before: SQL<number>) => SQL },
) {
  const list = sql.join(key, sql`, `)
  const statement = command(
    (p: Takes<{ before: number; limit: number }>) =>
      sql`WITH page AS MATERIALIZED (SELECT ${list} FROM ${table}${index === undefined ? sql.empty() : indexedBy(index)} WHERE ${old(p.before)}
        LIMIT ${p.limit}${forUpdateSkipLocked(table)}) DELETE FROM ${table} WHERE (${list}) IN (SELECT ${names(...key)} FROM page)`,
  )
  return (before: number, limit: number): Act<number> => statement.run({ before, limit })
}

const purgeCodes = oldest(codes, {
  key: [codes.codeHash],
  index: 'codes_by_expiry',
  old: (before) => sql`${codes.expiresAt} <= ${before}`,
})
const purgeSessionEntries = oldest(sessionEntries, {
  key: [sessionEntries.clientId, sessionEntries.seq],
  index: 'session_entries_by_end',
  old: (before) => sql`${sessionEntries.until} <= ${before}`,
})
const purgeConsumed = oldest(consumed, {
  key: [consumed.purpose, consumed.idHash],
  index: 'consumed_by_expiry',
  old: (before) => sql`${consumed.expiresAt} <= ${before}`,
})
const purgePushedRequests = oldest(pushedRequests, {
  key: [pushedRequests.requestHash],
  index: 'pushed_requests_by_expiry',
  old: (before) => sql`${pushedRequests.expiresAt} <= ${before}`,
})
const purgeIdempotencyKeys = oldest(idempotencyKeys, {
  key: [idempotencyKeys.caller, idempotencyKeys.keyHash],
  index: 'idempotency_keys_by_expiry',
  old: (before) => sql`${idempotencyKeys.expiresAt} <= ${before}`,
})
const purgeFailedWork = oldest(microsoftWork, {
  key: [microsoftWork.kind, microsoftWork.tid, microsoftWork.oid],
  index: 'microsoft_work_failed',
  old: (before) =>
    sql`${microsoftWork.state} = 'failed' AND ${microsoftWork.askedAtMs} <= ${before}`,
})
/**
 * Consents to clients that were removed since. SQLite reads the left side of a CROSS JOIN first:
 * there are few clients.
 */
const purgeConsents = command(
  (p: Takes<{ limit: number }>) =>
    sql`WITH page AS MATERIALIZED (SELECT ${consents.sub}, ${consents.clientId} FROM ${clients}
        CROSS JOIN ${consents} WHERE ${consents.clientId} = ${clients.clientId} AND ${consents.at} < ${consentsFrom}
        LIMIT ${p.limit}${forUpdateSkipLocked(consents)})
      DELETE FROM ${consents} WHERE (${consents.sub}, ${consents.clientId}) IN (SELECT ${names(consents.sub, consents.clientId)} FROM page)`,
)
const removedTenants = query(
  columnsOf(tenants, 'tid'),
  (_, f) => sql`SELECT ${f} FROM ${tenants} WHERE ${tenants.removedAt} IS NOT NULL`,
)

/** Deletes work that failed long ago, and work of removed tenants. */
function* purgeMicrosoftWork(before: number, limit: number): Act<number> {
  const failed = yield* purgeFailedWork(before, limit)
  let left = limit
  for (const { tid } of yield* removedTenants.all({}))
    if (left > 0) left -= yield* dropWorkOfTenant(tid, left)
  return Math.max(failed, limit - left)
}

const purgeLocks = oldest(locks, {
  key: [locks.id],
  index: 'locks_lifted',
  old: (before) => sql`${locks.liftedAt} IS NOT NULL AND ${locks.liftedAt} <= ${before}`,
})
const purgeGuards = oldest(guards, {
  key: [guards.clientId, guards.guardId],
  old: (before) => sql`${guards.reportedAtMs} <= ${before}`,
})

const eventKey = [securityEvents.sub, securityEvents.at, securityEvents.id]
const eventKeys = sql.join(eventKey, sql`, `)
const purgeHistory = oldest(securityEvents, {
  key: eventKey,
  index: 'security_events_by_time',
  old: (before) => sql`${securityEvents.at} <= ${before}`,
})
const purgeRejectedSignIns = oldest(rejectedSignIns, {
  key: [rejectedSignIns.id],
  index: 'rejected_sign_ins_by_time',
  old: (before) => sql`${rejectedSignIns.at} <= ${before}`,
})
const purgeAcceptedSignIns = oldest(acceptedSignIns, {
  key: [acceptedSignIns.at, acceptedSignIns.tid, acceptedSignIns.clientId],
  old: (before) => sql`${acceptedSignIns.at} <= ${before}`,
})
const forgetAddresses = command(
  (p: Takes<{ before: number; limit: number }>) =>
    sql`WITH page AS MATERIALIZED (SELECT ${eventKeys} FROM ${securityEvents}${indexedBy('security_events_with_address')}
      WHERE ${securityEvents.address} IS NOT NULL AND ${securityEvents.at} <= ${p.before} LIMIT ${p.limit}${forUpdateSkipLocked(securityEvents)})
      UPDATE ${securityEvents} SET ${assign(securityEvents, { address: null })} WHERE (${eventKeys}) IN (SELECT ${names(...eventKey)} FROM page)`,
)

const oldSessions = query(
  columnsOf(sessions, 'sid'),
  (
    p: Takes<{ before: number; limit: number }>,
    f,
  ) => sql`SELECT ${f} FROM ${sessions}${indexedBy('sessions_ended')}
    WHERE ${sessions.endedSeq} IS NOT NULL AND ${sessions.endedAt} <= ${p.before} LIMIT ${p.limit}${forUpdateSkipLocked(sessions)}`,
)
const dropOfSessions = [families, participants, sessions].map((table) =>
  command(
    (p: Takes<{ sids: string }>) => sql`DELETE FROM ${table} WHERE ${isOneOf(table.sid, p.sids)}`,
  ),
)

function* purgeSessions(before: number, limit: number): Act<number> {
  const rows = yield* oldSessions.all({ before, limit })
  const sids = JSON.stringify(rows.map(({ sid }) => sid))
  if (rows.length > 0) for (const drop of dropOfSessions) yield* drop.run({ sids })
  return rows.length
}

const oldDeliveries = query(
  columnsOf(deliveries, 'id', 'seq', 'clientId', 'state'),
  (
    p: Takes<{ before: number; limit: number }>,
    f,
  ) => sql`SELECT ${f} FROM ${deliveries}${indexedBy('deliveries_settled')}
    WHERE ${deliveries.settledAtMs} <= ${p.before} LIMIT ${p.limit}${forUpdateSkipLocked(deliveries)}`,
)
const dropAttempts = command(
  (p: Takes<{ ids: string }>) =>
    sql`DELETE FROM ${deliveryAttempts} WHERE ${isOneOf(deliveryAttempts.deliveryId, p.ids)}`,
)
const dropDeliveries = command(
  (p: Takes<{ ids: string }>) =>
    sql`DELETE FROM ${deliveries} WHERE ${isOneOf(deliveries.id, p.ids)}`,
)

function* purgeDeliveries(before: number, limit: number): Act<number> {
  const rows = yield* oldDeliveries.all({ before, limit })
  if (rows.length === 0) return 0
  const ids = JSON.stringify(rows.map(({ id }) => id))
  yield* dropAttempts.run({ ids })
  yield* dropDeliveries.run({ ids })
  yield* applyCountChanges(rows.map((row) => ({ ...row, from: row.state, to: undefined })))
  return rows.length
}

/** Adapts the purge of a table whose times are milliseconds. */
const inMs =
  (purge: Purge): Purge =>
  (before, limit, now) =>
    purge(before * 1000, limit, now)

const keepDays = (days: keyof Retention) => (retention: Retention) => retention[days] * DAY
const KINDS: Record<Purged, { purge: Purge; keep: (retention: Retention) => number }> = {
  codes: { purge: purgeCodes, keep: () => CODE_SECONDS },
  consumed: { purge: purgeConsumed, keep: () => 0 },
  pushed_requests: { purge: purgePushedRequests, keep: () => 0 },
  idempotency_keys: { purge: purgeIdempotencyKeys, keep: () => 0 },
  session_entries: { purge: purgeSessionEntries, keep: () => 0 },
  sessions: { purge: purgeSessions, keep: keepDays('sessionDays') },
  deliveries: { purge: inMs(purgeDeliveries), keep: keepDays('revocationDays') },
  revocations: { purge: purgeRevocations, keep: keepDays('revocationDays') },
  microsoft_work: { purge: inMs(purgeMicrosoftWork), keep: keepDays('revocationDays') },
  audit: { purge: purgeAudit, keep: keepDays('auditDays') },
  locks: { purge: purgeLocks, keep: keepDays('auditDays') },
  guards: { purge: inMs(purgeGuards), keep: () => GUARD_DAYS * DAY },
  consents: { purge: (_, limit) => purgeConsents.run({ limit }), keep: () => 0 },
  history: { purge: purgeHistory, keep: keepDays('historyDays') },
  rejected_sign_ins: { purge: purgeRejectedSignIns, keep: () => SIGN_IN_DAYS * DAY },
  accepted_sign_ins: { purge: purgeAcceptedSignIns, keep: () => SIGN_IN_DAYS * DAY },
  addresses: {
    purge: (before, limit) => forgetAddresses.run({ before, limit }),
    keep: keepDays('addressDays'),
  },
}

/**
 * Deletes a page of one kind of data that retention no longer keeps. Looks at up to `limit` rows.
 * @returns whether there is more
 */
export function* purge({
  kind,
  now,
  limit,
  retention = DEFAULT,
}: {
  kind: Purged
  now: number
  limit: number
  retention?: Retention | undefined
}): Act<boolean> {
  const { purge: some, keep } = KINDS[kind]
  return (yield* some(now - keep(retention), limit, now)) >= limit
}
