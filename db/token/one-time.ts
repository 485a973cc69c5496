import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { columnsOf, command, insertInto, query } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { consumed, pushedRequests } from '../schema.ts'

/** One-time use: identifiers that were consumed, and pushed authorization requests (RFC 9126). */

const consume = command(
  (p: Takes<{ purpose: string; idHash: string; expiresAt: number }>) =>
    sql`${insertInto(consumed, { purpose: p.purpose, idHash: p.idHash, expiresAt: p.expiresAt })} ON CONFLICT DO NOTHING`,
)
const find = query(
  columnsOf(consumed, 'expiresAt'),
  (p: Takes<{ purpose: string; idHash: string }>, f) =>
    sql`SELECT ${f} FROM ${consumed} WHERE ${consumed.purpose} = ${p.purpose} AND ${consumed.idHash} = ${p.idHash}`,
)
const push = command((p: Takes<{ requestHash: string; clientId: string; parameters: string; expiresAt: number }>) =>
  insertInto(pushedRequests, { requestHash: p.requestHash, clientId: p.clientId, parameters: p.parameters, expiresAt: p.expiresAt }),
)
type Pushed = Takes<{ requestHash: string; clientId: string; now: number }>
const isPushed = (p: Pushed) =>
  sql`WHERE ${pushedRequests.requestHash} = ${p.requestHash} AND ${pushedRequests.clientId} = ${p.clientId} AND ${pushedRequests.expiresAt} > ${p.now}`
const parameters = columnsOf(pushedRequests, 'parameters')
const pushed = query(
  parameters,
  (p: Takes<{ requestHash: string; clientId: string; now: number }>, f) => sql`SELECT ${f} FROM ${pushedRequests} ${isPushed(p)}`,
)
const pull = query(
  parameters,
  (p: Takes<{ requestHash: string; clientId: string; now: number }>, f) => sql`DELETE FROM ${pushedRequests} ${isPushed(p)} RETURNING ${f}`,
)

/** @returns false where it was consumed before */
export function* consumeOnce(input: { purpose: string; idHash: string; expiresAt: number }): Act<boolean> {
  return (yield* consume.run(input)) === 1
}
export function* wasConsumed(input: { purpose: string; idHash: string }): Act<boolean> {
  return (yield* find.get(input)) !== undefined
}
export function* pushRequest(input: { requestHash: string; clientId: string; parameters: string; expiresAt: number }): Act<void> {
  yield* push.run(input)
}

interface Pull {
  requestHash: string
  clientId: string
  now: number
}
export function* pushedRequest({ requestHash, clientId, now }: Pull): Act<string | undefined> {
  return (yield* pushed.get({ requestHash, clientId, now }))?.parameters
}
/** Consumes it; undefined where it was consumed before. */
export function* pullRequest({ requestHash, clientId, now }: Pull): Act<string | undefined> {
  return (yield* pull.get({ requestHash, clientId, now }))?.parameters
}
