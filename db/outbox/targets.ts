import { sql } from 'drizzle-orm'
import { assign, command, insertInto, pick, type Takes } from '../engine/statement.ts'
import { targets } from '../schema.ts'

/**
 * Targets: the addresses that the outbox delivers to. A webhook endpoint or a stream is a target
 * under its own id, which is its `clientId` too.
 */

type Target = { targetId: string; clientId: string; uri: string; addedSeq: number }
export const addTarget = command((p: Takes<Target>) =>
  insertInto(targets, pick(p, 'targetId', 'clientId', 'uri', 'addedSeq')),
)
export const moveTarget = command(
  (p: Takes<{ targetId: string; uri: string }>) =>
    sql`UPDATE ${targets} SET ${assign(targets, { uri: p.uri })} WHERE ${targets.targetId} = ${p.targetId}`,
)
/** Marks a target as removed. Its row stays for the deliveries that name it. */
export const removeTarget = command(
  (p: Takes<{ targetId: string; seq: number }>) =>
    sql`UPDATE ${targets} SET ${assign(targets, { removedSeq: p.seq })} WHERE ${targets.targetId} = ${p.targetId}`,
)
