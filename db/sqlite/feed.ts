import { setImmediate as turn } from 'node:timers/promises'
import type { FeedActs, ReachedRevocation } from '../store.ts'
import type { GuardReport, GuardStaleness, Revocation } from '../types.ts'
import { optional, type Core } from './core.ts'
import { feedFloor, LOOKED_AT } from './feed-floor.ts'
import { revocationOf } from './log.ts'
import type { RevocationLog, RevocationRow } from './log.ts'

/** The log as guards follow it, and how far each has come. It refuses reports of another epoch: their numbers mean something else. */

/** Revocations that one report tells of at most: a guard that was away long says nothing about how fast it is. */
const REACHED = 100
/** Names that a client may have for its guards, the latest: each start of a process may make a new one. */
const GUARDS = 1000

interface GuardRow {
  client_id: string
  guard_id: string
  epoch: string
  enforced_seq: number
  reported_at_ms: number
  first_seen_at_ms: number
  first_seq: number
  leap_seq: number
  leap_at_ms: number
  version: string | null
  staleness: string | null
  clock_offset_seconds: number | null
}

/** Rows of the log, both ends included. */
interface Range {
  from: number
  to: number
  atMs: number
}

export function feedActs({ db, write, read }: Core, log: RevocationLog): FeedActs {
  const floor = feedFloor({ db }, log)
  const after = db.prepare<[number, number, number, number], RevocationRow>(
    'SELECT * FROM revocations WHERE seq > ? AND seq <= ? AND at >= ? ORDER BY seq LIMIT ?',
  )
  const known = db.prepare<[string, string], GuardRow>('SELECT * FROM guards WHERE client_id = ? AND guard_id = ?')
  const report = db.prepare(`INSERT INTO guards
    (client_id, guard_id, epoch, enforced_seq, reported_at_ms, first_seen_at_ms, first_seq, version, staleness, clock_offset_seconds)
    VALUES (@clientId, @guardId, @epoch, @seq, @reportedAtMs, @firstSeenAtMs, @seq, @version, @staleness, @clockOffsetSeconds)
    ON CONFLICT DO UPDATE SET enforced_seq = excluded.enforced_seq, reported_at_ms = excluded.reported_at_ms, version = excluded.version,
      staleness = excluded.staleness, clock_offset_seconds = excluded.clock_offset_seconds,
      first_seq = iif(epoch = excluded.epoch, first_seq, excluded.first_seq), epoch = excluded.epoch`)
  const leap = db.prepare<[number, number, string, string]>('UPDATE guards SET leap_seq = ?, leap_at_ms = ? WHERE client_id = ? AND guard_id = ?')
  const forgetOldest = db.prepare<[string]>(`DELETE FROM guards WHERE rowid IN
    (SELECT rowid FROM guards WHERE client_id = ? ORDER BY reported_at_ms DESC, rowid DESC LIMIT -1 OFFSET ${GUARDS})`)
  const between = db.prepare<[number, number], { seq: number; at: number; atMs: number }>(
    `SELECT seq, at, at_ms AS atMs FROM revocations WHERE seq > ? AND seq <= ? ORDER BY seq DESC LIMIT ${REACHED}`,
  )
  // Of those that it tells of; a later guard's word is the later one.
  const markEnforced = db.prepare<[number, number, number]>('UPDATE revocations SET enforced_at_ms = ? WHERE seq >= ? AND seq <= ?')
  const all = db.prepare<[], GuardRow>('SELECT * FROM guards ORDER BY client_id, guard_id')

  const apply = (input: GuardReport, marks: Range[]): ReachedRevocation[] => {
    const { clientId, guardId, epoch, enforcedSeq, reportedAtMs } = input
    if (epoch !== log.epoch()) return []
    const before = known.get(clientId, guardId)
    const from = before?.epoch === epoch ? before.enforced_seq : undefined
    const seq = Math.max(from ?? 0, Math.min(enforcedSeq, log.head()))
    report.run({
      clientId,
      guardId,
      epoch,
      seq,
      reportedAtMs,
      firstSeenAtMs: Math.min(input.connectedAtMs ?? reportedAtMs, reportedAtMs),
      version: input.version ?? null,
      staleness: input.staleness === undefined ? null : JSON.stringify(input.staleness),
      clockOffsetSeconds: input.clockOffsetSeconds ?? null,
    })
    if (before === undefined) forgetOldest.run(clientId)
    // A guard's first report says where it begins, not what it has just reached.
    const reached = from === undefined ? [] : between.all(from, seq).reverse()
    const [first] = reached
    if (first !== undefined && from !== undefined && first.seq > from + 1) leap.run(first.seq - 1, reportedAtMs, clientId, guardId)
    if (first !== undefined) marks.push({ from: first.seq, to: seq, atMs: reportedAtMs })
    return reached.map((one) => ({ ...one, clientId, reportedAtMs }))
  }
  /** A thousand guards that reached the same revocations rewrite their rows once. */
  const applyAll = (reports: readonly GuardReport[]) => {
    const marks: Range[] = []
    const reached = reports.flatMap((one) => apply(one, marks))
    for (const { from, to, atMs } of merged(marks)) markEnforced.run(atMs, from, to)
    return { reached }
  }

  /** Each turn of the event loop looks at a bounded number of rows, also where many of them are too old. */
  const revocationsAfter: FeedActs['revocationsAfter'] = async ({ after: seq, since, limit }) => {
    const found: Revocation[] = []
    for (let from = seq; ;) {
      const atEnd = await read(() => {
        from = Math.max(from, floor.advanced(since, from))
        found.push(...after.all(from, from + LOOKED_AT, since, limit - found.length).map(revocationOf))
        from += LOOKED_AT
        return from >= log.head()
      })
      if (atEnd || found.length >= limit) return found
      await turn()
    }
  }

  return {
    head: () => read(() => ({ epoch: log.epoch(), seq: log.head() })),
    revocationsAfter,
    recordEnforced: (...reports) => write(() => applyAll(reports)),
    guardReports: () =>
      read(() =>
        all.all().map((row) => ({
          clientId: row.client_id,
          guardId: row.guard_id,
          epoch: row.epoch,
          enforcedSeq: row.enforced_seq,
          reportedAtMs: row.reported_at_ms,
          firstSeenAtMs: row.first_seen_at_ms,
          firstSeq: row.first_seq,
          leap: { seq: row.leap_seq, atMs: row.leap_at_ms },
          version: optional(row.version),
          staleness: row.staleness === null ? undefined : (JSON.parse(row.staleness) as GuardStaleness),
          clockOffsetSeconds: optional(row.clock_offset_seconds),
        })),
      ),
  }
}

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
