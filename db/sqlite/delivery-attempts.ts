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

/** A delivery that was spared reached nobody, and nobody needed it: it closes as superseded, with the attempt as its proof. */
const STATE_AFTER = { delivered: 'delivered', rejected: 'rejected', failed: 'failed', superseded: 'superseded', retry: 'pending' } as const

export function deliveryAttempts({ db, write, read }: Core, { count }: FanOut) {
  // `+?`: else SQLite compiles the join anew for every id (session-rows.ts).
  const byId = db.prepare<[string], DeliveryRow>(`SELECT d.*, t.uri FROM ${DELIVERY_FROM} WHERE d.id = +?`)
  const lease = db.prepare<[number, string]>('UPDATE deliveries SET leased_until_ms = ? WHERE id = ?')
  // A participation after the revocation: the user is signed in there again, and a token that names the whole user would end that.
  const newer = db.prepare<
    [{ sub: string; clientId: string; seq: number; now: number }]
  >(`SELECT 1 FROM sessions s JOIN participants p ON p.sid = s.sid
    WHERE s.sub = @sub AND s.ended_seq IS NULL AND s.deadline_at > @now AND p.client_id = @clientId AND p.joined_seq >= @seq
      AND s.opened_seq >= max(coalesce((SELECT seq FROM cutoffs WHERE kind = 'subject' AND key = s.sub), 0),
        coalesce((SELECT seq FROM cutoffs WHERE kind = 'tenant' AND key = s.tid), 0),
        coalesce((SELECT seq FROM cutoffs WHERE kind = 'everything' AND key = ''), 0)) LIMIT 1`)
  const record = db.prepare<[Record<string, unknown>], DeliveryRow>(`UPDATE deliveries SET state = @state, attempts = @attempt,
      leased_until_ms = 0, next_attempt_at_ms = coalesce(@nextAttemptAtMs, next_attempt_at_ms), settled_at_ms = @settledAtMs,
      last_status = @status, last_error = @error
    WHERE id = @id AND state = 'pending' AND attempts = @attempt - 1 RETURNING *`)
  const proof = db.prepare(`INSERT INTO delivery_attempts (delivery_id, attempt, at_ms, outcome, status, latency_ms, jti, error)
    VALUES (@id, @attempt, @atMs, @outcome, @status, @latencyMs, @jti, @error)`)
  const proofs = db.prepare<[string], AttemptRow>('SELECT * FROM delivery_attempts WHERE delivery_id = ? ORDER BY id')
  const supersededBy = db.prepare<[string], { id: string; client_id: string; state: DeliveryState }>(
    "SELECT id, client_id, state FROM deliveries WHERE superseded_by = ? AND state IN ('pending', 'failed', 'rejected')",
  )
  const close = db.prepare<[number, string]>("UPDATE deliveries SET state = 'superseded', settled_at_ms = ? WHERE id = ?")
  const release = db.prepare<[number, string, number]>(
    "UPDATE deliveries SET leased_until_ms = 0, next_attempt_at_ms = ? WHERE id = ? AND state = 'pending' AND attempts = ? - 1",
  )

  const isSpared = (row: DeliveryRow, nowMs: number): boolean =>
    row.sub !== null && newer.get({ sub: row.sub, clientId: row.client_id, seq: row.seq, now: Math.floor(nowMs / 1000) }) !== undefined

  /** Those it speaks for: the target has heard, or needs not. */
  const closeOlder = (id: string, atMs: number): void => {
    for (const older of supersededBy.all(id)) {
      close.run(atMs, older.id)
      count(older.client_id, older.state, -1)
      count(older.client_id, 'superseded', 1)
    }
  }

  const settle = (id: string, result: AttemptResult): boolean => {
    const { attempt, atMs, outcome, status = null, latencyMs, jti = null, error = null } = result.attempt
    const state = STATE_AFTER[result.outcome]
    const settledAtMs = state === 'pending' ? null : atMs + latencyMs
    const nextAttemptAtMs = result.outcome === 'retry' ? result.nextAttemptAtMs : null
    const row = record.get({ id, state, attempt, nextAttemptAtMs, settledAtMs, status, error })
    if (row === undefined) return false
    proof.run({ id, attempt, atMs, outcome, status, latencyMs, jti, error })
    if (state === 'pending') return true
    count(row.client_id, 'pending', -1)
    count(row.client_id, state, 1)
    if (state === 'delivered' || state === 'superseded') closeOlder(id, settledAtMs ?? atMs)
    return true
  }

  return {
    findDelivery: (id) =>
      read(() => {
        const row = byId.get(id)
        return row && deliveryOf(row)
      }),
    leaseDelivery: ({ id, attempt, nowMs, untilMs, early }) =>
      write(() => {
        const row = byId.get(id)
        if (row === undefined) return { outcome: 'unknown' } as const
        if (row.state !== 'pending') return { outcome: 'settled' } as const
        if (row.attempts + 1 !== attempt || row.superseded_by !== null) return { outcome: 'not_due' } as const
        if (row.leased_until_ms > nowMs) return { outcome: 'taken' } as const
        if (!early && row.next_attempt_at_ms > nowMs + EARLY_MS) return { outcome: 'not_due' } as const
        lease.run(untilMs, id)
        return { outcome: 'leased', delivery: deliveryOf(row), superseded: isSpared(row, nowMs) } as const
      }),
    recordDelivery: ({ id, result }) => write(() => settle(id, result)),
    releaseDelivery: ({ id, attempt, nextAttemptAtMs }) => write(() => void release.run(nextAttemptAtMs, id, attempt)),
    attemptsOf: (id) => read(() => proofs.all(id).map(attemptOf)),
  } satisfies Partial<DeliveryActs>
}
