import { sql } from 'drizzle-orm'
import type { Reason } from '../../src/protocol/revocation.ts'
import type { Act } from '../engine/act.ts'
import { forUpdate, withoutReprepare, indexedBy, least } from '../engine/dialect.ts'
import { assign, columnsOf, command, query, type RowOf, type Takes } from '../engine/statement.ts'
import { lockHead } from '../log/head.ts'
import { joinUser } from '../rows/session.ts'
import { sessions, subjects } from '../schema.ts'
import { emitClaimsChange } from '../stream/emit.ts'
import type { Committed, ProbeDue, ProbeFinding } from '../types.ts'
import { endAuthenticated } from './end.ts'

/**
 * The sessions that are due for a probe, and the results of probes. A result is discarded if a
 * sign-in has replaced the tokens that were probed.
 */

const dueFields = {
  ...columnsOf(sessions, 'sid', 'sub', 'tid', 'probePhase', 'probedAt'),
  oid: subjects.oid,
  cacheSealed: sql<string>`${sessions.microsoftCacheSealed}`,
}

const dueOf = (row: RowOf<typeof dueFields>): ProbeDue => ({
  sid: row.sid,
  sub: row.sub,
  user: { tid: row.tid, oid: row.oid },
  phase: row.probePhase,
  cacheSealed: row.cacheSealed,
  probedAt: row.probedAt,
})

const isProbed = (p: Takes<{ now: number }>) =>
  sql`${sessions.endedSeq} IS NULL AND ${sessions.microsoftCacheSealed} IS NOT NULL AND ${sessions.deadlineAt} > ${p.now}`
type Places = {
  tid: string
  phase: number
  sid: string
  before: number
  limit: number
  now: number
}
const due = query(
  dueFields,
  (p: Takes<Places>, f) =>
    sql`SELECT ${f} FROM ${sessions}${indexedBy('sessions_to_probe')} ${joinUser} WHERE ${sessions.tid} = ${withoutReprepare(p.tid)} AND ${isProbed(p)}
      AND (${sessions.probePhase}, ${sessions.sid}) > (${withoutReprepare(p.phase)}, ${withoutReprepare(p.sid)}) AND ${sessions.probePhase} < ${withoutReprepare(p.before)}
      ORDER BY ${sessions.probePhase}, ${sessions.sid} LIMIT ${p.limit}`,
)
type One = { sid: string; now: number }
const oneOf = (p: Takes<One>, f: ReturnType<typeof sql>) =>
  sql`SELECT ${f} FROM ${sessions} ${joinUser} WHERE ${sessions.sid} = ${withoutReprepare(p.sid)} AND ${isProbed(p)}`
const oneDue = query(dueFields, (p: Takes<One>, f) => oneOf(p, f))
const probedFields = { ...dueFields, ...columnsOf(sessions, 'roles') }
const oneLocked = query(
  probedFields,
  (p: Takes<One>, f) => sql`${oneOf(p, f)}${forUpdate(sessions)}`,
)
const vouch = command(
  (p: Takes<{ sid: string; cacheSealed: string; roles: string | undefined; now: number }>) =>
    sql`UPDATE ${sessions} SET ${assign(sessions, {
      microsoftCacheSealed: p.cacheSealed,
      probedAt: p.now,
      roles: sql`coalesce(${p.roles}, ${sessions.roles})`,
    })} WHERE ${sessions.sid} = ${p.sid}`,
)

/**
 * Marks a session because Microsoft demands a new sign-in: /authorize demands it at once, and at
 * `markAt` the session ends. The earlier of two marks is kept; a sign-in clears it.
 */
const mark = command(
  (p: Takes<{ sid: string; markAt: number; reason: Reason }>) =>
    sql`UPDATE ${sessions} SET ${assign(sessions, {
      markAt: p.markAt,
      markReason: p.reason,
      deadlineAt: least(sql`${sessions.deadlineAt}`, p.markAt),
    })} WHERE ${sessions.sid} = ${p.sid} AND (${sessions.markAt} IS NULL OR ${sessions.markAt} > ${p.markAt})`,
)

/**
 * Returns live sessions of a tenant whose place is after `phase` and `sid`, up to phase `before`
 * (excluded), in the order of their places.
 */
export function* dueProbes(places: Places): Act<ProbeDue[]> {
  return (yield* due.all(places)).map(dueOf)
}

/** Returns one session in the form of `takeProbes`, if it is live and has Microsoft's tokens. */
export function* findProbe(sid: string, now: number): Act<ProbeDue | undefined> {
  const row = yield* oneDue.get({ sid, now })
  return row && dueOf(row)
}

type Probed = RowOf<typeof probedFields>

function* apply(session: Probed, finding: ProbeFinding, now: number): Act<Committed[]> {
  const { sid, sub } = session
  const actor = { kind: 'microsoft', id: 'probe' } as const
  switch (finding.outcome) {
    case 'vouched':
      yield* emitClaimsChange(session, finding.roles, now)
      yield* vouch.run({
        sid,
        cacheSealed: finding.cacheSealed,
        roles: finding.roles && JSON.stringify(finding.roles),
        now,
      })
      return []
    case 'mark':
      yield* mark.run({ sid, markAt: finding.markAt, reason: finding.reason })
      return []
    case 'end_session':
      return yield* endAuthenticated({ sub, sid, reason: finding.reason, actor, now })
    case 'end_user':
      return yield* endAuthenticated({
        sub,
        surely: sid,
        until: finding.until,
        reason: finding.reason,
        actor,
        now,
      })
  }
}

type Probe = {
  sid: string
  cacheWas: string
  finding: ProbeFinding
  now: number
}
type Recorded = { outcome: 'recorded' | 'stale'; committed: Committed[] }

/**
 * Applies the result of a probe, if the session still has the tokens that were probed. If a sign-in
 * has replaced them, the result is meaningless (`stale`).
 */
export function* recordProbe({ sid, cacheWas, finding, now }: Probe): Act<Recorded> {
  // Locks the head before the session, in the order of every act that revokes.
  if (finding.outcome === 'end_session' || finding.outcome === 'end_user') yield* lockHead()
  const row = yield* oneLocked.get({ sid, now })
  if (row?.cacheSealed !== cacheWas) return { outcome: 'stale', committed: [] }
  return { outcome: 'recorded', committed: yield* apply(row, finding, now) }
}
