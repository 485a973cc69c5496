import type { Housekeeping, Purged, Retention } from '../store.ts'
import type { DeliveryState } from '../types.ts'
import type { LogName } from '../../src/protocol/evidence-chain.ts'
import type { Core } from './core.ts'
import type { FanOut } from './fan-out.ts'

/** Deletes what retention no longer wants. Each act looks at a bounded number of rows. It leaves subjects (a `sub` is never reused) and cutoffs. */

const DAY = 86_400
/** A used code is remembered past its end, so that a late second use is still known for one. */
const CODE_SECONDS = 600
const GUARD_DAYS = 30
const DEFAULT: Retention = { sessionDays: 30, revocationDays: 90, auditDays: 730 }

/** @returns the rows that it looked at; as many as `limit` where there may be more */
type Purge = (before: number, limit: number) => number

const expiring = ({ db }: Pick<Core, 'db'>, table: 'codes' | 'consumed' | 'pushed_requests'): Purge => {
  const expired = db.prepare<[number, number]>(
    `DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} INDEXED BY ${table}_by_expiry WHERE expires_at <= ? LIMIT ?)`,
  )
  return (before, limit) => expired.run(before, limit).changes
}

function purgeSessions({ db }: Pick<Core, 'db'>): Purge {
  const old = db
    .prepare<[number, number], string>('SELECT sid FROM sessions INDEXED BY sessions_ended WHERE ended_seq IS NOT NULL AND ended_at <= ? LIMIT ?')
    .pluck()
  const drop = ['families', 'participants', 'sessions'].map((table) => db.prepare<[string]>(`DELETE FROM ${table} WHERE sid = ?`))
  return (before, limit) => {
    const sids = old.all(before, limit)
    for (const sid of sids) for (const statement of drop) statement.run(sid)
    return sids.length
  }
}

function purgeDeliveries({ db }: Pick<Core, 'db'>, { moved }: FanOut): Purge {
  type Old = { id: string; seq: number | null; client_id: string; state: DeliveryState }
  const old = db.prepare<[number, number], Old>(
    'SELECT id, seq, client_id, state FROM deliveries INDEXED BY deliveries_settled WHERE settled_at_ms <= ? LIMIT ?',
  )
  const dropAttempts = db.prepare<[string]>('DELETE FROM delivery_attempts WHERE delivery_id = ?')
  const drop = db.prepare<[string]>('DELETE FROM deliveries WHERE id = ?')
  return (before, limit) => {
    const rows = old.all(before * 1000, limit)
    for (const row of rows) {
      dropAttempts.run(row.id)
      if (drop.run(row.id).changes === 1) moved(row, row.state, undefined)
    }
    return rows.length
  }
}

/** Up to where a log may be cut: at a signed head, so that what is left verifies from there; or before its chain begins. Older signatures go. */
function cutting({ db }: Pick<Core, 'db'>): (log: LogName, before: number, needed: number) => number {
  const signed = db
    .prepare<[LogName, number, number], number>(
      'SELECT number FROM chain_signatures WHERE log = ? AND at <= ? AND number < ? ORDER BY at DESC, number DESC LIMIT 1',
    )
    .pluck()
  const begun = db.prepare<[LogName], number>('SELECT number FROM chain_begins WHERE log = ? ORDER BY number LIMIT 1').pluck()
  const forget = db.prepare<[LogName, number]>('DELETE FROM chain_signatures WHERE log = ? AND number < ?')
  return (log, before, needed) => {
    const number = signed.get(log, before, needed)
    if (number !== undefined) forget.run(log, number)
    return number ?? begun.get(log) ?? 0
  }
}

/** From its old end, like the audit log: what is left is the end of the chain of hashes, whole. One with deliveries keeps those after it. */
function purgeRevocations({ db }: Pick<Core, 'db'>): Purge {
  const oldest = db.prepare<[number, number], { seq: number; old: 0 | 1 }>(`SELECT r.seq, (r.at <= ? AND r.fan_out = 'complete'
    AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.seq = r.seq)) AS old FROM revocations r ORDER BY r.seq LIMIT ?`)
  const cut = cutting({ db })
  const needed = db
    .prepare<[], number>(`SELECT coalesce((SELECT seq FROM deliveries INDEXED BY deliveries_by_seq WHERE seq > 0 ORDER BY seq LIMIT 1),
      ${Number.MAX_SAFE_INTEGER})`)
    .pluck()
  const drop = ['revocations', 'revocation_totals'].map((table) => db.prepare<[number]>(`DELETE FROM ${table} WHERE seq <= ?`))
  return (before, limit) => {
    const upTo = cut('revocations', before, needed.get() ?? 0)
    return dropOldEnd(
      oldest.all(before, limit),
      ({ seq, old }) => old === 1 && seq <= upTo,
      ({ seq }) => drop.map((one) => one.run(seq)),
    )
  }
}

/** @returns how many went: those before the first that is kept */
function dropOldEnd<T>(rows: readonly T[], isOld: (row: T) => boolean, dropUpTo: (last: T) => unknown): number {
  const kept = rows.findIndex((row) => !isOld(row))
  const old = kept === -1 ? rows : rows.slice(0, kept)
  const last = old.at(-1)
  if (last !== undefined) dropUpTo(last)
  return old.length
}

/** From its old end, in the order of its ids: its trigger refuses anything else. A later entry with an earlier time waits for those before it. */
function purgeAudit({ db }: Pick<Core, 'db'>): Purge {
  const oldest = db.prepare<[number], { id: number; at_ms: number }>('SELECT id, at_ms FROM audit ORDER BY id LIMIT ?')
  const cut = cutting({ db })
  const drop = ['audit', 'audit_outcomes', 'audit_salts'].map((table) => db.prepare<[number]>(`DELETE FROM ${table} WHERE id <= ?`))
  return (before, limit) => {
    const upTo = cut('audit', before, Number.MAX_SAFE_INTEGER)
    return dropOldEnd(
      oldest.all(limit),
      ({ id, at_ms: atMs }) => atMs <= before * 1000 && id <= upTo,
      ({ id }) => drop.map((one) => one.run(id)),
    )
  }
}

function purgeMicrosoftWork({ db }: Pick<Core, 'db'>): Purge {
  const old = db.prepare<[number, number]>(`DELETE FROM microsoft_work WHERE rowid IN (SELECT rowid FROM microsoft_work
    INDEXED BY microsoft_work_failed WHERE state = 'failed' AND asked_at_ms <= ? LIMIT ?)`)
  return (before, limit) => old.run(before * 1000, limit).changes
}

function purgeGuards({ db }: Pick<Core, 'db'>): Purge {
  const old = db.prepare<[number, number]>('DELETE FROM guards WHERE rowid IN (SELECT rowid FROM guards WHERE reported_at_ms <= ? LIMIT ?)')
  return (before, limit) => old.run(before * 1000, limit).changes
}

export function purging(core: Core, fanOut: FanOut): Housekeeping['purge'] {
  const keepDays = (days: keyof Retention) => (retention: Retention) => retention[days] * DAY
  const kinds: Record<Purged, { purge: Purge; keep: (retention: Retention) => number }> = {
    codes: { purge: expiring(core, 'codes'), keep: () => CODE_SECONDS },
    consumed: { purge: expiring(core, 'consumed'), keep: () => 0 },
    pushed_requests: { purge: expiring(core, 'pushed_requests'), keep: () => 0 },
    sessions: { purge: purgeSessions(core), keep: keepDays('sessionDays') },
    deliveries: { purge: purgeDeliveries(core, fanOut), keep: keepDays('revocationDays') },
    revocations: { purge: purgeRevocations(core), keep: keepDays('revocationDays') },
    microsoft_work: { purge: purgeMicrosoftWork(core), keep: keepDays('revocationDays') },
    audit: { purge: purgeAudit(core), keep: keepDays('auditDays') },
    guards: { purge: purgeGuards(core), keep: () => GUARD_DAYS * DAY },
  }
  return ({ kind, now, limit, retention = DEFAULT }) => {
    const { purge, keep } = kinds[kind]
    return core.write(() => purge(now - keep(retention), limit) >= limit)
  }
}
