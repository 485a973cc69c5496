import type { FeedActs } from '../store.ts'
import type { GuardReport } from '../types.ts'
import type { Core } from './core.ts'
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
}

export function feedActs({ db, write, read }: Core, log: RevocationLog): FeedActs {
  const firstSince = db.prepare<[number], number | null>('SELECT min(seq) FROM revocations WHERE at >= ?').pluck()
  const after = db.prepare<[number, number, number], RevocationRow>('SELECT * FROM revocations WHERE seq > ? AND at >= ? ORDER BY seq LIMIT ?')
  const known = db.prepare<[string, string], GuardRow>('SELECT * FROM guards WHERE client_id = ? AND guard_id = ?')
  const report = db.prepare(`INSERT INTO guards (client_id, guard_id, epoch, enforced_seq, reported_at_ms)
    VALUES (@clientId, @guardId, @epoch, @seq, @reportedAtMs)
    ON CONFLICT DO UPDATE SET epoch = excluded.epoch, enforced_seq = excluded.enforced_seq, reported_at_ms = excluded.reported_at_ms`)
  const forgetOldest = db.prepare<[string]>(`DELETE FROM guards WHERE rowid IN
    (SELECT rowid FROM guards WHERE client_id = ? ORDER BY reported_at_ms DESC, rowid DESC LIMIT -1 OFFSET ${GUARDS})`)
  const between = db.prepare<[number, number], { seq: number; at: number; atMs: number }>(
    `SELECT seq, at, at_ms AS atMs FROM revocations WHERE seq > ? AND seq <= ? ORDER BY seq DESC LIMIT ${REACHED}`,
  )
  // Of those that it tells of; a later guard's word is the later one.
  const markEnforced = db.prepare<[number, number, number]>('UPDATE revocations SET enforced_at_ms = ? WHERE seq >= ? AND seq <= ?')
  const all = db.prepare<[], GuardRow>('SELECT * FROM guards ORDER BY client_id, guard_id')

  const apply = ({ clientId, guardId, epoch, enforcedSeq, reportedAtMs }: GuardReport) => {
    if (epoch !== log.epoch()) return { reached: [] }
    const before = known.get(clientId, guardId)
    const from = before?.epoch === epoch ? before.enforced_seq : undefined
    const seq = Math.max(from ?? 0, Math.min(enforcedSeq, log.head()))
    report.run({ clientId, guardId, epoch, seq, reportedAtMs })
    if (before === undefined) forgetOldest.run(clientId)
    // A guard's first report says where it begins, not what it has just reached.
    const reached = from === undefined ? [] : between.all(from, seq).reverse()
    const [first] = reached
    if (first !== undefined) markEnforced.run(reportedAtMs, first.seq, seq)
    return { reached }
  }

  return {
    head: () => read(() => ({ epoch: log.epoch(), seq: log.head() })),
    revocationsAfter: ({ after: seq, since, limit }) =>
      read(() => {
        const first = firstSince.get(since)
        return typeof first === 'number' ? after.all(Math.max(seq, first - 1), since, limit).map(revocationOf) : []
      }),
    recordEnforced: (input) => write(() => apply(input)),
    guardReports: () =>
      read(() =>
        all.all().map((row) => ({
          clientId: row.client_id,
          guardId: row.guard_id,
          epoch: row.epoch,
          enforcedSeq: row.enforced_seq,
          reportedAtMs: row.reported_at_ms,
        })),
      ),
  }
}
