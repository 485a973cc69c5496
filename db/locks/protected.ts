import { sql } from 'drizzle-orm'
import { ROLE } from '../../src/protocol/names.ts'
import type { Actor } from '../../src/protocol/revocation.ts'
import type { Act } from '../engine/act.ts'
import { forUpdate, withoutReprepare } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  excluded,
  insertInto,
  names,
  query,
  type Takes,
} from '../engine/statement.ts'
import { parseList } from '../engine/values.ts'
import { lockedBy } from '../rows/locked.ts'
import { findHuman, findSubject } from '../rows/user.ts'
import { clients, operators, sessions, subjects, tenants } from '../schema.ts'
import type { LockInput, LockProtection } from '../types.ts'

/**
 * Rejects locks after which no operator could lift them: of the actor's own account, the operator
 * tenant, the console's client, and the last two administrators. The socket on the broker's machine
 * can lift every lock.
 */

/** A role counts for 90 days after the console last saw it. */
const SEEN_SECONDS = 90 * 86_400
/** The number of administrators that must remain. */
const LEFT = 2

const tenant = query(
  columnsOf(tenants, 'tid'),
  (p: Takes<{ tid: string }>, f) =>
    sql`SELECT ${f} FROM ${tenants} WHERE ${tenants.tid} = ${p.tid}`,
)
const client = query(
  columnsOf(clients, 'source', 'metadata'),
  (p: Takes<{ clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${clients} WHERE ${clients.clientId} = ${p.clientId}${forUpdate(clients)}`,
)
const rolesOf = query(
  columnsOf(sessions, 'roles'),
  (p: Takes<{ sub: string }>, f) =>
    sql`SELECT ${f} FROM ${sessions} WHERE ${sessions.sub} = ${p.sub} AND ${sessions.endedSeq} IS NULL`,
)
const seenAs = query(
  columnsOf(operators, 'may'),
  (p: Takes<{ sub: string; since: number }>, f) =>
    sql`SELECT ${f} FROM ${operators} WHERE ${operators.sub} = ${p.sub} AND ${operators.seenAt} > ${p.since}`,
)
const otherAdministrators = query(
  { count: sql<number>`count(*)` },
  (
    p: Takes<{ sub: string; tid: string; since: number }>,
    f,
  ) => sql`SELECT ${f} FROM ${operators} JOIN ${subjects} ON ${subjects.sub} = ${operators.sub}
    WHERE ${operators.may} = 'administer' AND ${operators.sub} <> ${withoutReprepare(p.sub)} AND ${operators.seenAt} > ${withoutReprepare(p.since)}
      AND ${subjects.tid} = ${withoutReprepare(p.tid)}
      AND ${lockedBy({ tid: subjects.tid, oid: subjects.oid, homeId: subjects.homeId })} IS NULL`,
)
const see = command(
  (p: Takes<{ sub: string; may: string; now: number }>) =>
    sql`${insertInto(operators, { sub: p.sub, may: p.may, seenAt: p.now })} ON CONFLICT (${names(operators.sub)})
      DO UPDATE SET ${assign(operators, { may: excluded(operators.may), seenAt: excluded(operators.seenAt) })}`,
)

type Role = (typeof operators.$inferSelect)['may']

/**
 * Records the role of a user at the console. The store then knows who is an administrator, and who
 * is an administrator of their own tenant.
 */
export function* recordOperator(input: { sub: string; may: Role; now: number }): Act<void> {
  yield* see.run(input)
}

/** The facts that the store has of a target to be locked: of a user or of a client. */
export interface Known {
  /** The sub of a user who has signed in. */
  sub: string | undefined
  homeId: string | undefined
  /** The same human's users in other tenants. */
  others: string[]
  audience: string | undefined
}

const NONE: Known = { sub: undefined, homeId: undefined, others: [], audience: undefined }

/**
 * Returns the target, or undefined where it is unknown. A user need not have signed in if their
 * tenant is known, or if they are a guest elsewhere.
 */
export function* knownTarget(
  target: LockInput['target'],
): Act<(Known & { source?: string }) | undefined> {
  if (target.kind === 'client') {
    const row = yield* client.get(target)
    return (
      row && {
        ...NONE,
        audience: (JSON.parse(row.metadata) as { audience?: string }).audience,
        source: row.source,
      }
    )
  }
  const known = { ...NONE, ...(target.kind === 'user' && (yield* findHuman(target))) }
  return usersOf(known).length > 0 || (yield* tenant.get(target)) !== undefined ? known : undefined
}

function* roleOf(sub: string, now: number): Act<Exclude<Role, 'tenant'> | undefined> {
  const seen = yield* seenAs.get({ sub, since: now - SEEN_SECONDS })
  const roles = (yield* rolesOf.all({ sub })).flatMap((row) => parseList(row.roles) ?? [])
  if (seen?.may === 'administer' || roles.includes(ROLE.administrator)) return 'administer'
  if (seen?.may === 'operate' || roles.includes(ROLE.operator)) return 'operate'
  return seen?.may === 'audit' || roles.includes(ROLE.auditor) ? 'audit' : undefined
}

/**
 * Returns the user and their guest accounts in other tenants. The lock of a user covers all of
 * these, so their protection must too.
 */
const usersOf = ({ sub, others }: Known): string[] =>
  sub === undefined ? others : [sub, ...others]

const isSelf = (target: LockInput['target'], actor: Actor, known: Known): boolean =>
  target.kind === 'client'
    ? actor.kind === 'client' && actor.id === target.clientId
    : actor.kind === 'operator' && usersOf(known).includes(actor.id)

function* userIn(tid: string, subs: readonly string[]): Act<string | undefined> {
  for (const sub of subs) if ((yield* findSubject(sub))?.tid === tid) return sub
  return undefined
}

/** Returns why this actor must not lock the target; undefined where they may. */
export function* protection(
  input: LockInput,
  known: Known & { source?: string },
): Act<LockProtection | undefined> {
  const { target, actor, may, operatorTenant, now } = input
  if (isSelf(target, actor, known)) return 'self'
  if (known.source === 'broker') return 'console'
  if (target.kind === 'client' || operatorTenant === undefined) return undefined
  if (target.kind === 'tenant') return target.tid === operatorTenant ? 'operator_tenant' : undefined
  const sub = yield* userIn(operatorTenant, usersOf(known))
  const role = sub === undefined ? undefined : yield* roleOf(sub, now)
  if (role === undefined || sub === undefined) return undefined
  if (may === 'operate') return 'has_role'
  if (role !== 'administer') return undefined
  const others =
    (yield* otherAdministrators.get({ sub, tid: operatorTenant, since: now - SEEN_SECONDS }))
      ?.count ?? 0
  return others < LEFT ? 'last_administrators' : undefined
}
