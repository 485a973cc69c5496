import { sql, type Column, type SQL } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { columnsOf, query, textParam, type Takes } from '../engine/statement.ts'
import { clients } from '../schema.ts'
import { headOfLog } from './covers.ts'
import { lockedBy } from './locked.ts'

/**
 * The removal of a client, as a field for acts to read in their own statement, because a broker's
 * registry may be older than the removal. The removal's revocation covers what was issued before
 * it; this check rejects what would be issued after it.
 */

/** A field: when the client was removed. NULL where it is registered, or never was. */
export const removedAt = (clientId: Column | SQL): SQL<number | null> =>
  sql<
    number | null
  >`(SELECT ${clients.removedAt} FROM ${clients} WHERE ${clients.clientId} = ${clientId})`

const grant = query(
  {
    rev: headOfLog,
    lock: lockedBy({ clients: [clients.clientId], audience: textParam('audience') }),
  },
  (p: Takes<{ clientId: string; audience: string }>, f) =>
    sql`SELECT ${f} FROM ${clients} WHERE ${clients.clientId} = ${p.clientId} AND ${clients.removedAt} IS NULL`,
)

const removal = query(
  columnsOf(clients, 'removedAt'),
  (p: Takes<{ clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${clients} WHERE ${clients.clientId} = ${p.clientId}`,
)

/**
 * Returns whether the client was removed. The caller reads the head of the log first: a removal
 * that is not visible here revokes what is opened against that head.
 */
export function* isRemoved(clientId: string): Act<boolean> {
  return ((yield* removal.get({ clientId }))?.removedAt ?? null) !== null
}

/**
 * Returns the `rev` of a token that a client gets for itself (RFC 6749 §4.4): the head of the log
 * in the snapshot in which the client is registered and not locked. `unknown`: the client is not
 * registered, or was removed.
 */
export function* grantClient(input: {
  clientId: string
  audience: string
}): Act<{ outcome: 'granted'; rev: number } | { outcome: 'rejected'; why: 'unknown' | 'locked' }> {
  const row = yield* grant.get(input)
  if (row === undefined) return { outcome: 'rejected', why: 'unknown' }
  return row.lock === null
    ? { outcome: 'granted', rev: row.rev }
    : { outcome: 'rejected', why: 'locked' }
}
