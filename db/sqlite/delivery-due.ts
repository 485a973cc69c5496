import type { DeliveryActs } from '../store.ts'
import type { DeliveryRef } from '../types.ts'
import type { Core } from './core.ts'
import { refOf } from './delivery-rows.ts'
import type { DeliveryRow } from './delivery-rows.ts'
import { AT_ONCE } from './fan-out.ts'
import type { FanOut } from './fan-out.ts'

/** What is owed and due, to whom, and what makes it due again. */

/** Rows in one transaction, where an act may touch any number of them. */
const BATCH = 1000
const DUE_COLUMNS = 'd.id, d.attempts, d.target_id, d.next_attempt_at_ms'
const DUE = "d.state = 'pending' AND d.superseded_by IS NULL"

export function dueDeliveries({ db, read }: Core) {
  type Due = { id: string; attempts: number; target_id: string; next_attempt_at_ms: number }
  const dueNow = db.prepare<[{ nowMs: number; limit: number }], Due>(`SELECT ${DUE_COLUMNS}
    FROM deliveries d INDEXED BY deliveries_due WHERE ${DUE} AND d.next_attempt_at_ms <= @nowMs AND d.leased_until_ms <= @nowMs ORDER BY d.next_attempt_at_ms LIMIT @limit`)
  const dueTo = db.prepare<[{ nowMs: number; limit: number; targetId: string }], Due>(`SELECT ${DUE_COLUMNS}
    FROM deliveries d INDEXED BY deliveries_due_by_target WHERE ${DUE} AND d.target_id = @targetId AND d.next_attempt_at_ms <= @nowMs AND d.leased_until_ms <= @nowMs
    ORDER BY d.next_attempt_at_ms LIMIT @limit`)
  const notYetDue = db.prepare<[{ nowMs: number; limit: number; targetId: string; dueAtMs: number; id: string }], Due>(`SELECT ${DUE_COLUMNS}
    FROM deliveries d INDEXED BY deliveries_due_by_target WHERE ${DUE} AND d.target_id = @targetId AND d.next_attempt_at_ms > @nowMs
      AND (d.next_attempt_at_ms, d.id) > (@dueAtMs, @id) AND d.leased_until_ms <= @nowMs
    ORDER BY d.next_attempt_at_ms, d.id LIMIT @limit`)
  const targets = db.prepare<[], { target_id: string; client_id: string; uri: string; pending: number; oldest: number }>(
    `SELECT t.target_id, t.client_id, t.uri, o.pending, o.oldest FROM
      (SELECT d.target_id, count(*) AS pending, min(d.created_at_ms) AS oldest
        FROM deliveries d INDEXED BY deliveries_due_by_target WHERE ${DUE} GROUP BY d.target_id) o
      JOIN targets t ON t.target_id = o.target_id ORDER BY o.oldest`,
  )
  return {
    dueDeliveries: ({ nowMs, limit, targetId }) =>
      read(() => (targetId === undefined ? dueNow.all({ nowMs, limit }) : dueTo.all({ nowMs, limit, targetId })).map(refOf)),
    earlyDeliveries: ({ targetId, nowMs, limit, after }) =>
      read(() => {
        const rows = notYetDue.all({ targetId, nowMs, limit, dueAtMs: after?.dueAtMs ?? 0, id: after?.id ?? '' })
        const last = rows.at(-1)
        return {
          refs: rows.map(refOf),
          ...(rows.length === limit && last !== undefined ? { next: { dueAtMs: last.next_attempt_at_ms, id: last.id } } : {}),
        }
      }),
    pendingTargets: () =>
      read(() =>
        targets.all().map((row) => ({
          targetId: row.target_id,
          clientId: row.client_id,
          uri: row.uri,
          pending: row.pending,
          oldestAtMs: row.oldest,
        })),
      ),
  } satisfies Partial<DeliveryActs>
}

export function deliveriesAgain({ db, write }: Core, { count }: FanOut) {
  const failed = db.prepare<[object], DeliveryRow>(`SELECT d.* FROM deliveries d WHERE d.state IN ('failed', 'rejected') AND d.superseded_by IS NULL
    AND (@id IS NULL OR d.id = @id) AND (@targetId IS NULL OR d.target_id = @targetId) AND (@clientId IS NULL OR d.client_id = @clientId) LIMIT ${BATCH}`)
  const makePending = db.prepare<
    [string]
  >(`UPDATE deliveries SET state = 'pending', attempts = 0, next_attempt_at_ms = ${AT_ONCE}, leased_until_ms = 0,
    settled_at_ms = NULL WHERE id = ?`)

  return {
    async redrive({ id, targetId, clientId }) {
      const redriven: DeliveryRef[] = []
      for (;;) {
        const rows = await write(() => {
          const batch = failed.all({ id: id ?? null, targetId: targetId ?? null, clientId: clientId ?? null })
          for (const row of batch) {
            makePending.run(row.id)
            count(row.client_id, row.state, -1)
            count(row.client_id, 'pending', 1)
          }
          return batch
        })
        redriven.push(...rows.map((row) => refOf({ ...row, attempts: 0 })))
        if (rows.length < BATCH) return redriven
      }
    },
  } satisfies Partial<DeliveryActs>
}
