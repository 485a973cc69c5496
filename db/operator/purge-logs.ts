import { sql } from 'drizzle-orm'
import type { LogName } from '../../src/protocol/evidence-chain.ts'
import type { Act } from '../engine/act.ts'
import { indexedBy } from '../engine/dialect.ts'
import { columnsOf, command, query, type Takes } from '../engine/statement.ts'
import {
  audit,
  auditOutcomes,
  auditSalts,
  chainSignatures,
  deliveries,
  enforcements,
  guardLeases,
  revocations,
  revocationTotals,
} from '../schema.ts'

/**
 * Retention of the two logs. Each is cut only from its old end, at a signed head, so that what is
 * left verifies from there. Two brokers may purge at once without a claim, because an old row stays
 * old whatever is committed meanwhile.
 */

const signedBefore = query(
  columnsOf(chainSignatures, 'number'),
  (p: Takes<{ log: LogName; before: number; needed: number }>, f) =>
    sql`SELECT ${f} FROM ${chainSignatures} WHERE ${chainSignatures.log} = ${p.log} AND ${chainSignatures.at} <= ${p.before}
      AND ${chainSignatures.number} < ${p.needed} ORDER BY ${chainSignatures.at} DESC, ${chainSignatures.number} DESC LIMIT 1`,
)
const forgetSignatures = command(
  (p: Takes<{ log: LogName; number: number }>) =>
    sql`DELETE FROM ${chainSignatures} WHERE ${chainSignatures.log} = ${p.log} AND ${chainSignatures.number} < ${p.number}`,
)

/**
 * Returns the number up to which a log may be cut, which is a signed head before `needed`; 0 where
 * there is none. Deletes older signatures.
 */
function* cut(log: LogName, before: number, needed: number): Act<number> {
  const number = (yield* signedBefore.get({ log, before, needed }))?.number
  if (number === undefined) return 0
  yield* forgetSignatures.run({ log, number })
  return number
}

/** Returns the last of the old rows at the beginning of the list, and how many they are. */
function lastOld<T>(
  rows: readonly T[],
  isOld: (row: T) => boolean,
): { last: T | undefined; count: number } {
  const kept = rows.findIndex((row) => !isOld(row))
  const count = kept === -1 ? rows.length : kept
  return { last: rows[count - 1], count }
}

const oldestRevocations = query(
  columnsOf(revocations, 'seq', 'at', 'fanOut', 'sessionsUntil'),
  (p: Takes<{ limit: number }>, f) =>
    sql`SELECT ${f} FROM ${revocations} ORDER BY ${revocations.seq} LIMIT ${p.limit}`,
)
type Oldest = Pick<typeof revocations.$inferSelect, 'seq' | 'at' | 'fanOut' | 'sessionsUntil'>
const firstDelivered = query(
  { seq: sql<number>`${deliveries.seq}` },
  (_, f) =>
    sql`SELECT ${f} FROM ${deliveries}${indexedBy('deliveries_by_seq')} WHERE ${deliveries.seq} > 0 ORDER BY ${deliveries.seq} LIMIT 1`,
)
const dropRevocations = [
  revocations.seq,
  revocationTotals.seq,
  enforcements.seq,
  guardLeases.lastSeq,
].map((seq) =>
  command((p: Takes<{ seq: number }>) => sql`DELETE FROM ${seq.table} WHERE ${seq} <= ${p.seq}`),
)

/**
 * Deletes old revocations. A revocation that still has deliveries, or can still end an instance's
 * own session, is kept, with all after it.
 */
export function* purgeRevocations(before: number, limit: number, now: number): Act<number> {
  const needed = (yield* firstDelivered.get({}))?.seq ?? Number.MAX_SAFE_INTEGER
  const upTo = yield* cut('revocations', before, needed)
  const isOld = ({ seq, at, fanOut, sessionsUntil }: Oldest) =>
    at <= before &&
    fanOut === 'complete' &&
    seq < needed &&
    seq <= upTo &&
    (sessionsUntil ?? 0) <= now
  const { last, count } = lastOld(yield* oldestRevocations.all({ limit }), isOld)
  if (last !== undefined) for (const drop of dropRevocations) yield* drop.run({ seq: last.seq })
  return count
}

const oldestAudit = query(
  columnsOf(audit, 'id', 'atMs'),
  (p: Takes<{ limit: number }>, f) =>
    sql`SELECT ${f} FROM ${audit} ORDER BY ${audit.id} LIMIT ${p.limit}`,
)
const dropAudit = [audit, auditOutcomes, auditSalts].map((table) =>
  command((p: Takes<{ id: number }>) => sql`DELETE FROM ${table} WHERE ${table.id} <= ${p.id}`),
)

/**
 * Deletes old entries in the order of their ids: a trigger rejects any other. An entry with an
 * earlier time than those before it waits for them.
 */
export function* purgeAudit(before: number, limit: number): Act<number> {
  const upTo = yield* cut('audit', before, Number.MAX_SAFE_INTEGER)
  const { last, count } = lastOld(
    yield* oldestAudit.all({ limit }),
    ({ id, atMs }) => atMs <= before * 1000 && id <= upTo,
  )
  if (last !== undefined) for (const drop of dropAudit) yield* drop.run({ id: last.id })
  return count
}
