import { createHash } from 'node:crypto'
import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { assign, columnsOf, command, query, type RowOf, type Takes } from '../engine/statement.ts'
import { headOfOpening } from '../log/head.ts'
import { addTarget, removeTarget } from '../outbox/targets.ts'
import { clients, targets } from '../schema.ts'

/**
 * The logout addresses of clients. Callers lock the client's registration before they change them.
 */

const targetFields = columnsOf(targets, 'targetId', 'clientId', 'uri')
const all = query(
  targetFields,
  // The join leaves out webhook endpoints, which are targets without a client.
  (
    _,
    f,
  ) => sql`SELECT ${f} FROM ${targets} JOIN ${clients} ON ${clients.clientId} = ${targets.clientId}
    WHERE ${targets.removedSeq} IS NULL ORDER BY ${targets.clientId}, ${targets.uri}`,
)
const ofClient = query(
  targetFields,
  (p: Takes<{ clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${targets} WHERE ${targets.clientId} = ${p.clientId} AND ${targets.removedSeq} IS NULL`,
)
const restore = command(
  (p: Takes<{ clientId: string; uri: string; addedSeq: number }>) =>
    sql`UPDATE ${targets} SET ${assign(targets, { addedSeq: p.addedSeq, removedSeq: null })} WHERE ${targets.clientId} = ${p.clientId} AND ${targets.uri} = ${p.uri}`,
)

/**
 * Returns the id of a target. The same address of the same client has the same id forever, even if
 * it was removed in between.
 */
const targetIdOf = (clientId: string, uri: string): string =>
  `t_${createHash('sha256')
    .update(JSON.stringify([clientId, uri]))
    .digest('base64url')
    .slice(0, 22)}`

/** Returns the current logout addresses of clients. */
export const listTargets = (): Act<RowOf<typeof targetFields>[]> => all.all({})

/**
 * Replaces a client's logout addresses. A removed address still gets the revocations from before,
 * whether or not their deliveries are written yet.
 */
export function* replaceTargets(clientId: string, uris: readonly string[]): Act<void> {
  const present = yield* ofClient.all({ clientId })
  const seq = yield* headOfOpening()
  for (const { targetId, uri } of present)
    if (!uris.includes(uri)) yield* removeTarget.run({ targetId, seq })
  for (const uri of uris.filter(
    (candidate) => !present.some((target) => target.uri === candidate),
  )) {
    const added = { clientId, uri, addedSeq: seq }
    if ((yield* restore.run(added)) === 0)
      yield* addTarget.run({ ...added, targetId: targetIdOf(clientId, uri) })
  }
}
