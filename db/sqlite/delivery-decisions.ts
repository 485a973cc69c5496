import type { DeliveryActs } from '../store.ts'
import type { DeliveryRef } from '../types.ts'
import type { Core } from './core.ts'
import { refOf, type DeliveryRow } from './delivery-rows.ts'
import { AT_ONCE, type FanOut } from './fan-out.ts'

/** What operators decide about deliveries that were not delivered: try them again, or close them. */

/** Rows in one transaction, where an act may touch any number of them. */
const BATCH = 1000

type Which = Parameters<DeliveryActs['redrive']>[0]

export function deliveryDecisions({ db, write, nowMs }: Core, { moved }: FanOut) {
  const inStates = (states: string) =>
    db.prepare<[object], DeliveryRow>(`SELECT d.* FROM deliveries d WHERE d.state IN (${states})
      AND (@id IS NULL OR d.id = @id) AND (@targetId IS NULL OR d.target_id = @targetId) AND (@clientId IS NULL OR d.client_id = @clientId) LIMIT ${BATCH}`)
  const failed = inStates("'failed', 'rejected'")
  const open = inStates("'pending', 'failed', 'rejected'")
  const makePending = db.prepare<
    [string]
  >(`UPDATE deliveries SET state = 'pending', attempts = 0, next_attempt_at_ms = ${AT_ONCE}, leased_until_ms = 0,
    settled_at_ms = NULL WHERE id = ?`)
  const close = db.prepare<[number, string]>("UPDATE deliveries SET state = 'closed', settled_at_ms = ? WHERE id = ?")
  const proof = db.prepare<[string, number, number, string]>(`INSERT INTO delivery_attempts (delivery_id, attempt, at_ms, outcome, latency_ms, error)
    VALUES (?, ?, ?, 'closed', 0, ?)`)

  const closeOne = (row: DeliveryRow, reason: string): void => {
    close.run(nowMs(), row.id)
    proof.run(row.id, row.attempts, nowMs(), reason)
    moved(row, row.state, 'closed')
  }

  const redriveOne = (row: DeliveryRow): void => {
    makePending.run(row.id)
    moved(row, row.state, 'pending')
  }

  /** In batches, each a transaction, so that any number is decided without stalling others. */
  const each = async (find: typeof failed, { id, targetId, clientId }: Which, decide: (row: DeliveryRow) => void): Promise<DeliveryRow[]> => {
    const decided: DeliveryRow[] = []
    for (;;) {
      const rows = await write(() => {
        const batch = find.all({ id: id ?? null, targetId: targetId ?? null, clientId: clientId ?? null })
        for (const row of batch) decide(row)
        return batch
      })
      decided.push(...rows)
      if (rows.length < BATCH) return decided
    }
  }

  return {
    async redrive(which) {
      const rows = await each(failed, which, redriveOne)
      return rows.map((row): DeliveryRef => refOf({ ...row, attempts: 0 }))
    },
    async closeDeliveries({ reason, ...which }) {
      return (await each(open, which, (row) => closeOne(row, reason))).length
    },
  } satisfies Partial<DeliveryActs>
}
