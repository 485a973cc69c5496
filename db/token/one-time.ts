import { sql } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { columnsOf, command, insertInto, pick, query, type Takes } from '../engine/statement.ts'
import { consumed, pushedRequests } from '../schema.ts'

/** One-time use: consumed identifiers, and pushed authorization requests (RFC 9126). */

const consume = command(
  (p: Takes<{ purpose: string; idHash: string; expiresAt: number }>) =>
    sql`${insertInto(consumed, pick(p, 'purpose', 'idHash', 'expiresAt'))} ON CONFLICT DO NOTHING`,
)
const find = query(
  columnsOf(consumed, 'expiresAt'),
  (p: Takes<{ purpose: string; idHash: string }>, f) =>
    sql`SELECT ${f} FROM ${consumed} WHERE ${consumed.purpose} = ${p.purpose} AND ${consumed.idHash} = ${p.idHash}`,
)
const push = command(
  (p: Takes<{ requestHash: string; clientId: string; parameters: string; expiresAt: number }>) =>
    insertInto(pushedRequests, pick(p, 'requestHash', 'clientId', 'parameters', 'expiresAt')),
)
type Pushed = Takes<{ requestHash: string; clientId: string; now: number }>
const isPushed = (p: Pushed) =>
  sql`WHERE ${pushedRequests.requestHash} = ${p.requestHash} AND ${pushedRequests.clientId} = ${p.clientId} AND ${pushedRequests.expiresAt} > ${p.now}`
const parameters = columnsOf(pushedRequests, 'parameters')
const pushed = query(
  parameters,
  (p: Takes<{ requestHash: string; clientId: string; now: number }>, f) =>
    sql`SELECT ${f} FROM ${pushedRequests} ${isPushed(p)}`,
)
const pulled = query(
  parameters,
  (p: Takes<{ requestHash: string; clientId: string; now: number }>, f) =>
    sql`DELETE FROM ${pushedRequests} ${isPushed(p)} RETURNING ${f}`,
)

/**
 * Consumes an identifier (a `jti`, or the id of a sealed state) that may be used once.
 * @returns false where it was consumed before
 */
export function* consumeOnce(input: {
  purpose: string
  idHash: string
  expiresAt: number
}): Act<boolean> {
  return (yield* consume.run(input)) === 1
}
/**
 * Returns whether the identifier was consumed, without consuming it. Callers that consume it after
 * their act has committed need this.
 */
export function* wasConsumed(input: { purpose: string; idHash: string }): Act<boolean> {
  return (yield* find.get(input)) !== undefined
}
/**
 * Keeps the parameters of a pushed authorization request (RFC 9126) as JSON, until `expiresAt`.
 */
export function* pushRequest(input: {
  requestHash: string
  clientId: string
  parameters: string
  expiresAt: number
}): Act<void> {
  yield* push.run(input)
}

interface Pull {
  requestHash: string
  clientId: string
  now: number
}
function* peek({ requestHash, clientId, now }: Pull): Act<string | undefined> {
  return (yield* pushed.get({ requestHash, clientId, now }))?.parameters
}
function* pull({ requestHash, clientId, now }: Pull): Act<string | undefined> {
  return (yield* pulled.get({ requestHash, clientId, now }))?.parameters
}

/**
 * Returns a pushed request; undefined where it has expired or was consumed. `consume` deletes it,
 * which only the end of its use does, because a page in between may be reloaded.
 */
export async function pushedRequest(
  { read, write }: Engine,
  { consume: last, ...input }: Pull & { consume: boolean },
): Promise<string | undefined> {
  return last ? write(() => pull(input)) : read(() => peek(input))
}
