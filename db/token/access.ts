import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { removedAt } from '../client/removed.ts'
import type { Act, Engine } from '../engine/act.ts'
import { assign, command, excluded, insertInto, names, query, textParam } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { lockedBy } from '../locks/locked.ts'
import { clientCutoff, covers, grantCutoff, isCovered } from '../revocation/covers.ts'
import { participants, sessions, subjects } from '../schema.ts'
import { lockSession, rejectedBy, sessionBySid, sessionIsLive, sessionOf, standingOf, touch, touchDue, touchIsDue } from '../session/row.ts'
import type { SessionRow } from '../session/row.ts'
import type { TokenActs } from '../store.ts'

/**
 * Whether an access token is still valid. It refuses one that a revocation covers, whose session has ended, whose user or client is locked, or
 * that a removed client brings.
 */

export type Input = Parameters<TokenActs['checkAccess']>[0]
export type Access = Awaited<ReturnType<TokenActs['checkAccess']>>

/** Clients that bring the token, or that it was issued to. */
const clientsOf = [textParam('clientId'), textParam('needs')]
type Concerned = { clientId: string; needs: string | undefined; audience: string | undefined }
const standingOfGrant = query(
  {
    cutoff: grantCutoff(textParam('sid'), textParam('clientId')),
    removedAt: removedAt(textParam('needs')),
    lock: lockedBy({ tid: textParam('tid'), oid: textParam('oid'), clients: clientsOf, audience: textParam('audience') }),
  },
  (_: Takes<Concerned & { sid: string; tid: string; oid: string }>, f) => sql`SELECT ${f}`,
)
const standingOfClient = query(
  {
    cutoff: clientCutoff(textParam('clientId')),
    removedAt: removedAt(textParam('needs')),
    lock: lockedBy({ clients: clientsOf, audience: textParam('audience') }),
  },
  (_: Takes<Concerned>, f) => sql`SELECT ${f}`,
)
// No sign-in at that client: it still gets what was revoked there before.
const join = command(
  (p: Takes<{ sid: string; clientId: string; now: number; head: number }>) =>
    sql`${insertInto(participants, { sid: p.sid, clientId: p.clientId, firstAt: p.now, lastAt: p.now, joinedSeq: p.head })}
      ON CONFLICT (${names(participants.sid, participants.clientId)})
      DO UPDATE SET ${assign(participants, { lastAt: excluded(participants.lastAt) })}`,
)

const isValid = (row: { cutoff: number; removedAt: number | null; lock: string | null } | undefined, rev: number): boolean =>
  row?.removedAt === null && row.lock === null && !covers(row.cutoff, rev)

/** Of a row of `sessions`: whether the act finds the token valid and writes nothing, as a condition of SQL. May be narrower than the act, never wider. */
export const isPlainlyValid = (p: Takes<Omit<Input, 'joins' | 'needs' | 'audience'> & Pick<Concerned, 'needs' | 'audience'>>): SQL =>
  sql`${sessions.sub} = ${p.sub} AND ${sessionIsLive(p.now)} AND NOT (${p.touch} AND ${touchIsDue(p.now)})
    AND NOT ${isCovered(grantCutoff(sessions.sid, p.clientId), p.rev)} AND ${removedAt(p.needs)} IS NULL
    AND ${lockedBy({ tid: sessions.tid, oid: subjects.oid, clients: [p.clientId, p.needs], audience: p.audience })} IS NULL`

function* accessOf(row: SessionRow | undefined, { sub, clientId, rev, now, joins, needs = joins, audience }: Input): Act<Access> {
  const standing = yield* standingOf(row, now)
  if (row === undefined || standing.state === 'unknown' || row.sub !== sub) return { outcome: 'rejected', why: 'unknown' }
  if (standing.state === 'ended') return { outcome: 'rejected', why: rejectedBy(standing.why) }
  const grant = yield* standingOfGrant.get({ sid: row.sid, tid: row.tid, oid: row.oid, clientId, needs, audience })
  if (isValid(grant, rev)) return { outcome: 'good', session: standing.session }
  return { outcome: 'rejected', why: typeof grant?.lock === 'string' ? 'locked' : 'revoked' }
}

/** @returns the answer, and whether it has to be made again by `join` because something is to be written */
function* look(input: Input): Act<{ access: Access; writes: boolean }> {
  const row = yield* sessionBySid(input.sid)
  const access = yield* accessOf(row, input)
  const joins = input.joins !== undefined || (input.touch && row !== undefined && touchDue(row, input.now))
  return { access, writes: access.outcome === 'good' && joins }
}

function* lookAndWrite(input: Input): Act<Access> {
  const { sid, clientId, now, joins } = input
  yield* lockSession(sid)
  const row = yield* sessionBySid(sid)
  const access = yield* accessOf(row, input)
  if (access.outcome === 'rejected' || row === undefined) return access
  if (joins !== undefined) yield* join.run({ sid, clientId: joins, now, head: row.head })
  if (input.touch) yield* touch(row, clientId, now)
  return { outcome: 'good', session: yield* sessionOf(row) }
}

export async function checkAccess({ read, write }: Engine, input: Input): Promise<Access> {
  const { access, writes } = await read(() => look(input))
  return writes ? write(() => lookAndWrite(input)) : access
}

export function* checkClientAccess({ clientId, rev, needs, audience }: Parameters<TokenActs['checkClientAccess']>[0]): Act<boolean> {
  return isValid(yield* standingOfClient.get({ clientId, needs, audience }), rev)
}
