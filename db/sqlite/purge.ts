import type { Housekeeping } from '../store.ts'
import type { DeliveryState } from '../types.ts'
import type { Core } from './core.ts'
import type { FanOut } from './fan-out.ts'

/** Deletes what retention no longer wants, a bounded number of each kind at a time. It leaves subjects (a `sub` is never reused) and cutoffs. */

const DAY = 86_400
const RETENTION = {
  /** A used code is remembered past its end, so that a late second use is still known for one. */
  code: 600,
  guard: 30 * DAY,
}
const DEFAULT = { sessionDays: 30, revocationDays: 90, auditDays: 730 }
type Retention = typeof DEFAULT

/** What is good once or for a minute: it comes from strangers too, so it goes as soon as it has expired. */
export function purgingOneTime({ db, write }: Core): Housekeeping['purgeOneTime'] {
  const statements = [
    { sql: 'DELETE FROM codes WHERE rowid IN (SELECT rowid FROM codes WHERE expires_at <= ? LIMIT ?)', keep: RETENTION.code },
    { sql: 'DELETE FROM consumed WHERE rowid IN (SELECT rowid FROM consumed WHERE expires_at <= ? LIMIT ?)', keep: 0 },
    { sql: 'DELETE FROM pushed_requests WHERE rowid IN (SELECT rowid FROM pushed_requests WHERE expires_at <= ? LIMIT ?)', keep: 0 },
  ].map(({ sql, keep }) => ({ statement: db.prepare<[number, number]>(sql), keep }))
  return ({ now, limit }) =>
    write(() => statements.map(({ statement, keep }) => statement.run(now - keep, limit).changes).some((rows) => rows >= limit))
}

export function purging({ db, write }: Core, { moved }: FanOut): Housekeeping['purge'] {
  const guards = db.prepare<[number, number]>('DELETE FROM guards WHERE rowid IN (SELECT rowid FROM guards WHERE reported_at_ms / 1000 <= ? LIMIT ?)')
  // From its old end, like the audit log: what is left is the end of the chain of hashes, whole.
  const oldest = db.prepare<[number, number], { seq: number; old: number }>(`SELECT r.seq, (r.at <= ? AND r.fan_out = 'complete'
    AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.seq = r.seq)) AS old FROM revocations r ORDER BY r.seq LIMIT ?`)
  const ofRevocation = ['revocations', 'revocation_totals'].map((table) => db.prepare<[number]>(`DELETE FROM ${table} WHERE seq <= ?`))
  const microsoftWork = db.prepare<[number, number]>(`DELETE FROM microsoft_work WHERE rowid IN (SELECT rowid FROM microsoft_work
    WHERE state = 'failed' AND asked_at_ms / 1000 <= ? LIMIT ?)`)
  const oldSessions = db.prepare<[number, number], string>('SELECT sid FROM sessions WHERE ended_seq IS NOT NULL AND ended_at <= ? LIMIT ?').pluck()
  const ofSession = ['families', 'participants', 'sessions'].map((table) => db.prepare<[string]>(`DELETE FROM ${table} WHERE sid = ?`))

  type Old = { id: string; seq: number | null; client_id: string; state: DeliveryState }
  const oldDeliveries = db.prepare<[number, number], Old>('SELECT id, seq, client_id, state FROM deliveries WHERE settled_at_ms <= ? LIMIT ?')
  const dropAttempts = db.prepare<[string]>('DELETE FROM delivery_attempts WHERE delivery_id = ?')
  const dropDelivery = db.prepare<[string]>('DELETE FROM deliveries WHERE id = ?')

  // From its old end, in the order of its ids: its trigger refuses anything else.
  const oldAudit = db.prepare<[number, number], number>('SELECT id FROM audit WHERE at_ms <= ? ORDER BY id LIMIT ?').pluck()
  const dropAudit = ['audit', 'audit_outcomes'].map((table) => db.prepare<[number]>(`DELETE FROM ${table} WHERE id <= ?`))

  const purgeAudit = (before: number, limit: number): number => {
    const ids = oldAudit.all(before * 1000, limit)
    const last = ids.at(-1)
    if (last !== undefined) for (const statement of dropAudit) statement.run(last)
    return ids.length
  }

  const purgeRevocations = (before: number, limit: number): number => {
    const rows = oldest.all(before, limit)
    const kept = rows.findIndex(({ old }) => old === 0)
    const going = kept === -1 ? rows : rows.slice(0, kept)
    const last = going.at(-1)
    if (last !== undefined) for (const statement of ofRevocation) statement.run(last.seq)
    return going.length
  }

  const dropOne = (row: Old): void => {
    dropAttempts.run(row.id)
    if (dropDelivery.run(row.id).changes === 1) moved(row, row.state, undefined)
  }

  const purgeSessions = (before: number, limit: number): number => {
    const sids = oldSessions.all(before, limit)
    for (const sid of sids) for (const statement of ofSession) statement.run(sid)
    return sids.length
  }

  const purgeDeliveries = (before: number, limit: number): number => {
    const rows = oldDeliveries.all(before * 1000, limit)
    for (const row of rows) dropOne(row)
    return rows.length
  }

  return ({ now, limit, retention = DEFAULT }) =>
    write(() => {
      const before = (days: keyof Retention): number => now - retention[days] * DAY
      // Deliveries first: a revocation goes when nothing is kept of what it owed.
      const deleted = [
        purgeSessions(before('sessionDays'), limit),
        purgeDeliveries(before('revocationDays'), limit),
        purgeRevocations(before('revocationDays'), limit),
        microsoftWork.run(before('revocationDays'), limit).changes,
        purgeAudit(before('auditDays'), limit),
        guards.run(now - RETENTION.guard, limit).changes,
      ]
      return deleted.some((rows) => rows >= limit)
    })
}
