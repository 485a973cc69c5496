import { sql, type SQL } from 'drizzle-orm'
import {
  raisesFloor,
  type Actor,
  type Reason,
  type Selector,
} from '../../src/protocol/revocation.ts'
import type { Act } from '../engine/act.ts'
import { greatest } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  excluded,
  insertInto,
  names,
  placeholders,
  query,
  type Param,
  type Takes,
} from '../engine/statement.ts'
import { authTimes, floors } from '../schema.ts'
import type { FreshDemand, FreshProof, Identified, User } from '../types.ts'
import { findSubject, findSubjectByUser, homeOf } from './user.ts'

/**
 * Floors: how fresh a sign-in must be, so that one click on Microsoft's account tile does not undo
 * a revocation. A sign-in whose visit to Microsoft began before the revocation is rejected, in
 * every browser of the user. A floor only rises, and no act deletes or consumes it.
 */

type Kind = 'subject' | 'home' | 'tenant' | 'everything'
type Key = Param<string | undefined> | SQL<string>

const NO_KEY = sql<string>`''`
const literal = (kind: Kind): SQL => sql.raw(`'${kind}'`)
const floorOf = (
  column: typeof floors.seq | typeof floors.securitySeq,
  kind: Kind,
  key: Key,
): SQL =>
  sql`coalesce((SELECT ${column} FROM ${floors} WHERE ${floors.kind} = ${literal(kind)} AND ${floors.key} = ${key}), 0)`
const waivedOf = (kind: Kind, key: Key, now: Param<number>): SQL =>
  sql`coalesce((SELECT ${floors.waivedSeq} FROM ${floors} WHERE ${floors.kind} = ${literal(kind)} AND ${floors.key} = ${key}
    AND ${floors.waivedUntil} > ${now}), 0)`

/** The accepted difference between clocks. A later time was written by a wrong clock. */
const SKEW_SECONDS = 60
/** The age from which an event concerns no sign-in that is under way. */
const OLDEST_EVENT_SECONDS = 86_400

const highest = (
  column: typeof floors.seq | typeof floors.securitySeq,
  { sub, homeId, tid }: Takes<Whose>,
): SQL<number> =>
  greatest(
    floorOf(column, 'subject', sub),
    floorOf(column, 'home', homeId),
    floorOf(column, 'tenant', tid),
    floorOf(column, 'everything', NO_KEY),
  )

type Whose = { sub: string; homeId: string | undefined; tid: string }
const p: Takes<Whose & { now: number }> = placeholders
const demand = query(
  {
    floor: highest(floors.seq, p),
    security: highest(floors.securitySeq, p),
    waived: greatest(
      waivedOf('subject', p.sub, p.now),
      waivedOf('tenant', p.tid, p.now),
      waivedOf('everything', NO_KEY, p.now),
    ),
    authenticatedAfter: sql<number>`coalesce((SELECT ${floors.authenticatedAfter} FROM ${floors}
      WHERE ${floors.kind} = ${literal('subject')} AND ${floors.key} = ${p.sub}), 0)`,
    provable: sql<number>`CASE WHEN EXISTS (SELECT 1 FROM ${authTimes} WHERE ${authTimes.tid} = ${p.tid}) THEN 1 ELSE 0 END`,
  },
  (_: Takes<Whose & { now: number }>, f) => sql`SELECT ${f}`,
)
const withAuthTime = query(
  columnsOf(authTimes, 'tid'),
  (_, f) => sql`SELECT ${f} FROM ${authTimes} ORDER BY ${authTimes.tid}`,
)
const sawAuthTime = command(
  (q: Takes<{ tid: string }>) =>
    sql`${insertInto(authTimes, { tid: q.tid })} ON CONFLICT DO NOTHING`,
)
const namedTime = query(
  columnsOf(floors, 'authenticatedAfter'),
  (q: Takes<{ sub: string }>, f) =>
    sql`SELECT ${f} FROM ${floors} WHERE ${floors.kind} = ${literal('subject')} AND ${floors.key} = ${q.sub}`,
)
const nameTime = command(
  (q: Takes<{ sub: string; authenticatedAfter: number }>) =>
    sql`${insertInto(floors, { kind: 'subject', key: q.sub, seq: 0, securitySeq: 0, authenticatedAfter: q.authenticatedAfter })} ON CONFLICT (${names(floors.kind, floors.key)})
      DO UPDATE SET ${assign(floors, {
        authenticatedAfter: greatest(
          sql`${floors.authenticatedAfter}`,
          excluded(floors.authenticatedAfter),
        ),
      })}`,
)
const raise = command(
  (q: Takes<Raised & { kind: string; key: string }>) =>
    sql`${insertInto(floors, { kind: q.kind, key: q.key, seq: q.seq, securitySeq: q.securitySeq })} ON CONFLICT (${names(floors.kind, floors.key)})
      DO UPDATE SET ${assign(floors, {
        seq: greatest(sql`${floors.seq}`, excluded(floors.seq)),
        securitySeq: greatest(sql`${floors.securitySeq}`, excluded(floors.securitySeq)),
      })}`,
)

type Found = { floor: number; security: number; waived: number }

/**
 * Returns what a sign-in still lacks. A visit for the context is sent with `prompt=login` too, so
 * it also meets the demand `fresh`.
 */
function unmet(
  { floor, security, waived }: Found,
  { provenSeq, contextSeq }: FreshProof,
): FreshDemand | undefined {
  if (contextSeq !== undefined && security > Math.max(contextSeq, waived)) return 'fresh_context'
  return floor > Math.max(provenSeq, waived) ? 'fresh' : undefined
}

/** The moments of a sign-in. */
interface Moments {
  /** 0: Microsoft did not say. */
  authTime: number
  /** Undefined: Microsoft identified the user now. */
  identified: Identified | undefined
  now: number
}

/**
 * Returns whether a revocation came after Microsoft identified the user, or an event that found no
 * session to end voids the authentication. A waiver is for users who cannot authenticate freshly.
 */
function isVoid(
  { floor, authenticatedAfter, waived }: Found & { authenticatedAfter: number },
  { authTime, identified, now }: Moments,
): boolean {
  if (identified !== undefined && floor > Math.max(identified.seq, waived)) return true
  if (waived > 0 || authenticatedAfter > now + SKEW_SECONDS) return false
  const at = identified?.at ?? now
  return authenticatedAfter >= (authTime > 0 ? Math.min(authTime, at) : at)
}

/**
 * Returns what a sign-in lacks to be fresh enough. The caller holds the head of the log, so that no
 * revocation comes in between. In a tenant that never sends `auth_time`, no sign-in could meet a
 * floor by sequence, so none is demanded.
 */
export function* missingFreshness(
  whose: Whose,
  { authTime, identified, now, ...proof }: FreshProof & Moments,
): Act<Missing> {
  const found = yield* demand.get({ ...whose, now })
  if (found === undefined) throw new Error('The query of the floors returned no row.')
  if (authTime > 0 && found.provable === 0) yield* sawAuthTime.run({ tid: whose.tid })
  const missing = found.provable === 0 && authTime === 0 ? undefined : unmet(found, proof)
  return missing ?? (isVoid(found, { authTime, identified, now }) ? 'fresh' : undefined)
}
type Missing = FreshDemand | undefined

/** A user who is about to visit Microsoft, with the proof that the browser already has. */
type Returning = FreshProof & { user: Pick<User, 'tid' | 'oid'>; now: number }
/**
 * Returns what a sign-in of this user has to bring from a browser with that proof, so that it is
 * demanded of Microsoft at once. `missingFreshness` judges the sign-in itself.
 */
export function* needsFreshSignIn({ user, now, ...proof }: Returning): Act<Missing> {
  const { tid } = user
  const subject = yield* findSubjectByUser(tid, user.oid)
  if (subject === undefined) return undefined
  const found = yield* demand.get({ sub: subject.sub, homeId: subject.homeId, tid, now })
  return found?.provable === 1 ? unmet(found, proof) : undefined
}

type Raised = {
  seq: number
  securitySeq: number
}

interface Cause {
  selector: Selector
  reason: Reason
  actor: Actor
}
/** Reasons that only operators give. In the admin API the actor of an operator is a client. */
const OPERATORS: readonly Reason[] = ['administrator', 'locked']

/**
 * Raises the floor of a revocation, in its transaction. The broker's operators mean the human, so
 * the guest accounts in other tenants are included. The administrator of a tenant means only the
 * user of that tenant.
 */
export function* raiseFloor(
  { selector, reason, actor }: Cause,
  at: { seq: number; sub?: string | undefined },
): Act<void> {
  const why = raisesFloor(reason, selector)
  if (why === false) return
  const { seq, sub } = at
  const raised: Raised = { seq, securitySeq: why === 'security' ? seq : 0 }
  if (selector.kind === 'tenant')
    return void (yield* raise.run({ kind: 'tenant', key: selector.tid, ...raised }))
  if (selector.kind === 'everything')
    return void (yield* raise.run({ kind: 'everything', key: '', ...raised }))
  if (sub === undefined) return
  yield* raise.run({ kind: 'subject', key: sub, ...raised })
  if (actor.tid !== undefined || (actor.kind !== 'operator' && !OPERATORS.includes(reason))) return
  const user = yield* findSubject(sub)
  if (user !== undefined) yield* raise.run({ kind: 'home', key: homeOf(user), ...raised })
}

/**
 * Voids the authentications of a user up to the time of an event that ended no session: a sign-in
 * may be under way. It adds no entry to the log, because it covers nothing that is open, and
 * writes only where the time is later than the last one.
 */
export function* voidAuthentications(
  { sub, reason }: { sub: string; reason: Reason },
  { until, now }: { until: number; now: number },
): Act<void> {
  if (raisesFloor(reason, { kind: 'subject', sub }) === false) return
  if (until < now - OLDEST_EVENT_SECONDS) return
  if (((yield* namedTime.get({ sub }))?.authenticatedAfter ?? 0) >= until) return
  yield* nameTime.run({ sub, authenticatedAfter: until })
}

/**
 * Returns the tenants that have sent `auth_time` in ID tokens. In others no fresh sign-in can be
 * demanded.
 */
export function* tenantsWithAuthTime(): Act<string[]> {
  return (yield* withAuthTime.all({})).map(({ tid }) => tid)
}
