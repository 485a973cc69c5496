import { sql } from 'drizzle-orm'
import { currentTraceparent } from '../../src/runtime/request-context.ts'
import type { Actor, Reason, Selector } from '../../src/protocol/revocation.ts'
import { decodeSelector, encodeSelector, type SelectorMembers } from '../../src/protocol/selector.ts'
import { waitForJoins } from './joins.ts'
import type { Act, Ambient } from '../engine/act.ts'
import { each, forShare } from '../engine/dialect.ts'
import { assign, columnsOf, command, excluded, insertInto, lockRows, names, query } from '../engine/statement.ts'
import type { RowOf, Takes } from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { addUncounted } from '../outbox/add.ts'
import { moved } from '../outbox/counts.ts'
import type { Move } from '../outbox/counts.ts'
import { cutoffs, logHead, participants, revocations, sessions, subjects } from '../schema.ts'
import { raiseFloor } from '../session/floor.ts'
import { recordEnd } from '../session/history.ts'
import { lockSession } from '../session/row.ts'
import { StoreUnavailable } from '../store.ts'
import type { Committed, DeliveryRef, Priority, Revocation } from '../types.ts'
import { emitRevocation } from '../stream/emit.ts'
import { emit } from '../webhook/emit.ts'
import { eventsOf } from '../webhook/of-revocation.ts'
import { link } from './chain.ts'

/**
 * The log of revocations and its one entrance. Every end of a session, a grant or anything wider is appended here, inside the transaction of
 * the act that causes it, and announced by its commit. It refuses nothing: whether a revocation is due is for the acts to know.
 */

export interface Entry {
  selector: Selector
  reason: Reason
  actor: Actor
  now: number
  caseReference?: string | undefined
  comment?: string | undefined
  /** Of its deliveries; `urgent` if not given. */
  priority?: Priority | undefined
}

export const revocationFields = {
  ...columnsOf(revocations, 'seq', 'kind', 'sid', 'sub', 'clientId', 'tid', 'reason', 'actorKind', 'actorId', 'at', 'atMs', 'caseReference'),
  ...columnsOf(revocations, 'comment', 'fanOut', 'fanOutCursor', 'sessions', 'traceparent'),
}
export type RevocationRow = RowOf<typeof revocationFields>

const headRow = query(columnsOf(logHead, 'seq', 'epoch'), (_, f) => sql`SELECT ${f} FROM ${logHead} WHERE ${logHead.id} = 1`)
const headLock = lockRows(logHead, () => sql`${logHead.id} = 1`)
const headShared = query(columnsOf(logHead, 'seq'), (_, f) => sql`SELECT ${f} FROM ${logHead} WHERE ${logHead.id} = 1${forShare(logHead)}`)
const insertHead = command((p: Takes<{ epoch: string }>) => sql`${insertInto(logHead, { id: 1, seq: 0, epoch: p.epoch })} ON CONFLICT DO NOTHING`)
/**
 * On Postgres, only where the log was continued on the timeline of the server that runs it (db/postgres/lineage.ts): no entry has a number that
 * a former primary may have given to another one.
 */
const mayTakeEntries = each({
  sqlite: sql.empty(),
  postgres: sql` AND coalesce((SELECT timeline = substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) FROM lineage ORDER BY id DESC LIMIT 1), true)`,
})
const next = query(
  columnsOf(logHead, 'seq'),
  (_, f) => sql`UPDATE ${logHead} SET ${assign(logHead, { seq: sql`${logHead.seq} + 1` })} WHERE ${logHead.id} = 1${mayTakeEntries} RETURNING ${f}`,
)
type NewRevocation = Omit<RevocationRow, 'fanOutCursor'> & { hash: string; personalHash: string; salt: string }
const insert = query(revocationFields, (p: Takes<{ [K in keyof NewRevocation]: NewRevocation[K] }>, f) => {
  const { seq, kind, sid, sub, clientId, tid, reason, actorKind, actorId, at, atMs, caseReference, comment, fanOut } = p
  const columns = { seq, kind, sid, sub, clientId, tid, reason, actorKind, actorId, at, atMs, caseReference, comment, fanOut }
  const chained = { sessions: p.sessions, hash: p.hash, personalHash: p.personalHash, salt: p.salt, traceparent: p.traceparent }
  return sql`${insertInto(revocations, { ...columns, ...chained })} RETURNING ${f}`
})
const setCutoff = command(
  (p: Takes<{ kind: string; key: string; seq: number }>) =>
    sql`${insertInto(cutoffs, { kind: p.kind, key: p.key, seq: p.seq })} ON CONFLICT (${names(cutoffs.kind, cutoffs.key)})
      DO UPDATE SET ${assign(cutoffs, { seq: excluded(cutoffs.seq) })}`,
)
const writeEnd = command(
  (p: Takes<{ sid: string; seq: number; at: number; reason: string }>) =>
    sql`UPDATE ${sessions} SET ${assign(sessions, { endedSeq: p.seq, endedAt: p.at, endedReason: p.reason, microsoftCacheSealed: null })}
      WHERE ${sessions.sid} = ${p.sid} AND ${sessions.endedSeq} IS NULL`,
)
export interface End {
  seq: number
  at: number
  reason: Reason
  actor: Actor
}
/** @returns false where another act has ended it */
export function* endSession(ambient: Ambient, sid: string, end: End): Act<boolean> {
  const { seq, at, reason } = end
  if ((yield* writeEnd.run({ sid, seq, at, reason })) === 0) return false
  yield* recordEnd(ambient, { sid, ...end })
  return true
}
const endGrant = command(
  (p: Takes<{ sid: string; clientId: string; seq: number }>) =>
    sql`UPDATE ${participants} SET ${assign(participants, { grantCutoff: p.seq })}
      WHERE ${participants.sid} = ${p.sid} AND ${participants.clientId} = ${p.clientId}`,
)
const ownerOfSession = query(
  columnsOf(sessions, 'sub', 'tid'),
  (p: Takes<{ sid: string }>, f) => sql`SELECT ${f} FROM ${sessions} WHERE ${sessions.sid} = ${p.sid}`,
)
const tenantOfSubject = query(
  columnsOf(subjects, 'tid'),
  (p: Takes<{ sub: string }>, f) => sql`SELECT ${f} FROM ${subjects} WHERE ${subjects.sub} = ${p.sub}`,
)

export function* logHeadRow(): Act<{ seq: number; epoch: string }> {
  return (yield* headRow.get({})) ?? { seq: 0, epoch: '' }
}
/** The log of a new store. */
export function* ensureHead(epoch: string): Act<void> {
  yield* insertHead.run({ epoch })
}
export function* head(): Act<number> {
  return (yield* logHeadRow()).seq
}
/**
 * Waits for the act that appends, and keeps others from appending until this one ends: what is read afterwards is what the log's entry is
 * true of. An act that decides by rows whether it appends calls it before it reads them, and before it locks a session, as `append` does.
 */
export const lockHead = (): Act<unknown> => headLock.get({})
/**
 * The head that a session is opened against. No revocation commits between it and this act's commit: one that does not cover the session sees
 * it, and one that covers it finds its row.
 */
export function* headOfOpening(): Act<number> {
  return (yield* headShared.get({}))?.seq ?? 0
}

export const revocationOf = (row: RevocationRow): Revocation => ({
  seq: row.seq,
  // A row that lacks its member reads as everything: it revokes too much, never too little.
  selector: decodeSelector({ ...row, client_id: row.clientId }) ?? { kind: 'everything' },
  tid: optional(row.tid),
  reason: row.reason,
  actor: { kind: row.actorKind, id: row.actorId },
  at: row.at,
  caseReference: optional(row.caseReference),
  comment: optional(row.comment),
  fanOut: row.fanOut,
  sessions: row.sessions,
  traceparent: optional(row.traceparent),
})

/** The cutoff row of a wide selector. */
function cutoffKey(selector: Selector): { kind: string; key: string } | undefined {
  if (selector.kind === 'subject') return { kind: 'subject', key: selector.sub }
  if (selector.kind === 'client') return { kind: 'client', key: selector.clientId }
  if (selector.kind === 'tenant') return { kind: 'tenant', key: selector.tid }
  if (selector.kind === 'everything') return { kind: 'everything', key: '' }
  return undefined
}

function* whose(selector: Selector): Act<{ sub?: string | undefined; tid?: string | undefined }> {
  if (selector.kind === 'session' || selector.kind === 'grant') return (yield* ownerOfSession.get({ sid: selector.sid })) ?? {}
  if (selector.kind === 'subject') return { sub: selector.sub, ...(yield* tenantOfSubject.get({ sub: selector.sub })) }
  return selector.kind === 'tenant' ? { tid: selector.tid } : {}
}

/** Makes it effective, and adds the deliveries of a narrow revocation; those of a wide one are added in batches, later. */
function* apply(ambient: Ambient, entry: Entry, at: { seq: number; atMs: number; sub: string | undefined }, moves: Move[]): Act<DeliveryRef[]> {
  const { selector } = entry
  const { seq, atMs, sub } = at
  const wide = cutoffKey(selector)
  if (wide !== undefined) yield* setCutoff.run({ ...wide, seq })
  if (selector.kind !== 'session' && selector.kind !== 'grant') return []
  const { sid } = selector
  yield* lockSession(sid)
  const end = { seq, at: entry.now, reason: entry.reason, actor: entry.actor }
  if (selector.kind === 'session') yield* endSession(ambient, sid, end)
  else {
    yield* endGrant.run({ sid, clientId: selector.clientId, seq })
    yield* recordEnd(ambient, { sid, clientId: selector.clientId, ...end })
  }
  if (sub === undefined) return []
  const clientId = 'clientId' in selector ? selector.clientId : undefined
  return yield* addUncounted(ambient, { seq, atMs, sid, sub, clientId, wide: false, priority: entry.priority ?? 'urgent' }, moves)
}

/** What the hash of a row covers in clear, and what it covers salted. */
export const linkOfRevocation = (row: Omit<RevocationRow, 'fanOut' | 'fanOutCursor' | 'sessions' | 'traceparent'>) => ({
  fields: {
    ...{ seq: row.seq, kind: row.kind, sid: row.sid, client_id: row.clientId, tid: row.tid, reason: row.reason, actor_kind: row.actorKind },
    ...{ at: row.at, at_ms: row.atMs, case_reference: row.caseReference },
  },
  personal: { sub: row.sub, actor_id: row.actorId, comment: row.comment },
})

/** The row with its link in the chain: what identifies a user is covered by a salted hash, so that erasing the salt erases it. */
function* insertLinked(
  entry: Entry,
  row: { seq: number; atMs: number; sub?: string | undefined; tid?: string | undefined; salt: string },
): Act<Committed['revocation']> {
  const { seq, atMs, salt } = row
  const { selector, reason, now: at } = entry
  const { sid = null, client_id: clientId = null, sub = null }: SelectorMembers = encodeSelector(selector)
  const { kind } = selector
  const [tid, caseReference, comment] = [row.tid ?? null, entry.caseReference ?? null, entry.comment ?? null]
  const { kind: actorKind, id: actorId } = entry.actor
  const written = { seq, kind, sid, sub, clientId, tid, reason, actorKind, actorId, at, atMs, caseReference, comment }
  const inserted = yield* insert.get({
    ...{ ...written, salt, ...(yield* link('revocations', { number: seq, salt, ...linkOfRevocation(written) })) },
    fanOut: cutoffKey(selector) === undefined ? 'complete' : 'pending',
    sessions: kind === 'session' || kind === 'grant' ? 1 : 0,
    traceparent: currentTraceparent(),
  })
  if (inserted === undefined) throw new Error('The log took no entry.')
  return revocationOf(inserted)
}

const NO_ENTRY =
  'The log accepts no entry: the database began a new timeline that no broker has taken over yet, or it is damaged. Try again; if the error stays, run cmb doctor.'

/** Appends a revocation: in force, and announced, from this act's commit on. */
export function* append(ambient: Ambient, entry: Entry): Act<Committed> {
  // Before the head: an act that joins may wait for the head.
  if (entry.selector.kind === 'client') yield* waitForJoins(entry.selector.clientId)
  // First of all: who appends waits here for the one before, so that `seq` is in commit order and what is read afterwards is current.
  const taken = yield* next.get({})
  if (taken === undefined) throw new StoreUnavailable(NO_ENTRY)
  const at = { seq: taken.seq, atMs: ambient.nowMs(), ...(yield* whose(entry.selector)) }
  const moves: Move[] = []
  const pending = yield* apply(ambient, entry, { ...at, sub: at.sub }, moves)
  yield* raiseFloor(entry, at)
  const revocation = yield* insertLinked(entry, { ...at, salt: ambient.newId() })
  for (const event of eventsOf(revocation, at.sub)) pending.push(...(yield* emit(ambient, event, moves)))
  pending.push(...(yield* emitRevocation(ambient, revocation, at.sub, moves)))
  yield* moved(moves)
  const committed = { revocation, sub: at.sub, pending }
  yield { revoked: committed }
  return committed
}
