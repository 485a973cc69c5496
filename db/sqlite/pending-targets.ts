import { setImmediate as turn } from 'node:timers/promises'
import type { DeliveryActs } from '../store.ts'
import type { Core } from './core.ts'

/** How much is pending to each target, and since when. The kept counts say it of a client with one such target; of others it is counted in pages. */

/** Deliveries looked at in one turn of the event loop. */
const PAGE = 2_000

interface Target {
  targetId: string
  clientId: string
  uri: string
}
interface Place {
  atMs: number
  row: number
}
type Pending = Target & { pending: number; oldestAtMs: number }

export function pendingTargets({ db, read }: Core, pendingTargetIds: DeliveryActs['pendingTargetIds']): DeliveryActs['pendingTargets'] {
  const find = db.prepare<[string], Target>('SELECT target_id AS targetId, client_id AS clientId, uri FROM targets WHERE target_id = ?')
  const ofClient = db.prepare<[string, string], { pending: number; oldestAtMs: number | null }>(
    `SELECT c.count AS pending, (SELECT min(d.created_at_ms) FROM deliveries d WHERE d.state = 'pending' AND d.client_id = ?) AS oldestAtMs
      FROM delivery_counts c WHERE c.client_id = ? AND c.state = 'pending'`,
  )
  const page = db.prepare<[{ clientId: string } & Place], Place & { targetId: string }>(
    `SELECT target_id AS targetId, created_at_ms AS atMs, rowid AS row FROM deliveries INDEXED BY deliveries_by_state
      WHERE state = 'pending' AND client_id = @clientId AND (created_at_ms, rowid) > (@atMs, @row) ORDER BY created_at_ms, rowid LIMIT ${PAGE}`,
  )

  const counted = async (targets: Target[], clientId: string): Promise<Pending[]> => {
    const found = new Map<string, Pending>()
    for (let place: Place | undefined = { atMs: -1, row: -1 }; place !== undefined; await turn()) {
      const from: Place = place
      const rows = await read(() => page.all({ clientId, ...from }))
      for (const { targetId, atMs } of rows) {
        const target = targets.find((one) => one.targetId === targetId)
        const known = found.get(targetId)
        // The first one that is met is the oldest.
        if (known !== undefined) known.pending += 1
        else if (target !== undefined) found.set(targetId, { ...target, pending: 1, oldestAtMs: atMs })
      }
      place = rows.length < PAGE ? undefined : rows.at(-1)
    }
    return [...found.values()]
  }

  return async () => {
    const ids = await pendingTargetIds()
    const targets = await read(() => ids.map((id) => find.get(id)).filter((target) => target !== undefined))
    const all: Pending[] = []
    for (const [clientId, own] of Map.groupBy(targets, (target) => target.clientId)) {
      const [only, ...more] = own
      const kept = more.length > 0 ? undefined : await read(() => ofClient.get(clientId, clientId))
      if (only !== undefined && kept !== undefined && kept.oldestAtMs !== null)
        all.push({ ...only, pending: kept.pending, oldestAtMs: kept.oldestAtMs })
      else if (more.length > 0) all.push(...(await counted(own, clientId)))
    }
    return all.toSorted((a, b) => a.oldestAtMs - b.oldestAtMs)
  }
}
