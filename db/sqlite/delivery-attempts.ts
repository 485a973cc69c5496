import type { DeliveryActs } from '../store.ts'
import type { AttemptResult, DeliveryAttempt, DeliveryState } from '../types.ts'
import { optional } from './core.ts'
import type { Core } from './core.ts'
import { DELIVERY_FROM, deliveryOf } from './delivery-rows.ts'
import type { DeliveryRow } from './delivery-rows.ts'
import type { FanOut } from './fan-out.ts'

/** One attempt at a time, and its proof. It refuses an attempt that is not the next, and never leaves `delivered`. */

interface AttemptRow {
  attempt: number
  at_ms: number
  outcome: DeliveryAttempt['outcome']
  status: number | null
  latency_ms: number
  jti: string | null
  error: string | null
}

/** Clocks of queue and broker may differ a little: a job that comes this much early is not sent away. */
const EARLY_MS = 100

const attemptOf = (row: AttemptRow): DeliveryAttempt => ({
  attempt: row.attempt,
  atMs: row.at_ms,
  outcome: row.outcome,
  status: optional(row.status),
  latencyMs: row.latency_ms,
  jti: optional(row.jti),
  error: optional(row.error),
})

/** A delivery that was superseded reached nobody, and nobody needed it: it closes as superseded, with the attempt as its proof. */
const RECORDABLE: readonly DeliveryState[] = ['pending', 'superseded', 'closed']
const STATE_AFTER = { delivered: 'delivered', rejected: 'rejected', failed: 'failed', superseded: 'superseded', retry: 'pending' } as const

export function deliveryAttempts({ db, write, read, nowMs }: Core, { moved }: FanOut) {
  // `+?`: else SQLite compiles the join anew for every id (session-rows.ts).
  const byId = db.prepare<[string], DeliveryRow>(`SELECT d.*, t.uri FROM ${DELIVERY_FROM} WHERE d.id = +?`)
  const lease = db.prepare<[number, string]>('UPDATE deliveries SET leased_until_ms = ? WHERE id = ?')
  // A live participation that began after the revocation: a token for the same `sub` or `sid` would end that one.
  const newer = (which: 's.sub = @sub' | 's.sid = @sid') =>
    db.prepare<
      [{ sub: string | null; sid: string | null; clientId: string; seq: number; now: number }]
    >(`SELECT 1 FROM sessions s JOIN participants p ON p.sid = s.sid
    WHERE ${which} AND s.ended_seq IS NULL AND s.deadline_at > @now AND p.client_id = @clientId AND p.joined_seq >= @seq
      AND s.opened_seq >= max(coalesce((SELECT seq FROM cutoffs WHERE kind = 'subject' AND key = s.sub), 0),
        coalesce((SELECT seq FROM cutoffs WHERE kind = 'tenant' AND key = s.tid), 0),
        coalesce((SELECT seq FROM cutoffs WHERE kind = 'everything' AND key = ''), 0)) LIMIT 1`)
  const newerBySub = newer('s.sub = @sub')
  const newerBySid = newer('s.sid = @sid')
  const record = db.prepare<[Record<string, unknown>]>(`UPDATE deliveries SET state = @state, attempts = @attempt, leased_until_ms = 0,
      next_attempt_at_ms = coalesce(@nextAttemptAtMs, next_attempt_at_ms), settled_at_ms = @settledAtMs, last_status = @status, last_error = @error
    WHERE id = @id`)
  const proof = db.prepare(`INSERT INTO delivery_attempts (delivery_id, attempt, at_ms, outcome, status, latency_ms, jti, error)
    VALUES (@id, @attempt, @atMs, @outcome, @status, @latencyMs, @jti, @error)`)
  const proofs = db.prepare<[string], AttemptRow>('SELECT * FROM delivery_attempts WHERE delivery_id = ? ORDER BY id')
  const release = db.prepare<[number, string, number]>(
    "UPDATE deliveries SET leased_until_ms = 0, next_attempt_at_ms = ? WHERE id = ? AND state = 'pending' AND attempts = ? - 1",
  )

  const isSpared = ({ sub, sid, client_id: clientId, seq }: DeliveryRow): boolean =>
    seq !== null && (sub === null ? newerBySid : newerBySub).get({ sub, sid, clientId, seq, now: Math.floor(nowMs() / 1000) }) !== undefined

  const settle = (id: string, result: AttemptResult): boolean => {
    const { attempt, atMs, outcome, status = null, latencyMs, jti = null, error = null } = result.attempt
    const row = byId.get(id)
    if (row === undefined || row.attempts !== attempt - 1 || !RECORDABLE.includes(row.state)) return false
    // Superseded or closed while the attempt was under way: that it was delivered is news, that it failed is not.
    const late = row.state !== 'pending' && result.outcome !== 'delivered'
    const state = late ? row.state : STATE_AFTER[result.outcome]
    const settledAtMs = state === 'pending' ? null : late ? row.settled_at_ms : atMs + latencyMs
    const nextAttemptAtMs = result.outcome === 'retry' ? result.nextAttemptAtMs : null
    record.run({ id, state, attempt, nextAttemptAtMs, settledAtMs, status, error })
    proof.run({ id, attempt, atMs, outcome, status, latencyMs, jti, error })
    moved(row, row.state, state)
    return !late
  }

  return {
    findDelivery: (id) =>
      read(() => {
        const row = byId.get(id)
        return row && deliveryOf(row)
      }),
    leaseDelivery: ({ id, attempt, nowMs: leaseMs, untilMs, early }) =>
      write(() => {
        const row = byId.get(id)
        if (row === undefined) return { outcome: 'unknown' } as const
        if (row.state !== 'pending') return { outcome: 'settled' } as const
        if (row.attempts + 1 !== attempt) return { outcome: 'not_due' } as const
        if (row.leased_until_ms > leaseMs) return { outcome: 'taken' } as const
        if (!early && row.next_attempt_at_ms > leaseMs + EARLY_MS) return { outcome: 'not_due' } as const
        lease.run(untilMs, id)
        return { outcome: 'leased', delivery: deliveryOf(row), superseded: isSpared(row) } as const
      }),
    recordDelivery: ({ id, result }) => write(() => settle(id, result)),
    releaseDelivery: ({ id, attempt, nextAttemptAtMs }) => write(() => void release.run(nextAttemptAtMs, id, attempt)),
    attemptsOf: (id) => read(() => proofs.all(id).map(attemptOf)),
  } satisfies Partial<DeliveryActs>
}
