import { sql } from 'drizzle-orm'
import { splitList } from '../../src/protocol/params.ts'
import type { Act } from '../engine/act.ts'
import {
  assign,
  columnsOf,
  command,
  excluded,
  insertInto,
  names,
  pick,
  query,
  type Takes,
} from '../engine/statement.ts'
import { lockSubject } from '../rows/user.ts'
import { clients, consents } from '../schema.ts'

/**
 * The scopes that a user consented to at a client. A consent only grows, and counts only for the
 * client's current registration.
 */

/**
 * The time from which a consent counts for the client's current registration. For a removed client
 * no consent counts.
 */
export const consentsFrom = sql<number>`CASE WHEN ${clients.removedAt} IS NULL THEN ${clients.createdAt} ELSE 9007199254740991 END`
/** Tests whether a consent is in force, for a row of `consents`. */
export const isInForce = sql`${consents.at} >= (SELECT ${consentsFrom} FROM ${clients} WHERE ${clients.clientId} = ${consents.clientId})`

const given = query(
  columnsOf(consents, 'scope'),
  (p: Takes<{ sub: string; clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${consents} WHERE ${consents.sub} = ${p.sub} AND ${consents.clientId} = ${p.clientId} AND ${isInForce}`,
)
const put = command(
  (p: Takes<{ sub: string; clientId: string; scope: string; now: number }>) =>
    sql`${insertInto(consents, { ...pick(p, 'sub', 'clientId', 'scope'), at: p.now })}
      ON CONFLICT (${names(consents.sub, consents.clientId)})
      DO UPDATE SET ${assign(consents, { scope: excluded(consents.scope), at: excluded(consents.at) })}`,
)

export function* hasConsent({
  sub,
  clientId,
  scope,
}: {
  sub: string
  clientId: string
  scope: string
}): Act<boolean> {
  const words = splitList((yield* given.get({ sub, clientId }))?.scope)
  return splitList(scope).every((word) => words.includes(word))
}

export function* recordConsent({
  sub,
  clientId,
  scope,
  now,
}: {
  sub: string
  clientId: string
  scope: string
  now: number
}): Act<void> {
  // The lock makes the second of two concurrent consents add to what the first wrote.
  yield* lockSubject(sub)
  const former = (yield* given.get({ sub, clientId }))?.scope ?? ''
  yield* put.run({ sub, clientId, scope: splitList(`${former} ${scope}`).join(' '), now })
}
