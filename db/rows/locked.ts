import { sql, type Column, type SQL } from 'drizzle-orm'
import type { LockKind } from '../../src/protocol/lock-target.ts'
import type { Act } from '../engine/act.ts'
import { query, textParam, type Takes } from '../engine/statement.ts'
import { locks } from '../schema.ts'

/**
 * The only place with the locking rule: whether a user, a tenant or a client is locked, as a field
 * for acts to read in their own statement, never from a cache. The lock's revocation covers what
 * was opened before it; this check rejects what would be opened after it.
 */

type Key = Column | SQL

export interface Concerned {
  /** The user's tenant and, in it, the object id. A lock of the tenant applies to the user too. */
  tid?: Key
  oid?: Key
  /** The human's home account id: a guest has a user in each tenant. */
  homeId?: Key
  clients?: readonly Key[]
  /** The audience of a token, valid at every client that has it. */
  audience?: Key
}

const isOpen = sql`${locks.liftedAt} IS NULL`

/**
 * Returns the kind of an open lock on any of those concerned; NULL where none is locked. While no
 * lock is open at all, which a statement checks once, the rule costs a row nothing.
 */
export function lockedBy({
  tid,
  oid,
  homeId,
  clients = [],
  audience,
}: Concerned): SQL<LockKind | null> {
  const user =
    tid !== undefined && oid !== undefined
      ? [sql`${locks.kind} = 'user' AND ${locks.key} = ${tid} AND ${locks.oid} = ${oid}`]
      : []
  const home =
    homeId === undefined ? [] : [sql`${locks.homeId} IS NOT NULL AND ${locks.homeId} = ${homeId}`]
  const tenant =
    tid === undefined
      ? []
      : [sql`${locks.kind} = 'tenant' AND ${locks.key} = ${tid} AND ${locks.oid} = ''`]
  const client = clients.map(
    (id) => sql`${locks.kind} = 'client' AND ${locks.key} = ${id} AND ${locks.oid} = ''`,
  )
  const owner =
    audience === undefined
      ? []
      : [sql`${locks.audience} IS NOT NULL AND ${locks.audience} = ${audience}`]
  const any = sql.join(
    [...user, ...home, ...tenant, ...client, ...owner].map((one) => sql`(${isOpen} AND ${one})`),
    sql` OR `,
  )
  return sql<LockKind | null>`CASE WHEN EXISTS (SELECT 1 FROM ${locks} WHERE ${isOpen})
    THEN (SELECT ${locks.kind} FROM ${locks} WHERE ${any} LIMIT 1) END`
}

type User = {
  tid: string
  oid: string
  homeId?: string | undefined
}
const ofSignIn = query(
  {
    lock: lockedBy({
      tid: textParam('tid'),
      oid: textParam('oid'),
      homeId: textParam('homeId'),
      clients: [textParam('clientId')],
      audience: textParam('audience'),
    }),
  },
  (_: Takes<User & { clientId: string | undefined; audience: string | undefined }>, f) =>
    sql`SELECT ${f}`,
)

/**
 * Returns the kind of lock on a user, or on the client that they sign in to. An act that opens
 * something calls it after it has read the head of the log: a lock is either visible here, or its
 * revocation comes after that head.
 */
export function* lockOf(
  { tid, oid, homeId }: User,
  code?: { clientId: string; audience: string },
): Act<LockKind | undefined> {
  return (
    (yield* ofSignIn.get({ tid, oid, homeId, clientId: code?.clientId, audience: code?.audience }))
      ?.lock ?? undefined
  )
}
