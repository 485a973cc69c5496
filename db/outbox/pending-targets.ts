import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { indexedBy } from '../engine/dialect.ts'
import { columnsOf, query, type RowOf, type Takes } from '../engine/statement.ts'
import { deliveries, deliveryCounts, targets } from '../schema.ts'
import { oldestPending } from './counts.ts'
import { pendingTargetIds } from './due.ts'

/**
 * How many deliveries are pending to each target, and since when. For a client with one such target
 * the kept counts give it; for others the rows are counted in pages.
 */

/** The number of deliveries that one turn of the event loop looks at. */
const PAGE = 2_000

const targetFields = columnsOf(targets, 'targetId', 'clientId', 'uri')
type Target = RowOf<typeof targetFields>
type Pending = Target & { pending: number; oldestAtMs: number }
type Place = {
  atMs: number
  id: string
}

const find = query(
  targetFields,
  (p: Takes<{ targetId: string }>, f) =>
    sql`SELECT ${f} FROM ${targets} WHERE ${targets.targetId} = ${p.targetId}`,
)
const ofClient = query(
  { pending: deliveryCounts.count, oldestAtMs: oldestPending },
  (p: Takes<{ clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${deliveryCounts} WHERE ${deliveryCounts.clientId} = ${p.clientId} AND ${deliveryCounts.state} = 'pending'`,
)
const page = query(
  { targetId: deliveries.targetId, atMs: deliveries.createdAtMs, id: deliveries.id },
  (
    p: Takes<{ clientId: string } & Place>,
    f,
  ) => sql`SELECT ${f} FROM ${deliveries}${indexedBy('deliveries_by_state')}
    WHERE ${deliveries.state} = 'pending' AND ${deliveries.clientId} = ${p.clientId} AND (${deliveries.createdAtMs}, ${deliveries.id}) > (${p.atMs}, ${p.id})
    ORDER BY ${deliveries.createdAtMs}, ${deliveries.id} LIMIT ${sql.raw(String(PAGE))}`,
)

function* targetsWithPending(): Act<Target[]> {
  const found: Target[] = []
  for (const targetId of yield* pendingTargetIds()) {
    const target = yield* find.get({ targetId })
    if (target !== undefined) found.push(target)
  }
  return found
}

async function counted({ read }: Engine, own: Target[], clientId: string): Promise<Pending[]> {
  const found = new Map<string, Pending>()
  for (let place: Place | undefined = { atMs: -1, id: '' }; place !== undefined; await turn()) {
    const from: Place = place
    const rows = await read(() => page.all({ clientId, ...from }))
    for (const { targetId, atMs } of rows) {
      const target = own.find((candidate) => candidate.targetId === targetId)
      const known = found.get(targetId)
      // Rows come oldest first, so the first row of a target is its oldest.
      if (known !== undefined) known.pending += 1
      else if (target !== undefined)
        found.set(targetId, { ...target, pending: 1, oldestAtMs: atMs })
    }
    place = rows.length < PAGE ? undefined : rows.at(-1)
  }
  return [...found.values()]
}

/** Returns the targets with pending deliveries, with how many and since when, for operators. */
export async function pendingTargets(engine: Engine): Promise<Pending[]> {
  const all: Pending[] = []
  for (const [clientId, own] of Map.groupBy(
    await engine.read(targetsWithPending),
    (target) => target.clientId,
  )) {
    const [only, ...more] = own
    const kept = more.length > 0 ? undefined : await engine.read(() => ofClient.get({ clientId }))
    if (only !== undefined && kept !== undefined && kept.oldestAtMs !== null)
      all.push({ ...only, pending: kept.pending, oldestAtMs: kept.oldestAtMs })
    else if (more.length > 0) all.push(...(await counted(engine, own, clientId)))
  }
  return all.toSorted((a, b) => a.oldestAtMs - b.oldestAtMs)
}
