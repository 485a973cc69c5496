import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { forUpdate, greatest } from '../engine/dialect.ts'
import { assign, columnsOf, command, excluded, insertInto, names, query } from '../engine/statement.ts'
import type { RowOf, Takes } from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { guards, revocations } from '../schema.ts'
import type { ReachedRevocation } from '../store.ts'
import type { GuardRecord, GuardReport, GuardStaleness } from '../types.ts'
import { logHeadRow } from './log.ts'

/** How far each guard has come. It refuses reports of another epoch: their numbers mean something else. */

/** Revocations that one report tells of at most: a guard that was away long says nothing about how fast it is. */
const REACHED = 100
/** Names that a client may have for its guards, the latest: each start of a process may make a new one. */
const GUARDS = 1000

const guardFields = {
  ...columnsOf(guards, 'clientId', 'guardId', 'epoch', 'enforcedSeq', 'reportedAtMs', 'firstSeenAtMs', 'firstSeq', 'leapSeq', 'leapAtMs'),
  ...columnsOf(guards, 'version', 'staleness', 'clockOffsetSeconds'),
}

type Guard = Takes<{ clientId: string; guardId: string }>
const isGuard = (p: Guard) => sql`${guards.clientId} = ${p.clientId} AND ${guards.guardId} = ${p.guardId}`

const known = query(
  columnsOf(guards, 'epoch', 'enforcedSeq'),
  (p: Takes<{ clientId: string; guardId: string }>, f) => sql`SELECT ${f} FROM ${guards} WHERE ${isGuard(p)}${forUpdate(guards)}`,
)
interface NewReport {
  clientId: string
  guardId: string
  epoch: string
  seq: number
  reportedAtMs: number
  firstSeenAtMs: number
  version: string | null
  staleness: string | null
  clockOffsetSeconds: number | null
}
const sameEpoch = sql`${guards.epoch} = ${excluded(guards.epoch)}`
const report = command((p: Takes<{ [K in keyof NewReport]: NewReport[K] }>) => {
  const { clientId, guardId, epoch, seq, reportedAtMs, firstSeenAtMs, version, staleness, clockOffsetSeconds } = p
  const said = { reportedAtMs, version, staleness, clockOffsetSeconds }
  return sql`${insertInto(guards, { clientId, guardId, epoch, enforcedSeq: seq, firstSeenAtMs, firstSeq: seq, ...said })}
    ON CONFLICT (${names(guards.clientId, guards.guardId)}) DO UPDATE SET ${assign(guards, {
      ...Object.fromEntries(Object.keys(said).map((name) => [name, excluded(guards[name as keyof typeof said])])),
      enforcedSeq: sql`CASE WHEN ${sameEpoch} THEN ${greatest(sql`${guards.enforcedSeq}`, excluded(guards.enforcedSeq))} ELSE ${excluded(guards.enforcedSeq)} END`,
      firstSeq: sql`CASE WHEN ${sameEpoch} THEN ${guards.firstSeq} ELSE ${excluded(guards.firstSeq)} END`,
      epoch: excluded(guards.epoch),
    })}`
})
const leap = command(
  (p: Takes<{ clientId: string; guardId: string; seq: number; atMs: number }>) =>
    sql`UPDATE ${guards} SET ${assign(guards, { leapSeq: p.seq, leapAtMs: p.atMs })} WHERE ${isGuard(p)}`,
)
const forgetOldest = command(
  (p: Takes<{ clientId: string }>) =>
    sql`DELETE FROM ${guards} WHERE ${guards.clientId} = ${p.clientId} AND (${guards.reportedAtMs}, ${guards.guardId}) <=
      (SELECT ${guards.reportedAtMs}, ${guards.guardId} FROM ${guards} WHERE ${guards.clientId} = ${p.clientId}
        ORDER BY ${guards.reportedAtMs} DESC, ${guards.guardId} DESC LIMIT 1 OFFSET ${sql.raw(String(GUARDS))})`,
)
const between = query(
  columnsOf(revocations, 'seq', 'at', 'atMs'),
  (p: Takes<{ after: number; to: number }>, f) =>
    sql`SELECT ${f} FROM ${revocations} WHERE ${revocations.seq} > ${p.after} AND ${revocations.seq} <= ${p.to}
      ORDER BY ${revocations.seq} DESC LIMIT ${sql.raw(String(REACHED))}`,
)
// Of those that it tells of; a later guard's word is the later one.
const markEnforced = command(
  (p: Takes<{ from: number; to: number; atMs: number }>) =>
    sql`UPDATE ${revocations} SET ${assign(revocations, { enforcedAtMs: p.atMs })}
      WHERE ${revocations.seq} >= ${p.from} AND ${revocations.seq} <= ${p.to}`,
)
const all = query(guardFields, (_, f) => sql`SELECT ${f} FROM ${guards} ORDER BY ${guards.clientId}, ${guards.guardId}`)

/** Rows of the log, both ends included. */
interface Range {
  from: number
  to: number
  atMs: number
}

function* record(input: GuardReport, log: { epoch: string; seq: number }, marks: Range[]): Act<ReachedRevocation[]> {
  const { clientId, guardId, epoch, enforcedSeq, reportedAtMs } = input
  if (epoch !== log.epoch) return []
  const before = yield* known.get({ clientId, guardId })
  const from = before?.epoch === epoch ? before.enforcedSeq : undefined
  const seq = Math.max(from ?? 0, Math.min(enforcedSeq, log.seq))
  yield* report.run({
    ...{ clientId, guardId, epoch, seq, reportedAtMs },
    firstSeenAtMs: Math.min(input.connectedAtMs ?? reportedAtMs, reportedAtMs),
    version: input.version ?? null,
    staleness: input.staleness === undefined ? null : JSON.stringify(input.staleness),
    clockOffsetSeconds: input.clockOffsetSeconds ?? null,
  })
  if (before === undefined) yield* forgetOldest.run({ clientId })
  // A guard's first report says where it begins, not what it has just reached.
  const reached = from === undefined ? [] : (yield* between.all({ after: from, to: seq })).reverse()
  const [first] = reached
  if (first !== undefined && from !== undefined && first.seq > from + 1)
    yield* leap.run({ clientId, guardId, seq: first.seq - 1, atMs: reportedAtMs })
  if (first !== undefined) marks.push({ from: first.seq, to: seq, atMs: reportedAtMs })
  return reached.map((one) => ({ ...one, clientId, reportedAtMs }))
}

/** A thousand guards that reached the same revocations rewrite their rows once. */
export function* recordEnforced(reports: readonly GuardReport[]): Act<{ reached: ReachedRevocation[] }> {
  const log = yield* logHeadRow()
  const marks: Range[] = []
  const reached: ReachedRevocation[] = []
  // In one order everywhere, so that two brokers that record the same guards do not wait for each other.
  for (const one of reports.toSorted(byName)) reached.push(...(yield* record(one, log, marks)))
  for (const range of merged(marks)) yield* markEnforced.run({ ...range })
  return { reached }
}

const byName = (a: GuardReport, b: GuardReport): number => compare(a.clientId, b.clientId) || compare(a.guardId, b.guardId)
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Overlapping and adjoining ranges as one, with the latest time. */
function merged(ranges: readonly Range[]): Range[] {
  const out: Range[] = []
  for (const range of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = out.at(-1)
    if (last === undefined || range.from > last.to + 1) out.push({ ...range })
    else {
      last.to = Math.max(last.to, range.to)
      last.atMs = Math.max(last.atMs, range.atMs)
    }
  }
  return out
}

const recordOf = (row: RowOf<typeof guardFields>): GuardRecord => ({
  clientId: row.clientId,
  guardId: row.guardId,
  epoch: row.epoch,
  enforcedSeq: row.enforcedSeq,
  reportedAtMs: row.reportedAtMs,
  firstSeenAtMs: row.firstSeenAtMs,
  firstSeq: row.firstSeq,
  leap: { seq: row.leapSeq, atMs: row.leapAtMs },
  version: optional(row.version),
  staleness: row.staleness === null ? undefined : (JSON.parse(row.staleness) as GuardStaleness),
  clockOffsetSeconds: optional(row.clockOffsetSeconds),
})

export function* guardReports(): Act<GuardRecord[]> {
  return (yield* all.all({})).map(recordOf)
}
