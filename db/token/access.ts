import { sql } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { assign, command, excluded, insertInto, names, query } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { clientCutoff, covers, grantCutoff } from '../revocation/covers.ts'
import { participants } from '../schema.ts'
import { lockSession, rejectedBy, sessionBySid, sessionOf, standingOf, touch, touchDue } from '../session/row.ts'
import type { SessionRow } from '../session/row.ts'
import type { TokenActs } from '../store.ts'

/** Whether an access token is still valid. It refuses one that a revocation covers, or whose session has ended. */

type Input = Parameters<TokenActs['checkAccess']>[0]
type Access = Awaited<ReturnType<TokenActs['checkAccess']>>

const cutoffOfGrant = query(
  { cutoff: grantCutoff(sql`CAST(${sql.placeholder('sid')} AS text)`, sql`CAST(${sql.placeholder('clientId')} AS text)`) },
  (_: Takes<{ sid: string; clientId: string }>, f) => sql`SELECT ${f}`,
)
const cutoffOfClient = query(
  { cutoff: clientCutoff(sql`CAST(${sql.placeholder('clientId')} AS text)`) },
  (_: Takes<{ clientId: string }>, f) => sql`SELECT ${f}`,
)
// No sign-in at that client: it still gets what was revoked there before.
const join = command(
  (p: Takes<{ sid: string; clientId: string; now: number; head: number }>) =>
    sql`${insertInto(participants, { sid: p.sid, clientId: p.clientId, firstAt: p.now, lastAt: p.now, joinedSeq: p.head })}
      ON CONFLICT (${names(participants.sid, participants.clientId)})
      DO UPDATE SET ${assign(participants, { lastAt: excluded(participants.lastAt) })}`,
)

function* accessOf(row: SessionRow | undefined, { sub, clientId, rev, now }: Input): Act<Access> {
  const standing = yield* standingOf(row, now)
  if (row === undefined || standing.state === 'unknown' || row.sub !== sub) return { outcome: 'rejected', why: 'unknown' }
  if (standing.state === 'ended') return { outcome: 'rejected', why: rejectedBy(standing.why) }
  const cutoff = (yield* cutoffOfGrant.get({ sid: row.sid, clientId }))?.cutoff ?? 0
  return covers(cutoff, rev) ? { outcome: 'rejected', why: 'revoked' } : { outcome: 'good', session: standing.session }
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

export function* checkClientAccess({ clientId, rev }: { clientId: string; rev: number }): Act<boolean> {
  const cutoff = (yield* cutoffOfClient.get({ clientId }))?.cutoff ?? 0
  return !covers(cutoff, rev)
}
