import { sql } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { assign, columnsOf, command, query, type RowOf, type Takes } from '../engine/statement.ts'
import { lockHead } from '../log/head.ts'
import { covers, grantCutoff } from '../rows/covers.ts'
import { isLive, lockSession, sessionBySid } from '../rows/session.ts'
import { participants } from '../schema.ts'
import type { Committed } from '../types.ts'
import { appendRevocation } from './revoke.ts'

/**
 * Revokes grants whose user's authentication has become too old for the client. The session and its
 * other grants stay valid.
 */

const pageFields = columnsOf(participants, 'sid', 'clientId')
const page = query(
  pageFields,
  (p: Takes<{ now: number; limit: number }>, f) =>
    sql`SELECT ${f} FROM ${participants} WHERE ${participants.freshUntil} <= ${p.now}
      ORDER BY ${participants.freshUntil}, ${participants.sid}, ${participants.clientId} LIMIT ${p.limit}`,
)
type Grant = { sid: string; clientId: string }
const isOne = (p: Takes<Grant>) =>
  sql`${participants.sid} = ${p.sid} AND ${participants.clientId} = ${p.clientId}`
const oneGrant = query(
  {
    ...columnsOf(participants, 'joinedSeq', 'freshUntil'),
    cutoff: grantCutoff(sql`${sql.placeholder('sid')}`, sql`${sql.placeholder('clientId')}`),
  },
  (p: Takes<Grant>, f) => sql`SELECT ${f} FROM ${participants} WHERE ${isOne(p)}`,
)
const done = command(
  (p: Takes<Grant>) =>
    sql`UPDATE ${participants} SET ${assign(participants, { freshUntil: null })} WHERE ${isOne(p)}`,
)

function* expire(grant: Grant, now: number): Act<Committed[]> {
  yield* lockSession(grant.sid)
  const session = yield* sessionBySid(grant.sid)
  const row = yield* oneGrant.get(grant)
  // Another broker has already ended the grant, or the user has signed in again since.
  if (row === undefined || row.freshUntil === null || row.freshUntil > now) return []
  yield* done.run(grant)
  if (session === undefined || !isLive(session, now) || covers(row.cutoff, row.joinedSeq)) return []
  const actor = { kind: 'broker', id: 'sweep-expired' } as const
  return [
    yield* appendRevocation({
      selector: { kind: 'grant', ...grant },
      reason: 'expired',
      actor,
      now,
      priority: 'background',
    }),
  ]
}

function* expireAll(grants: RowOf<typeof pageFields>[], now: number): Act<Committed[]> {
  yield* lockHead()
  const committed: Committed[] = []
  for (const grant of grants) committed.push(...(yield* expire(grant, now)))
  return committed
}

/**
 * Ends grants whose user's authentication has become too old for their client, each through the
 * log. Most calls find none and write nothing.
 */
export async function expireGrants(
  { read, writePage }: Engine,
  { now, limit }: { now: number; limit: number },
) {
  const grants = await read(() => page.all({ now, limit }))
  const committed = grants.length === 0 ? [] : await writePage(() => expireAll(grants, now))
  return { committed, more: grants.length === limit }
}
