import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { forUpdate, greatest, rowsOf } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  excluded,
  insertEach,
  names,
  query,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { inTurns, listOf, optionals } from '../engine/values.ts'
import { guards, revocations } from '../schema.ts'
import type { GuardRecord, GuardReport } from '../types.ts'
import { reportGuardLeases } from './guard-leases.ts'
import { logHeadRow } from './head.ts'

/**
 * How far each guard has come. Reports of another epoch are ignored, because their numbers belong
 * to another log.
 */

/**
 * The most revocations that one report reaches. A guard that was away for long gives no information
 * about its speed.
 */
const REACHED = 100
/**
 * The most guards that are kept for a client, the latest ones: each start of a process may bring a
 * new name.
 */
const GUARDS = 1000

const guardFields = {
  ...columnsOf(guards, 'clientId', 'guardId', 'epoch', 'enforcedSeq', 'reportedAtMs'),
  ...columnsOf(guards, 'version', 'withoutLease', 'leasesRunOut', 'leaseRanOutAtMs'),
  ...columnsOf(guards, 'clockOffsetSeconds', 'clockDriftPpm', 'everySeconds', 'sessions'),
}

type Guard = { clientId: string; guardId: string }
const isGuard = (p: Takes<Guard>) =>
  sql`${guards.clientId} = ${p.clientId} AND ${guards.guardId} = ${p.guardId}`

// A fixed order, so that two brokers that record the same guards cannot deadlock.
const known = query(
  columnsOf(guards, 'clientId', 'guardId', 'epoch', 'enforcedSeq', 'leasesRunOut'),
  (p: Takes<{ list: string }>, f) => {
    const { rows, row } = rowsOf(p.list, { clientId: 'text', guardId: 'text' })
    return sql`SELECT ${f} FROM ${rows} JOIN ${guards} ON ${isGuard(row)} ORDER BY ${guards.clientId}, ${guards.guardId}${forUpdate(guards)}`
  },
)
const NUMBERS = {
  enforcedSeq: 'bigint',
  reportedAtMs: 'bigint',
  clockOffsetSeconds: 'bigint',
  leasesRunOut: 'bigint',
  leaseRanOutAtMs: 'bigint',
  clockDriftPpm: 'bigint',
  everySeconds: 'bigint',
  sessions: 'bigint',
} as const
const sameEpoch = sql`${guards.epoch} = ${excluded(guards.epoch)}`
const REPORTED = [
  ...(['reportedAtMs', 'version', 'withoutLease', 'leasesRunOut'] as const),
  ...(['clockOffsetSeconds', 'clockDriftPpm', 'everySeconds', 'sessions'] as const),
]
const report = command((p: Takes<{ list: string }>) => {
  const { rows, row } = rowsOf(p.list, {
    clientId: 'text',
    guardId: 'text',
    epoch: 'text',
    version: 'text',
    withoutLease: 'text',
    ...NUMBERS,
  })
  const reported = REPORTED.map((name) => [name, excluded(guards[name])])
  return sql`${insertEach(guards, row, rows)} ON CONFLICT (${names(guards.clientId, guards.guardId)}) DO UPDATE SET ${assign(
    guards,
    {
      ...Object.fromEntries(reported),
      enforcedSeq: sql`CASE WHEN ${sameEpoch} THEN ${greatest(sql`${guards.enforcedSeq}`, excluded(guards.enforcedSeq))} ELSE ${excluded(guards.enforcedSeq)} END`,
      leaseRanOutAtMs: sql`coalesce(${excluded(guards.leaseRanOutAtMs)}, ${guards.leaseRanOutAtMs})`,
      epoch: excluded(guards.epoch),
    },
  )}`
})
type Heard = Guard & Pick<GuardReport, 'epoch' | 'reportedAtMs'>
const hear = command((p: Takes<{ list: string }>) => {
  const { rows, row } = rowsOf(p.list, {
    clientId: 'text',
    guardId: 'text',
    reportedAtMs: 'bigint',
  })
  return sql`UPDATE ${guards} SET ${assign(guards, { reportedAtMs: row.reportedAtMs })} FROM ${rows}
    WHERE ${isGuard(row)} AND ${guards.reportedAtMs} < ${row.reportedAtMs}`
})
const forgetOldest = command(
  (p: Takes<{ clientId: string }>) =>
    sql`DELETE FROM ${guards} WHERE ${guards.clientId} = ${p.clientId} AND (${guards.reportedAtMs}, ${guards.guardId}) <=
      (SELECT ${guards.reportedAtMs}, ${guards.guardId} FROM ${guards} WHERE ${guards.clientId} = ${p.clientId}
        ORDER BY ${guards.reportedAtMs} DESC, ${guards.guardId} DESC LIMIT 1 OFFSET ${sql.raw(String(GUARDS))})`,
)
const entryFields = columnsOf(revocations, 'seq', 'atMs')
type Entry = RowOf<typeof entryFields>
type Reached = Entry & { clientId: string; reportedAtMs: number }
const between = query(
  entryFields,
  (p: Takes<{ after: number; to: number }>, f) =>
    sql`SELECT ${f} FROM ${revocations} WHERE ${revocations.seq} > ${p.after} AND ${revocations.seq} <= ${p.to}
      ORDER BY ${revocations.seq} DESC LIMIT ${sql.raw(String(REACHED))}`,
)
const all = query(
  guardFields,
  (_, f) => sql`SELECT ${f} FROM ${guards} ORDER BY ${guards.clientId}, ${guards.guardId}`,
)

interface Judged {
  input: GuardReport
  /** The seq that the guard had reported before in this epoch. */
  from: number | undefined
  seq: number
  /** Times that its lease ran out since its last report. */
  ranOut: number
}

const rowOf = ({ input, seq, ranOut }: Judged) => ({
  ...input,
  enforcedSeq: seq,
  leaseRanOutAtMs: ranOut > 0 ? input.reportedAtMs : undefined,
  sessions: input.sessions === undefined ? undefined : Number(input.sessions),
})

/** Records one report of each guard, and removes guards above the limit of their client. */
function* record(reports: readonly GuardReport[], head: number): Act<Judged[]> {
  const before = new Map(
    (yield* known.all({
      list: listOf(reports.map(({ clientId, guardId }) => ({ clientId, guardId }))),
    })).map((row) => [nameOf(row), row]),
  )
  const judged = reports.map((input): Judged => {
    const row = before.get(nameOf(input))
    const from = row?.epoch === input.epoch ? row.enforcedSeq : undefined
    const seq = Math.max(from ?? 0, Math.min(input.enforcedSeq, head))
    const [ranOut, counted] = [input.leasesRunOut ?? 0, row?.leasesRunOut ?? 0]
    // A guard that was started again counts from 0.
    return { input, from, seq, ranOut: ranOut < counted ? ranOut : ranOut - counted }
  })
  yield* report.run({ list: listOf(judged.map(rowOf)) })
  yield* reportGuardLeases(
    judged.flatMap(({ input: { clientId, streams = [], reportedAtMs: atMs }, seq }) =>
      streams.map((stream) => ({ stream, clientId, seq, atMs })),
    ),
  )
  const news = reports.filter((guardReport) => !before.has(nameOf(guardReport)))
  for (const clientId of new Set(news.map((guardReport) => guardReport.clientId)))
    yield* forgetOldest.run({ clientId })
  return judged
}

/**
 * Returns the revocations that this report newly reached.
 * @param read the log entries already read, by range: guards that report together mostly share it
 */
function* reachedBy({ from, seq }: Judged, read: Map<string, Entry[]>): Act<Entry[]> {
  // A guard's first report shows where it started, not what it has just reached.
  if (from === undefined || from >= seq) return []
  const key = `${from} ${seq}`
  const reached = read.get(key) ?? (yield* between.all({ after: from, to: seq })).reverse()
  read.set(key, reached)
  return reached
}

/**
 * Records what guards enforce, many reports in one transaction. A guard's seq only rises within an
 * epoch. Where all reports start from the same seq, it runs about as many statements as for one
 * report.
 * @returns the revocations that each guard reached with its report, and how often leases ran out
 */
export function* recordEnforced(...reports: GuardReport[]): Act<{
  reached: Reached[]
  ranOut: { clientId: string; times: number }[]
}> {
  const log = yield* logHeadRow()
  const reached: Reached[] = []
  const ranOut: { clientId: string; times: number }[] = []
  const read = new Map<string, Entry[]>()
  const ofThisLog = reports.filter(({ epoch }) => epoch === log.epoch).toSorted(byName)
  for (const turn of inTurns(ofThisLog, nameOf))
    for (const judged of yield* record(turn, log.seq)) {
      const { clientId, reportedAtMs } = judged.input
      if (judged.ranOut > 0) ranOut.push({ clientId, times: judged.ranOut })
      const entries = yield* reachedBy(judged, read)
      reached.push(...entries.map((entry) => ({ ...entry, clientId, reportedAtMs })))
    }
  return { reached, ranOut }
}

/**
 * Records when guards were last heard that have nothing new to report. Returns those whose row is
 * of this log still; the others have to report everything again.
 */
export function* hearGuards(heard: Heard[]): Act<Guard[]> {
  const list = listOf(
    heard.map(({ clientId, guardId, reportedAtMs }) => ({ clientId, guardId, reportedAtMs })),
  )
  const rows = yield* known.all({ list })
  yield* hear.run({ list })
  const epochs = new Map(heard.map((guard) => [nameOf(guard), guard.epoch]))
  return rows.filter((row) => epochs.get(nameOf(row)) === row.epoch)
}

/** Returns a key for a guard. The names of guards have no space. */
export const nameOf = ({ clientId, guardId }: Guard): string => `${guardId} ${clientId}`
const byName = (a: GuardReport, b: GuardReport): number =>
  compare(a.clientId, b.clientId) || compare(a.guardId, b.guardId)
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

export function* guardReports(): Act<GuardRecord[]> {
  return (yield* all.all({})).map(optionals).map(({ sessions, ...row }) => ({
    ...row,
    sessions: sessions === undefined ? undefined : sessions === 1,
  }))
}
