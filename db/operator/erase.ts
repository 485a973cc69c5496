import { sql } from 'drizzle-orm'
import type { Actor } from '../../src/protocol/revocation.ts'
import type { Act } from '../engine/act.ts'
import { forUpdate, forUpdateSkipLocked, indexedBy } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  excluded,
  insertInto,
  names,
  pick,
  query,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { isCovered } from '../rows/covers.ts'
import { closeRows } from '../outbox/decisions.ts'
import { appendRevocation } from '../revocation/revoke.ts'
import { forgetHistory } from '../rows/history.ts'
import { forgetRejectedSignIns } from '../session/rejected.ts'
import { forgetWords } from '../rows/user-words.ts'
import {
  consents,
  deliveries,
  erasures,
  locks,
  revocations,
  sessions,
  subjects,
} from '../schema.ts'
import type { Committed, DeliveryRef } from '../types.ts'
import { beginOfAudit, forgetAtOnce, forgetAudited, isInAudit } from './erase-audit.ts'

/**
 * Erases a user. Everything that the user has is revoked first, so that no erased user stays signed
 * in. Data in many rows is erased page by page: the audit log, then the sessions, then the log of
 * revocations, then the rest of a long security history.
 */

/** The prefix of a cursor in the log of revocations. No sid begins with it. */
const IN_LOG = 'log '

/**
 * The number of security history entries that the erasure itself deletes: enough for most users.
 */
const HISTORY_AT_ONCE = 500

const nothing = {
  device: '',
  microsoftSid: null,
  loginHintSealed: null,
  microsoftCacheSealed: null,
  acr: null,
  amr: null,
  roles: '[]',
}

type User = { sub: string }
const forgetName = command(
  (p: Takes<User>) =>
    sql`UPDATE ${subjects} SET ${assign(subjects, { name: null, username: null, email: null })} WHERE ${subjects.sub} = ${p.sub}`,
)
const forgetConsents = command(
  (p: Takes<User>) => sql`DELETE FROM ${consents} WHERE ${consents.sub} = ${p.sub}`,
)
// Deletes the comments that an operator wrote about the user. The lock itself is kept: it names the
// user by opaque ids.
const forgetLockWords = command(
  (
    p: Takes<User>,
  ) => sql`UPDATE ${locks} SET ${assign(locks, { comment: null, liftComment: null })} WHERE ${locks.kind} = 'user'
    AND EXISTS (SELECT 1 FROM ${subjects} WHERE ${subjects.sub} = ${p.sub} AND ${subjects.tid} = ${locks.key} AND ${subjects.oid} = ${locks.oid})`,
)
const forgetOpen = command(
  (
    p: Takes<User>,
  ) => sql`UPDATE ${sessions}${indexedBy('sessions_open_by_sub')} SET ${assign(sessions, nothing)}
    WHERE ${sessions.sub} = ${p.sub} AND ${sessions.endedSeq} IS NULL`,
)

const erasureFields = columnsOf(erasures, 'sub', 'seq', 'cursor')
type Erasure = RowOf<typeof erasureFields>
const begin = command(
  (p: Takes<Erasure>) =>
    sql`${insertInto(erasures, pick(p, 'sub', 'seq', 'cursor'))} ON CONFLICT (${names(erasures.sub)})
      DO UPDATE SET ${assign(erasures, { seq: excluded(erasures.seq), cursor: excluded(erasures.cursor) })}`,
)
// Takes one erasure. Several brokers take different ones.
const claim = query(
  erasureFields,
  (_, f) => sql`SELECT ${f} FROM ${erasures} LIMIT 1${forUpdateSkipLocked(erasures)}`,
)
const advance = command(
  (p: Takes<{ sub: string; cursor: string }>) =>
    sql`UPDATE ${erasures} SET ${assign(erasures, { cursor: p.cursor })} WHERE ${erasures.sub} = ${p.sub}`,
)
const done = command(
  (p: Takes<User>) => sql`DELETE FROM ${erasures} WHERE ${erasures.sub} = ${p.sub}`,
)
const any = query(columnsOf(erasures, 'sub'), (_, f) => sql`SELECT ${f} FROM ${erasures} LIMIT 1`)

const pageOfSessions = query(
  { last: sql<string | null>`max(page.sid)`, count: sql<number>`count(*)` },
  (
    p: Takes<{ after: string; limit: number }>,
    f,
  ) => sql`SELECT ${f} FROM (SELECT ${sessions.sid} FROM ${sessions} WHERE ${sessions.sid} > ${p.after}
    ORDER BY ${sessions.sid} LIMIT ${p.limit}) AS page`,
)
const forgetSessions = command(
  (
    p: Takes<{ after: string; to: string; sub: string; seq: number }>,
  ) => sql`UPDATE ${sessions} SET ${assign(sessions, nothing)}
    WHERE ${sessions.sid} > ${p.after} AND ${sessions.sid} <= ${p.to} AND ${sessions.sub} = ${p.sub} AND ${isCovered(p.seq, sessions.openedSeq)}`,
)
const pageOfLog = query(
  { last: sql<number | null>`max(page.seq)`, count: sql<number>`count(*)` },
  (
    p: Takes<{ after: number; to: number; limit: number }>,
    f,
  ) => sql`SELECT ${f} FROM (SELECT ${revocations.seq} FROM ${revocations}
    WHERE ${revocations.seq} > ${p.after} AND ${revocations.seq} <= ${p.to} ORDER BY ${revocations.seq} LIMIT ${p.limit}) AS page`,
)
// Without its salt the hash of a row's personal fields reveals nothing; the chain still verifies.
const forgetSalts = command(
  (p: Takes<{ after: number; to: number; sub: string }>) =>
    sql`UPDATE ${revocations} SET ${assign(revocations, { salt: sql`NULL` })}
      WHERE ${revocations.seq} > ${p.after} AND ${revocations.seq} <= ${p.to} AND (${revocations.sub} = ${p.sub} OR ${revocations.actorId} = ${p.sub}
        OR EXISTS (SELECT 1 FROM ${sessions} WHERE ${sessions.sid} = ${revocations.sid} AND ${sessions.sub} = ${p.sub}))`,
)

function* forgetInSessions({ sub, seq, cursor: after }: Erasure, limit: number): Act<string> {
  const page = yield* pageOfSessions.get({ after, limit })
  if (typeof page?.last !== 'string') return `${IN_LOG}0`
  yield* forgetSessions.run({ after, to: page.last, sub, seq })
  return page.count < limit ? `${IN_LOG}0` : page.last
}

/** The cursor of the last stage. No sid begins with it. */
const IN_HISTORY = 'history'
const atOf = query(
  columnsOf(revocations, 'at'),
  (p: Takes<{ seq: number }>, f) =>
    sql`SELECT ${f} FROM ${revocations} WHERE ${revocations.seq} = ${p.seq}`,
)

/** Deletes the next history entries from before the erasure. */
function* forgetInHistory({ sub, seq, cursor }: Erasure, limit: number): Act<string | undefined> {
  const erasedAt = (yield* atOf.get({ seq }))?.at
  if (erasedAt === undefined) return undefined
  return (yield* forgetHistory({ sub, to: erasedAt, limit })) < limit ? undefined : cursor
}

function* forgetInLog({ sub, seq, cursor }: Erasure, limit: number): Act<string> {
  const after = Number(cursor.slice(IN_LOG.length))
  const page = yield* pageOfLog.get({ after, to: seq, limit })
  if (typeof page?.last !== 'number') return IN_HISTORY
  yield* forgetSalts.run({ after, to: page.last, sub })
  return page.count < limit ? IN_HISTORY : `${IN_LOG}${page.last}`
}

/**
 * Erases the next page.
 * @returns the next cursor; undefined at the end
 */
function forgetNext(erasure: Erasure, limit: number): Act<string | undefined> {
  if (isInAudit(erasure.cursor)) return forgetAudited(erasure, limit)
  if (erasure.cursor === IN_HISTORY) return forgetInHistory(erasure, limit)
  return erasure.cursor.startsWith(IN_LOG)
    ? forgetInLog(erasure, limit)
    : forgetInSessions(erasure, limit)
}

/**
 * The most undelivered webhooks of a user. A delivered message keeps no content and is not counted.
 */
const MOST_MESSAGES = 1_000

const messagesOf = query(
  columnsOf(deliveries, 'id', 'clientId', 'seq', 'state'),
  (p: Takes<{ sub: string }>, f) =>
    sql`SELECT ${f} FROM ${deliveries} WHERE ${deliveries.sub} = ${p.sub} AND ${deliveries.payload} IS NOT NULL AND ${deliveries.kind} = 'webhook'
      ORDER BY ${deliveries.id} LIMIT ${sql.raw(String(MOST_MESSAGES))}${forUpdate(deliveries)}`,
)

/**
 * Closes the user's webhooks that still have content, which deletes it. Logout tokens and security
 * events name users only by ids, and stay pending.
 * @param but the erasure's own webhooks, which hold only ids
 */
function* forgetMessages(sub: string, but: readonly DeliveryRef[]): Act<void> {
  const kept = new Set(but.map(({ id }) => id))
  const rows = (yield* messagesOf.all({ sub })).filter(({ id }) => !kept.has(id))
  if (rows.length > 0) yield* closeRows(rows, 'The user was erased.')
}

type Asked = {
  sub: string
  actor: Actor
  caseReference?: string | undefined
  comment?: string | undefined
  now: number
}

/**
 * Erases one user. Everything that the user has is revoked. In the same transaction their name,
 * username, email, consents, rejected sign-ins and the personal data in their open sessions (device, Entra's session,
 * login hint, Microsoft's tokens, roles) are deleted. `forgetErased` erases what ended sessions and
 * the logs hold. Opaque ids are kept, so that a `sub` is never given to another user. Running it
 * again erases what was added since.
 */
export function* eraseUser({
  sub,
  ...asked
}: Asked): Act<{ outcome: 'erased'; committed: Committed } | { outcome: 'unknown' }> {
  if ((yield* forgetName.run({ sub })) === 0) return { outcome: 'unknown' }
  const committed = yield* appendRevocation({
    selector: { kind: 'subject', sub },
    reason: 'administrator',
    ...asked,
  })
  // Locked before the rows that are erased, in the order in which a page of an earlier erasure of
  // this user locks them.
  const cursor = yield* beginOfAudit()
  yield* begin.run({ sub, seq: committed.revocation.seq, cursor })
  yield* forgetWords(sub)
  yield* forgetConsents.run({ sub })
  yield* forgetLockWords.run({ sub })
  yield* forgetMessages(sub, committed.pending)
  yield* forgetHistory({ sub, to: asked.now, limit: HISTORY_AT_ONCE })
  yield* forgetRejectedSignIns(sub)
  yield* forgetOpen.run({ sub })
  yield* advance.run({ sub, cursor: yield* forgetAtOnce({ sub, cursor }) })
  return { outcome: 'erased', committed }
}

/**
 * Erases a page: looks at the next `limit` sessions or log entries for those of an erased user.
 * @returns whether there is more
 */
export function* forgetErased({ limit }: { limit: number }): Act<boolean> {
  const erasure = yield* claim.get({})
  if (erasure === undefined) return false
  const cursor = yield* forgetNext(erasure, limit)
  yield* cursor === undefined
    ? done.run({ sub: erasure.sub })
    : advance.run({ sub: erasure.sub, cursor })
  return (yield* any.get({})) !== undefined
}
