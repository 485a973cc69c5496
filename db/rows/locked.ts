import { sql, type Column, type SQL } from 'drizzle-orm'
import type { LockKind } from '../../src/protocol/lock-target.ts'
import type { Act } from '../engine/act.ts'
import { columnsOf, query, textParam, type Takes } from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { locks, subjects } from '../schema.ts'
import type { LockInForce } from '../types.ts'

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
/** After every end of a lock, in epoch seconds. */
const NEVER = sql.raw(String(Number.MAX_SAFE_INTEGER))

/** Returns the condition for an open lock on any of those concerned. */
function isLocked({ tid, oid, homeId, clients = [], audience }: Concerned): SQL {
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
  return sql.join(
    [...user, ...home, ...tenant, ...client, ...owner].map(
      (condition) => sql`(${isOpen} AND ${condition})`,
    ),
    sql` OR `,
  )
}

/**
 * Returns the kind of an open lock on any of those concerned; NULL where none is locked. While no
 * lock is open at all, which a statement checks once, the rule costs a row nothing.
 */
export const lockedBy = (concerned: Concerned): SQL<LockKind | null> =>
  sql<LockKind | null>`CASE WHEN EXISTS (SELECT 1 FROM ${locks} WHERE ${isOpen})
    THEN (SELECT ${locks.kind} FROM ${locks} WHERE ${isLocked(concerned)} LIMIT 1) END`

type User = {
  tid: string
  oid: string
  homeId?: string | undefined
}
type Code = { clientId: string; audience: string }
type SignIn = Takes<User & { [K in keyof Code]: string | undefined }>
const concernedBySignIn = {
  tid: textParam('tid'),
  oid: textParam('oid'),
  homeId: textParam('homeId'),
  clients: [textParam('clientId')],
  audience: textParam('audience'),
}
const ofSignIn = query({ lock: lockedBy(concernedBySignIn) }, (_: SignIn, f) => sql`SELECT ${f}`)
const lasting = query(
  {
    ...columnsOf(locks, 'kind', 'endsAt'),
    authorTid: sql<
      string | null
    >`(SELECT ${subjects.tid} FROM ${subjects} WHERE ${subjects.sub} = ${locks.actorId})`,
  },
  (_: SignIn, f) =>
    sql`SELECT ${f} FROM ${locks} WHERE ${isLocked(concernedBySignIn)} ORDER BY coalesce(${locks.endsAt}, ${NEVER}) DESC LIMIT 1`,
)

/**
 * Returns the kind of lock on a user, or on the client that they sign in to. An act that opens
 * something calls it after it has read the head of the log: a lock is either visible here, or its
 * revocation comes after that head.
 */
export function* lockOf(user: User, code?: Code): Act<LockKind | undefined> {
  return (yield* ofSignIn.get(signInOf(user, code)))?.lock ?? undefined
}

const signInOf = ({ tid, oid, homeId }: User, code: Code | undefined) => ({
  tid,
  oid,
  homeId,
  clientId: code?.clientId,
  audience: code?.audience,
})

/**
 * Returns the open lock that keeps a user out the longest, for the user to read: by whom and until
 * when. Authors of the operators' tenant are operators: that tenant has no administrators.
 */
export function* lockInForce({
  user,
  code,
  operatorTenant,
}: {
  user: User
  code?: Code | undefined
  operatorTenant: string | undefined
}): Act<LockInForce | undefined> {
  const row = yield* lasting.get(signInOf(user, code))
  if (row === undefined) return undefined
  return {
    kind: row.kind,
    endsAt: optional(row.endsAt),
    byOwnTenant:
      row.kind !== 'client' && row.authorTid === user.tid && row.authorTid !== operatorTenant,
  }
}
