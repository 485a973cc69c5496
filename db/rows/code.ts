import { sql } from 'drizzle-orm'
import type { LockKind } from '../../src/protocol/lock-target.ts'
import type { Act } from '../engine/act.ts'
import { command, insertInto, pick, type Takes } from '../engine/statement.ts'
import { codes } from '../schema.ts'
import type { NewCode, SessionStatus, User } from '../types.ts'
import { isRemoved } from './client.ts'
import { lockOf } from './locked.ts'
import { sessionBySid, statusOf, touch } from './session.ts'

/**
 * Issues authorization codes, which bring a session to a client. A session that is not live gets
 * none.
 */

type CodeValues = Omit<NewCode, 'wantsAuthTime'> & {
  wantsAuthTime: number
  sid: string
  openedSeq: number
}
/** The columns of a code beside its hash and its use. */
export const CODE_FIELDS = [
  'sid',
  'clientId',
  'redirectUri',
  'scope',
  'audience',
  'nonce',
  'codeChallenge',
  'jkt',
  'wantsAuthTime',
  'openedSeq',
  'expiresAt',
] as const
const add = command((p: Takes<CodeValues>) =>
  insertInto(codes, pick(p, 'codeHash', ...CODE_FIELDS)),
)

/**
 * Stores an authorization code.
 * @param openedSeq the head of the log when the session was read
 */
export function* addCode(
  code: NewCode,
  { sid, openedSeq }: { sid: string; openedSeq: number },
): Act<void> {
  yield* add.run({ ...code, wantsAuthTime: code.wantsAuthTime ? 1 : 0, sid, openedSeq })
}

/** The end of a session in which it gets no code. */
const LAST_SECONDS = 60

const drop = command(
  (p: Takes<{ sid: string; clientId: string }>) =>
    sql`DELETE FROM ${codes} WHERE ${codes.sid} = ${p.sid} AND ${codes.clientId} = ${p.clientId} AND ${codes.consumedAt} IS NULL`,
)

/**
 * Deletes a client's unredeemed codes of a session, for which no grant exists yet that a revocation
 * could end. An act calls it before it locks anything else, because a redemption locks its code
 * first.
 */
export const dropCodes = (grant: { sid: string; clientId: string }): Act<unknown> => drop.run(grant)

/**
 * Issues a code for a live session (single sign-on), which counts as activity. A marked, ended or
 * unknown session gets none, nor does a removed client, or a locked user or client. The code is
 * opened against the head of the log with which the session was read, so a concurrent revocation
 * covers the code too. A session gets no code in its last minute, because its instance would have to
 * end it at once: it then counts as expired.
 * @param most the client's limit on the age of the authentication
 */
export function* issueCode({
  sid,
  code,
  most = Infinity,
  now,
}: {
  sid: string
  code: NewCode
  most?: number | undefined
  now: number
}): Act<
  SessionStatus | { state: 'locked'; by: LockKind; user: User } | { state: 'client_removed' }
> {
  const row = yield* sessionBySid(sid)
  const status = yield* statusOf(row, now)
  if (row === undefined || status.state !== 'live') return status
  const { session } = status
  if (Math.min(session.absoluteAt, session.authenticatedAt + most) - now <= LAST_SECONDS)
    return { state: 'ended', session, why: 'expired' }
  if (yield* isRemoved(code.clientId)) return { state: 'client_removed' }
  const by = yield* lockOf(row, code)
  if (by !== undefined) return { state: 'locked', by, user: session.user }
  yield* touch(row, undefined, now)
  yield* addCode(code, { sid, openedSeq: row.head })
  return yield* statusOf(row, now)
}
