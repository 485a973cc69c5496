import { sql, type SQL } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { withoutReprepare } from '../engine/dialect.ts'
import {
  assign,
  command,
  excluded,
  insertInto,
  names,
  query,
  textParam,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { removedAt } from '../rows/client.ts'
import { clientCutoff, covers, grantCutoff } from '../rows/covers.ts'
import { joinsClient } from '../rows/joins.ts'
import { lockedBy } from '../rows/locked.ts'
import {
  endOfSession,
  lockSession,
  rejectedBy,
  sessionFields,
  sessionsAndUsers,
  touch,
  touchDue,
  validSession,
} from '../rows/session.ts'
import { participants, sessions, subjects } from '../schema.ts'
import type { RejectedWhy, Session } from '../types.ts'

/**
 * Checks access tokens. A token is rejected if a revocation covers it, its session has ended, its
 * user or client is locked, or a removed client presents it.
 */

export type Input = {
  sid: string
  sub: string
  clientId: string
  rev: number
  now: number
  touch: boolean
  joins?: string | undefined
  needs?: string | undefined
  audience?: string | undefined
}
export type Access =
  | { outcome: 'good'; session: Session }
  | { outcome: 'rejected'; why: RejectedWhy }

type Concerned = { clientId: string; needs: string | undefined; audience: string | undefined }
/**
 * SQL for the same fields: parameters of a statement for one check, or columns of a statement for
 * many.
 */
type ConcernedSql = { readonly [K in keyof Concerned]-?: SQL }
const given: ConcernedSql = {
  clientId: textParam('clientId'),
  needs: textParam('needs'),
  audience: textParam('audience'),
}

/** Returns all fields that decide about an access token, for one row of `sessionsAndUsers`. */
export const accessFields = ({ clientId, needs, audience }: ConcernedSql) => ({
  ...sessionFields,
  grantCutoff: grantCutoff(sessions.sid, clientId),
  removedAt: removedAt(needs),
  lock: lockedBy({ tid: sessions.tid, oid: subjects.oid, clients: [clientId, needs], audience }),
})
const fields = accessFields(given)
type AccessRow = RowOf<typeof fields>
const bySid = query(
  fields,
  (p: Takes<Concerned & { sid: string }>, f) =>
    sql`SELECT ${f} FROM ${sessionsAndUsers} WHERE ${sessions.sid} = ${withoutReprepare(p.sid)}`,
)
const clientAccess = query(
  {
    cutoff: clientCutoff(textParam('clientId')),
    removedAt: removedAt(textParam('needs')),
    lock: lockedBy({ clients: [given.clientId, given.needs], audience: given.audience }),
  },
  (_: Takes<Concerned>, f) => sql`SELECT ${f}`,
)
// Adds a participation, or updates its last use. It is no sign-in at that client: an existing
// participation still gets the logout tokens of revocations from before.
const join = command(
  (p: Takes<{ sid: string; clientId: string; now: number; head: number }>) =>
    sql`${insertInto(participants, { sid: p.sid, clientId: p.clientId, firstAt: p.now, lastAt: p.now, firstSeq: p.head, joinedSeq: p.head })}
      ON CONFLICT (${names(participants.sid, participants.clientId)})
      DO UPDATE SET ${assign(participants, { lastAt: excluded(participants.lastAt) })}`,
)

const isValid = (
  row: { cutoff: number; removedAt: number | null; lock: string | null },
  rev: number,
): boolean => row.removedAt === null && row.lock === null && !covers(row.cutoff, rev)

/** Returns why the token is not valid; undefined where it is. */
function rejectionOf(
  row: AccessRow,
  { sub, rev, now }: Pick<Input, 'sub' | 'rev' | 'now'>,
): RejectedWhy | undefined {
  if (row.sub !== sub) return 'unknown'
  const ended = endOfSession(row, now)
  if (ended !== undefined) return rejectedBy(ended)
  if (isValid({ ...row, cutoff: row.grantCutoff }, rev)) return undefined
  return row.lock === null ? 'revoked' : 'locked'
}

const rejected = (why: RejectedWhy): Access => ({ outcome: 'rejected', why })

/**
 * Returns the answer; undefined where the use of a valid token has to be written, which
 * `lookAndWrite` does.
 */
export function answerOf(row: AccessRow | undefined, input: Input): Access | undefined {
  const why = row === undefined ? 'unknown' : rejectionOf(row, input)
  if (row === undefined || why !== undefined) return rejected(why ?? 'unknown')
  if (input.joins !== undefined || (input.touch && touchDue(row, input.now))) return undefined
  return { outcome: 'good', session: validSession(row) }
}

/** Returns the parameters of a statement that reads `accessFields`. */
export const concerned = ({ sid, clientId, joins, needs = joins, audience }: Input) => ({
  sid,
  clientId,
  needs,
  audience,
})

function* look(input: Input): Act<Access | undefined> {
  return answerOf(yield* bySid.get(concerned(input)), input)
}

function* lookAndWrite(input: Input): Act<Access> {
  const { sid, clientId, now, joins } = input
  if (joins !== undefined) yield* joinsClient(joins)
  yield* lockSession(sid)
  const row = yield* bySid.get(concerned(input))
  const why = row === undefined ? 'unknown' : rejectionOf(row, input)
  if (row === undefined || why !== undefined) return rejected(why ?? 'unknown')
  if (joins !== undefined) yield* join.run({ sid, clientId: joins, now, head: row.head })
  if (input.touch) yield* touch(row, clientId, now)
  return { outcome: 'good', session: validSession(row) }
}

/**
 * Checks whether an access token is still valid, by its session, the cutoffs and its client's
 * grant. `touch` counts the check as activity of the user. With `joins`, that client becomes a
 * participant in the same transaction (token exchange). `needs` is the client that presents the
 * token, or for which it is exchanged (default: `joins`). The token is rejected if that client was
 * removed, and while a client of its `audience` is locked.
 */
export async function checkAccess({ read, write }: Engine, input: Input): Promise<Access> {
  return (await read(() => look(input))) ?? write(() => lookAndWrite(input))
}

const ofInstance = query(
  {
    ...fields,
    takesPart: sql<number>`(SELECT count(*) FROM ${participants} WHERE ${participants.sid} = ${sessions.sid} AND ${participants.clientId} = ${given.clientId})`,
  },
  (p: Takes<Concerned & { sid: string }>, f) =>
    sql`SELECT ${f} FROM ${sessionsAndUsers} WHERE ${sessions.sid} = ${withoutReprepare(p.sid)}`,
)

/**
 * Checks whether an instance's own session, opened by an ID token of this user and session, is still
 * valid: the session is live, the client takes part in it, and no revocation since `rev` covers it.
 * Without a `rev`, or with one that this log has not reached, nothing since the session was opened.
 * @returns the session, and the head of the log in the same snapshot; undefined where it has ended
 */
export function* checkOwnSession({
  rev,
  ...input
}: {
  sid: string
  sub: string
  clientId: string
  audience: string
  rev: number | undefined
  now: number
}): Act<{ session: Session; rev: number } | undefined> {
  const row = yield* ofInstance.get({ ...input, needs: input.clientId })
  if (row === undefined || row.takesPart === 0) return undefined
  const since = rev === undefined || rev > row.head ? row.openedSeq : rev
  if (rejectionOf(row, { ...input, rev: since }) !== undefined || covers(row.cutoff, since))
    return undefined
  return { session: validSession(row), rev: row.head }
}

/**
 * Checks whether a token that a client got for itself is valid: no revocation of `client` or
 * `everything` covers it. `needs` and `audience` are as in `checkAccess`.
 */
export function* checkClientAccess({
  clientId,
  rev,
  needs,
  audience,
}: {
  clientId: string
  rev: number
  needs?: string | undefined
  audience?: string | undefined
}): Act<boolean> {
  const row = yield* clientAccess.get({ clientId, needs, audience })
  return row !== undefined && isValid(row, rev)
}
