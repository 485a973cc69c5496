import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { raisesFloor } from '../../src/protocol/revocation.ts'
import type { Actor, Reason, Selector } from '../../src/protocol/revocation.ts'
import type { Act } from '../engine/act.ts'
import { greatest } from '../engine/dialect.ts'
import { assign, command, excluded, insertInto, names, placeholders, query } from '../engine/statement.ts'
import type { Param, Takes } from '../engine/statement.ts'
import { authTimes, floors, floorWaivers } from '../schema.ts'
import { findSubject, findSubjectByUser } from './user.ts'

/**
 * Floors: how fresh a sign-in must be, so that a revocation is not undone by one click on Microsoft's account tile. It refuses a sign-in whose
 * visit to Microsoft began before the revocation, in every browser of the user. A floor only rises, and no act deletes or consumes it.
 */

type Kind = 'subject' | 'home' | 'tenant' | 'everything'
type Key = Param<string | undefined> | SQL<string>

const NO_KEY = sql<string>`''`
const literal = (kind: Kind): SQL => sql.raw(`'${kind}'`)
const floorOf = (kind: Kind, key: Key): SQL =>
  sql`coalesce((SELECT ${floors.seq} FROM ${floors} WHERE ${floors.kind} = ${literal(kind)} AND ${floors.key} = ${key}), 0)`
const waivedOf = (kind: Kind, key: Key, now: Param<number>): SQL =>
  sql`coalesce((SELECT ${floorWaivers.seq} FROM ${floorWaivers} WHERE ${floorWaivers.kind} = ${literal(kind)} AND ${floorWaivers.key} = ${key}
    AND ${floorWaivers.untilAt} > ${now}), 0)`

type Whose = { sub: string; homeId: string | undefined; tid: string }
const p: Takes<Whose & { now: number }> = placeholders
const demand = query(
  {
    floor: greatest(floorOf('subject', p.sub), floorOf('home', p.homeId), floorOf('tenant', p.tid), floorOf('everything', NO_KEY)),
    waived: greatest(waivedOf('subject', p.sub, p.now), waivedOf('tenant', p.tid, p.now), waivedOf('everything', NO_KEY, p.now)),
    provable: sql<number>`CASE WHEN EXISTS (SELECT 1 FROM ${authTimes} WHERE ${authTimes.tid} = ${p.tid}) THEN 1 ELSE 0 END`,
  },
  (_: Takes<Whose & { now: number }>, f) => sql`SELECT ${f}`,
)
const sawAuthTime = command(
  (q: Takes<{ tid: string; now: number }>) => sql`${insertInto(authTimes, { tid: q.tid, firstAt: q.now })} ON CONFLICT DO NOTHING`,
)
const raise = command(
  (q: Takes<{ kind: string; key: string; seq: number; atMs: number }>) =>
    sql`${insertInto(floors, { kind: q.kind, key: q.key, seq: q.seq, atMs: q.atMs })} ON CONFLICT (${names(floors.kind, floors.key)})
      DO UPDATE SET ${assign(floors, {
        seq: greatest(sql`${floors.seq}`, excluded(floors.seq)),
        atMs: greatest(sql`${floors.atMs}`, excluded(floors.atMs)),
      })}`,
)

/**
 * Whether a sign-in is fresh enough. To be called once the head of the log is held, so that no revocation comes in between.
 * @param provenSeq the head of the log when this browser's latest fresh visit of this user departed; 0: there was none
 * @param authTime of this sign-in; 0: Microsoft did not say. Where a tenant never says, no sign-in could meet a floor, and none is demanded.
 */
export function* meetsFloor(whose: Whose, { provenSeq, authTime, now }: { provenSeq: number; authTime: number; now: number }): Act<boolean> {
  const found = yield* demand.get({ ...whose, now })
  const { floor = 0, waived = 0, provable = 0 } = found ?? {}
  if (authTime > 0 && provable === 0) yield* sawAuthTime.run({ tid: whose.tid, now })
  return floor <= Math.max(provenSeq, waived) || (provable === 0 && authTime === 0)
}

/** Whether a sign-in of this user would have to be fresh: for the way to Microsoft. What a sign-in brings is judged by `meetsFloor`. */
export function* owesFreshSignIn(user: { tid: string; oid: string }, provenSeq: number, now: number): Act<boolean> {
  const { tid } = user
  const subject = yield* findSubjectByUser(tid, user.oid)
  if (subject === undefined) return false
  const { floor = 0, waived = 0, provable = 0 } = (yield* demand.get({ sub: subject.sub, homeId: subject.homeId, tid, now })) ?? {}
  return provable === 1 && floor > Math.max(provenSeq, waived)
}

interface Cause {
  selector: Selector
  reason: Reason
  actor: Actor
}
/** In the transaction of the revocation. The broker's own operators mean the human: the guest accounts in other tenants too. */
export function* raiseFloor({ selector, reason, actor }: Cause, at: { seq: number; atMs: number; sub?: string | undefined }): Act<void> {
  if (!raisesFloor(reason, selector)) return
  const { seq, atMs, sub } = at
  if (selector.kind === 'tenant') return void (yield* raise.run({ kind: 'tenant', key: selector.tid, seq, atMs }))
  if (selector.kind === 'everything') return void (yield* raise.run({ kind: 'everything', key: '', seq, atMs }))
  if (sub === undefined) return
  yield* raise.run({ kind: 'subject', key: sub, seq, atMs })
  if (actor.kind !== 'operator' && reason !== 'administrator') return
  const homeId = (yield* findSubject(sub))?.homeId
  if (homeId !== undefined) yield* raise.run({ kind: 'home', key: homeId, seq, atMs })
}
