import { setImmediate as turn } from 'node:timers/promises'
import type { DeliveryActs } from '../store.ts'
import type { DeliveryRef, DeliveryState } from '../types.ts'
import type { Core } from './core.ts'
import { refOf, type DeliveryRow } from './delivery-rows.ts'
import { AT_ONCE, type FanOut } from './fan-out.ts'

/** What operators decide about deliveries that were not delivered: try them again, or close them. */

/** Rows in one transaction: some 5 ms. */
const BATCH = 100

type Which = Parameters<DeliveryActs['redrive']>[0]
type Found = DeliveryRow & { row: number }
interface Page {
  state: DeliveryState
  atMs: number
  row: number
}

export function deliveryDecisions({ db, write, nowMs }: Core, { moved }: FanOut) {
  const rising = `(d.created_at_ms, d.rowid) > (@atMs, @row) ORDER BY d.created_at_ms, d.rowid LIMIT ${BATCH}`
  const ofState = db.prepare<[Page], Found>(
    `SELECT d.*, d.rowid AS row FROM deliveries d INDEXED BY deliveries_by_time WHERE d.state = @state AND ${rising}`,
  )
  const ofClient = db.prepare<[Page & { clientId: string }], Found>(
    `SELECT d.*, d.rowid AS row FROM deliveries d INDEXED BY deliveries_by_state WHERE d.state = @state AND d.client_id = @clientId AND ${rising}`,
  )
  const byId = db.prepare<[string], DeliveryRow>('SELECT * FROM deliveries WHERE id = ?')
  const ownerOf = db.prepare<[string], string>('SELECT client_id FROM targets WHERE target_id = ?').pluck()
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

  const one = (id: string, { targetId, clientId }: Which, states: readonly DeliveryState[]): DeliveryRow[] => {
    const row = byId.get(id)
    if (row === undefined || !states.includes(row.state)) return []
    return (targetId ?? row.target_id) === row.target_id && (clientId ?? row.client_id) === row.client_id ? [row] : []
  }

  /** In batches, each a transaction, so that any number is decided without stalling others. */
  const each = async (states: readonly DeliveryState[], which: Which, decide: (row: DeliveryRow) => void): Promise<DeliveryRow[]> => {
    const decideAll = (rows: readonly DeliveryRow[]): readonly DeliveryRow[] => {
      for (const row of rows) decide(row)
      return rows
    }
    const { id, targetId } = which
    if (id !== undefined) return [...(await write(() => decideAll(one(id, which, states))))]
    const decided: DeliveryRow[] = []
    for (const state of states)
      for (let last: Found | undefined, more = true; more; more = last !== undefined) {
        const place: Page = { state, atMs: last?.created_at_ms ?? -1, row: last?.row ?? -1 }
        last = await write(() => {
          const clientId = which.clientId ?? (targetId === undefined ? undefined : (ownerOf.get(targetId) ?? ''))
          const rows = clientId === undefined ? ofState.all(place) : ofClient.all({ ...place, clientId })
          decided.push(...decideAll(rows.filter((row) => (targetId ?? row.target_id) === row.target_id)))
          return rows.length < BATCH ? undefined : rows.at(-1)
        })
        await turn()
      }
    return decided
  }

  return {
    async redrive(which) {
      const rows = await each(['failed', 'rejected'], which, redriveOne)
      return rows.map((row): DeliveryRef => refOf({ ...row, attempts: 0 }))
    },
    async closeDeliveries({ reason, ...which }) {
      return (await each(['pending', 'failed', 'rejected'], which, (row) => closeOne(row, reason))).length
    },
  } satisfies Partial<DeliveryActs>
}
