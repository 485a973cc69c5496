import { sql, type SQL } from 'drizzle-orm'
import { OF_MANY } from '../../src/protocol/revocation.ts'
import type { Act, Engine } from '../engine/act.ts'
import { forUpdateSkipLocked, withoutReprepare, indexedBy } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  query,
  type Param,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { addUncounted } from '../outbox/add.ts'
import { applyCountChanges, type Move } from '../outbox/counts.ts'
import { covers } from '../rows/covers.ts'
import { recordEnd } from '../rows/history.ts'
import { lockSession } from '../rows/session.ts'
import { participants, revocations, sessions } from '../schema.ts'
import type { DeliveryRef } from '../types.ts'
import { endSession } from './effect.ts'

/**
 * The fan-out of wide revocations, in batches. The cutoff has already revoked everything at its
 * commit; the fan-out writes that into the rows of the sessions and adds their deliveries, in the
 * order of sid. It stores its cursor, so that a crash loses nothing, several brokers can share the
 * work, and no session gets two deliveries for one revocation.
 */

/**
 * The number of sessions that an act may look at for each one that it may write: a look costs a
 * twentieth of a write.
 */
const LOOKED_AT = 10

const pendingFields = {
  ...columnsOf(
    revocations,
    'seq',
    'kind',
    'sub',
    'tid',
    'clientId',
    'at',
    'atMs',
    'reason',
    'actorKind',
    'actorId',
    'fanOutCursor',
  ),
}
type Pending = RowOf<typeof pendingFields>

const isPending = sql`${revocations}${indexedBy('revocations_pending')} WHERE ${revocations.fanOut} = 'pending'`
const isWider = sql`${revocations.kind} IN (${sql.raw(OF_MANY.map((kind) => `'${kind}'`).join())})`
// Claims the first revocation for this broker until the act ends. Another broker takes the next.
const firstClaimed = sql`ORDER BY ${revocations.seq} LIMIT 1${forUpdateSkipLocked(revocations)}`
// A revocation of one user comes first: it is short, and a user waits for it.
const ofUser = query(
  pendingFields,
  (_, f) => sql`SELECT ${f} FROM ${isPending} AND ${revocations.kind} = 'subject' ${firstClaimed}`,
)
const wider = query(
  pendingFields,
  (p: Takes<{ after: number }>, f) =>
    sql`SELECT ${f} FROM ${isPending} AND ${isWider} AND ${revocations.seq} > ${p.after} ${firstClaimed}`,
)
const any = query(
  columnsOf(revocations, 'seq'),
  (_, f) => sql`SELECT ${f} FROM ${isPending} LIMIT 1`,
)
const oldestWide = query(
  columnsOf(revocations, 'seq', 'at'),
  (_, f) => sql`SELECT ${f} FROM ${isPending} AND ${isWider} ORDER BY ${revocations.seq} LIMIT 1`,
)
const advance = command(
  (p: Takes<{ seq: number; cursor: string; fanOut: string; ended: number }>) =>
    sql`UPDATE ${revocations} SET ${assign(revocations, {
      fanOutCursor: p.cursor,
      fanOut: p.fanOut,
      sessions: sql`${revocations.sessions} + ${p.ended}`,
    })} WHERE ${revocations.seq} = ${p.seq}`,
)

type PageAt = {
  /** The selector's `sub`, `tid` or `client_id`. */
  key: string
  cursor: string
  limit: number
}
// A page ends with the last session that it looked at, covered or not, so that an act reads a
// bounded number of rows.
const sessionPage = (index: string, matches?: (key: Param<string>) => SQL) =>
  query(
    { ...columnsOf(sessions, 'sid', 'sub'), openedSeq: sql<number | null>`${sessions.openedSeq}` },
    (p: Takes<PageAt>, f) =>
      sql`SELECT ${f} FROM ${sessions}${indexedBy(index)} WHERE ${matches === undefined ? sql`` : sql`${matches(p.key)} AND `}${sessions.sid} > ${p.cursor}
        AND ${sessions.endedSeq} IS NULL ORDER BY ${sessions.sid} LIMIT ${p.limit}`,
  )
const PAGES = {
  subject: sessionPage('sessions_open_by_sub', (sub) => sql`${sessions.sub} = ${sub}`),
  tenant: sessionPage('sessions_open_by_tenant', (tid) => sql`${sessions.tid} = ${tid}`),
  everything: sessionPage('sessions_open'),
  client: query(
    {
      sid: participants.sid,
      sub: sql<string>`coalesce(${sessions.sub}, '')`,
      /**
       * The start of the participation; NULL where its session has ended. A session that the client
       * opened on its side before the revocation may still be open there.
       */
      openedSeq: sql<
        number | null
      >`CASE WHEN ${sessions.sid} IS NOT NULL AND ${sessions.endedSeq} IS NULL THEN ${participants.firstSeq} END`,
    },
    (p: Takes<PageAt>, f) =>
      sql`SELECT ${f} FROM ${participants}${indexedBy('participants_by_client')} LEFT JOIN ${sessions} ON ${sessions.sid} = ${participants.sid}
        WHERE ${participants.clientId} = ${p.key} AND ${participants.sid} > ${p.cursor} ORDER BY ${participants.sid} LIMIT ${p.limit}`,
  ),
}
const participation = query(
  columnsOf(participants, 'sid'),
  (p: Takes<{ sid: string; clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${participants} JOIN ${sessions} ON ${sessions.sid} = ${participants.sid}
      WHERE ${participants.sid} = ${withoutReprepare(p.sid)} AND ${participants.clientId} = ${withoutReprepare(p.clientId)} AND ${sessions.endedSeq} IS NULL`,
)

interface Advanced {
  pending: DeliveryRef[]
  written: number
  lookedAt: number
}

function* claimNext(lastWide: number): Act<Pending | undefined> {
  return (
    (yield* ofUser.get({})) ??
    (yield* wider.get({ after: lastWide })) ??
    (yield* wider.get({ after: 0 }))
  )
}

/**
 * Locks the session, and ends it, or records in its user's history that one client's part of it has
 * ended. The row must be checked again, because it was read before the lock.
 * @returns false where another act has already ended it
 */
function* take(
  { seq, kind, clientId, at, reason, actorKind, actorId }: Pending,
  sid: string,
): Act<boolean> {
  const end = { seq, at, reason, actor: { kind: actorKind, id: actorId } }
  if (kind !== 'client' || clientId === null) return yield* endSession(sid, end)
  yield* lockSession(sid)
  if ((yield* participation.get({ sid, clientId })) === undefined) return false
  yield* recordEnd({ sid, clientId, ...end })
  return true
}

/** Writes the next sessions of one revocation, up to about `limit` deliveries. */
function* advanceOne(revocation: Pending, limit: number, moves: Move[]): Act<Advanced> {
  const { seq, kind, atMs, fanOutCursor } = revocation
  if (kind === 'session' || kind === 'grant') return { pending: [], written: 0, lookedAt: 0 }
  const key = revocation.sub ?? revocation.tid ?? revocation.clientId ?? ''
  const page = yield* PAGES[kind].all({ key, cursor: fanOutCursor, limit })
  const clientId = kind === 'client' ? key : undefined
  const pending: DeliveryRef[] = []
  let [cursor, written] = [fanOutCursor, 0]
  for (const { sid, sub, openedSeq } of page) {
    if (pending.length >= limit) break
    cursor = sid
    if (openedSeq === null || !covers(seq, openedSeq) || !(yield* take(revocation, sid))) continue
    const priority = kind === 'subject' ? 'urgent' : 'bulk'
    pending.push(
      ...(yield* addUncounted({ seq, atMs, sid, sub, clientId, wide: true, priority }, moves)),
    )
    written += 1
  }
  const done = page.length < limit && cursor === (page.at(-1)?.sid ?? cursor)
  yield* advance.run({ seq, cursor, fanOut: done ? 'complete' : 'pending', ended: written })
  return { pending, written, lookedAt: page.length }
}

interface Batch {
  pending: DeliveryRef[]
  more: boolean
  /** The wide revocation that was written last. The next act begins after it. */
  lastWide: number
}

/**
 * Writes a batch of deliveries.
 * @param lastWide of the act before: wide revocations take turns, a batch each, so that a small one
 * does not wait until a large one is written
 */
function* advanceAll({ limit, lastWide: before }: { limit: number; lastWide: number }): Act<Batch> {
  const pending: DeliveryRef[] = []
  const moves: Move[] = []
  let [written, lookedAt, lastWide] = [0, 0, before]
  // The bound counts sessions that were only looked at as well, because these are work too.
  while (written < limit && lookedAt < LOOKED_AT * limit && pending.length < limit) {
    const revocation = yield* claimNext(lastWide)
    if (revocation === undefined) break
    const advanced = yield* advanceOne(revocation, limit - pending.length, moves)
    if (revocation.kind !== 'subject') lastWide = revocation.seq
    pending.push(...advanced.pending)
    written += 1 + advanced.written
    lookedAt += advanced.lookedAt
  }
  yield* applyCountChanges(moves)
  // `more` includes revocations that another broker works on: if that broker dies, this one
  // continues.
  return { pending, more: (yield* any.get({})) !== undefined, lastWide }
}

/** Returns the oldest wide revocation that is not in the histories of all its users yet. */
export const oldestFanOut = (): Act<{ seq: number; at: number } | undefined> => oldestWide.get({})

/**
 * Writes the next batch of the deliveries of wide revocations. `more` is true until none is left.
 * Each store keeps its own place among the revocations.
 */
export function fanOutPending({ writePage }: Engine) {
  let lastWide = 0
  return async ({ limit }: { limit: number }): Promise<Omit<Batch, 'lastWide'>> => {
    const { pending, more, ...done } = await writePage(() => advanceAll({ limit, lastWide }))
    lastWide = done.lastWide
    return { pending, more }
  }
}
