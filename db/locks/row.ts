import { sql, type SQL } from 'drizzle-orm'
import { lockTarget, type LockKey, type LockKind } from '../../src/protocol/lock-target.ts'
import type { Act } from '../engine/act.ts'
import { forUpdate } from '../engine/dialect.ts'
import { columnsOf, orAny, query, type RowOf, type Takes } from '../engine/statement.ts'
import { AFTER_EVERY_ID, optional } from '../engine/values.ts'
import { locks } from '../schema.ts'
import type { Lock } from '../types.ts'

/** Locks as rows. Lifted locks are kept as long as the audit log keeps the act. */

export const lockFields = {
  ...columnsOf(
    locks,
    'id',
    'kind',
    'key',
    'oid',
    'homeId',
    'caseReference',
    'comment',
    'actorKind',
    'actorId',
    'at',
    'endsAt',
    'seq',
  ),
  ...columnsOf(locks, 'liftedAt', 'liftedByKind', 'liftedById', 'liftCaseReference', 'liftComment'),
}
export type LockRow = RowOf<typeof lockFields>

const liftedOf = ({
  liftedAt,
  liftedByKind,
  liftedById,
  liftCaseReference,
  liftComment,
}: LockRow): Lock['lifted'] =>
  liftedAt === null || liftedByKind === null || liftedById === null
    ? undefined
    : {
        at: liftedAt,
        actor: { kind: liftedByKind, id: liftedById },
        caseReference: optional(liftCaseReference),
        comment: optional(liftComment),
      }

export const lockFrom = (row: LockRow): Lock => ({
  id: row.id,
  target: lockTarget(row),
  actor: { kind: row.actorKind, id: row.actorId },
  at: row.at,
  caseReference: optional(row.caseReference),
  comment: optional(row.comment),
  endsAt: optional(row.endsAt),
  seq: optional(row.seq),
  lifted: liftedOf(row),
})

const byId = query(
  lockFields,
  (p: Takes<{ id: string }>, f) => sql`SELECT ${f} FROM ${locks} WHERE ${locks.id} = ${p.id}`,
)
const openLocked = query(
  lockFields,
  (p: Takes<{ kind: LockKind; key: string; oid: string }>, f) => sql`SELECT ${f} FROM ${locks}
    WHERE ${locks.liftedAt} IS NULL AND ${locks.kind} = ${p.kind} AND ${locks.key} = ${p.key} AND ${locks.oid} = ${p.oid}${forUpdate(locks)}`,
)

export function* findLock(id: string): Act<Lock | undefined> {
  const row = yield* byId.get({ id })
  return row && lockFrom(row)
}

/** Returns the open lock of a target. No other act changes it until this one ends. */
export const openLock = ({ kind, key, oid }: LockKey): Act<LockRow | undefined> =>
  openLocked.get({ kind, key, oid })

type Filters = {
  kind: LockKind | null
  key: string | null
  oid: string | null
  caseReference: string | null
  before: string
  limit: number
}
const list = (which: SQL) =>
  query(
    lockFields,
    (p: Takes<Filters>, f) => sql`SELECT ${f} FROM ${locks}
      WHERE ${locks.id} < ${p.before} AND ${which} AND ${orAny(locks.kind, p.kind)} AND ${orAny(locks.key, p.key)}
        AND ${orAny(locks.oid, p.oid)} AND ${orAny(locks.caseReference, p.caseReference)}
      ORDER BY ${locks.id} DESC LIMIT ${p.limit}`,
  )
const lists = {
  open: list(sql`${locks.liftedAt} IS NULL`),
  lifted: list(sql`${locks.liftedAt} IS NOT NULL`),
  all: list(sql`1 = 1`),
}
/**
 * Lists locks, newest first, from before the lock `before`. Ids begin with their time, so their
 * order is that of time.
 */
export function* listLocks(input: {
  state: 'open' | 'lifted' | 'all'
  kind?: LockKind | undefined
  /** The tid of a user or tenant, or a client_id. */
  key?: string | undefined
  oid?: string | undefined
  caseReference?: string | undefined
  before?: string | undefined
  limit: number
}): Act<Lock[]> {
  const {
    state,
    kind = null,
    key = null,
    oid = null,
    caseReference = null,
    before = AFTER_EVERY_ID,
    limit,
  } = input
  return (yield* lists[state].all({ kind, key, oid, caseReference, before, limit })).map(lockFrom)
}

const counts = query(
  {
    kind: locks.kind,
    open: sql<number>`count(*)`,
  },
  (_, f) =>
    sql`SELECT ${f} FROM ${locks} WHERE ${locks.liftedAt} IS NULL GROUP BY ${locks.kind} ORDER BY ${locks.kind}`,
)
/** Returns how many locks of each kind are open. */
export function* lockCounts(): Act<{ kind: LockKind; open: number }[]> {
  return yield* counts.all({})
}
