import { sql, type Column, type SQL } from 'drizzle-orm'
import type { Reason } from '../../src/protocol/revocation.ts'
import type { Act } from '../engine/act.ts'
import { withoutReprepare, least } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  lockRows,
  query,
  type Param,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { optional, parseList } from '../engine/values.ts'
import { participants, revocations, sessions, subjects } from '../schema.ts'
import type { RejectedWhy, Session, SessionStatus } from '../types.ts'
import { covers, headOfLog, sessionCutoff } from './covers.ts'

/**
 * The validity of a session: its row, the cutoffs and the time decide it, and nothing else in the
 * store.
 */

/**
 * When a session's user was authenticated: by Microsoft's clock, or by the broker's where Microsoft
 * did not say.
 */
export const authenticatedAt: SQL<number> = sql<number>`CASE WHEN ${sessions.authTime} > 0 THEN ${sessions.authTime} ELSE ${sessions.openedAt} END`

/** The fields of a session, for `sessionsAndUsers`. */
export const sessionFields = {
  ...columnsOf(
    sessions,
    'sid',
    'sub',
    'tid',
    'openedSeq',
    'openedAt',
    'authTime',
    'lastActiveAt',
    'idleSeconds',
    'absoluteAt',
    'deadlineAt',
  ),
  ...columnsOf(
    sessions,
    'markAt',
    'markReason',
    'acr',
    'amr',
    'roles',
    'staySignedIn',
    'shared',
    'microsoftSid',
    'loginHintSealed',
    'device',
    'probedAt',
  ),
  ...columnsOf(sessions, 'endedSeq', 'endedAt', 'endedReason'),
  ...columnsOf(subjects, 'oid', 'name', 'username', 'email'),
  authenticatedAt,
  cutoff: sessionCutoff,
  /**
   * The head of the log in the same snapshot. It is the `rev` of tokens that are issued because
   * this session is valid.
   */
  head: headOfLog,
}
/** The join of users, after `sessions`. */
export const joinUser = sql`JOIN ${subjects} ON ${subjects.sub} = ${sessions.sub}`
export const sessionsAndUsers = sql`${sessions} ${joinUser}`
export type SessionRow = RowOf<typeof sessionFields>

const bySid = query(
  sessionFields,
  (p: Takes<{ sid: string }>, f) =>
    sql`SELECT ${f} FROM ${sessionsAndUsers} WHERE ${sessions.sid} = ${withoutReprepare(p.sid)}`,
)
const byCookie = query(
  sessionFields,
  (p: Takes<{ cookieHash: string }>, f) =>
    sql`SELECT ${f} FROM ${sessionsAndUsers} WHERE ${sessions.cookieHash} = ${withoutReprepare(p.cookieHash)}`,
)
type Browser = { cookieHash: string | undefined; browserHash: string | undefined }
// An OR of the two hashes would read every open session, so each is looked up by its own index.
const ofBrowser = query(
  sessionFields,
  (p: Takes<Browser>, f) => sql`SELECT ${f} FROM ${sessionsAndUsers}
    WHERE ${sessions.endedSeq} IS NULL AND ${sessions.sid} IN (
      SELECT b.sid FROM ${sessions} b WHERE b.cookie_hash = ${withoutReprepare(p.cookieHash)}
      UNION ALL SELECT b.sid FROM ${sessions} b WHERE b.browser_hash = ${withoutReprepare(p.browserHash)} AND b.ended_seq IS NULL)
    ORDER BY ${sessions.openedAt} DESC, ${sessions.sid}`,
)
const lock = lockRows(sessions, (p: Takes<{ sid: string }>) => sql`${sessions.sid} = ${p.sid}`)
const logged = query(
  columnsOf(revocations, 'at', 'reason'),
  (p: Takes<{ seq: number }>, f) =>
    sql`SELECT ${f} FROM ${revocations} WHERE ${revocations.seq} = ${p.seq}`,
)
type Limits = Record<'lastActiveAt' | 'idleSeconds' | 'absoluteAt' | 'markAt', SQL | Column>
/** The earliest time at which a session ends by itself, which is the value of `deadlineAt`. */
export const deadline = ({ lastActiveAt, idleSeconds, absoluteAt, markAt }: Limits): SQL<number> =>
  least(
    sql`${lastActiveAt} + ${idleSeconds}`,
    sql`${absoluteAt}`,
    sql`coalesce(${markAt}, ${absoluteAt})`,
  )
/**
 * The assignments that record activity. They use the row's current values, so that a concurrently
 * set mark is kept.
 */
export const activity = (now: Param<number>): SQL => {
  const { idleSeconds, absoluteAt, markAt } = sessions
  return assign(sessions, {
    lastActiveAt: now,
    deadlineAt: deadline({ lastActiveAt: now, idleSeconds, absoluteAt, markAt }),
  })
}
const active = command(
  (p: Takes<{ sid: string; now: number }>) =>
    sql`UPDATE ${sessions} SET ${activity(p.now)} WHERE ${sessions.sid} = ${p.sid}`,
)
/** The assignment for a participant whose token was used. */
export const participation = (now: Param<number>): SQL => assign(participants, { lastAt: now })
const participated = command(
  (p: Takes<{ sid: string; clientId: string; now: number }>) =>
    sql`UPDATE ${participants} SET ${participation(p.now)} WHERE ${participants.sid} = ${p.sid} AND ${participants.clientId} = ${p.clientId}`,
)

export const sessionBySid = (sid: string): Act<SessionRow | undefined> => bySid.get({ sid })
/**
 * Returns the open sessions of a browser, by the session cookie that it sent and by the cookie that
 * names it, latest first.
 */
export const sessionsOfBrowser = (browser: Browser): Act<SessionRow[]> => ofBrowser.all(browser)
/** Returns the latest live session that opened in a browser, whichever cookie the browser has. */
export function* liveSessionOfBrowser(browserHash: string, now: number): Act<Session | undefined> {
  const rows = yield* sessionsOfBrowser({ cookieHash: undefined, browserHash })
  const live = rows.find((row) => endOfSession(row, now) === undefined)
  return live && (yield* sessionOf(live))
}

/**
 * Keeps other acts from joining or revoking a session until this act ends. An act that reads the
 * participants locks the session first, because a client that joins during a revocation would get
 * no logout token.
 */
export const lockSession = (sid: string): Act<unknown> => lock.get({ sid })

/** Returns the reason of an end by time: the limit that was reached first. */
const limitOf = ({
  deadlineAt,
  markAt,
  absoluteAt,
}: Pick<SessionRow, 'deadlineAt' | 'markAt' | 'absoluteAt'>): 'idle' | 'expired' | 'marked' =>
  markAt === deadlineAt ? 'marked' : absoluteAt === deadlineAt ? 'expired' : 'idle'

/** Returns that reason as the log names it. */
export function timeReason(row: SessionRow): Reason {
  const limit = limitOf(row)
  return limit === 'marked' ? (row.markReason ?? 'expired') : limit
}

type Ends = Pick<SessionRow, 'endedSeq' | 'cutoff' | 'openedSeq'>
/**
 * Returns whether the session was revoked, by its row or by a wide revocation whose fan-out has not
 * reached the row yet.
 */
export const isRevoked = (row: Ends): boolean =>
  row.endedSeq !== null || covers(row.cutoff, row.openedSeq)

/** Returns whether the session is live or marked. */
export const isLive = (row: Ends & Pick<SessionRow, 'deadlineAt'>, now: number): boolean =>
  !isRevoked(row) && now < row.deadlineAt

/** Returns why a session has ended; undefined where it is live or marked. */
export function endOfSession(
  row: SessionRow,
  now: number,
): 'revoked' | 'idle' | 'expired' | 'marked' | undefined {
  if (isRevoked(row)) return 'revoked'
  return now < row.deadlineAt ? undefined : limitOf(row)
}

/** Returns the reason that a client gets for a session that has ended. */
export function rejectedBy(why: 'revoked' | 'idle' | 'expired' | 'marked'): RejectedWhy {
  if (why === 'marked') return 'marked'
  return why === 'revoked' ? 'revoked' : 'expired'
}

function* endOf(row: SessionRow): Act<Session['ended']> {
  if (row.endedSeq !== null && row.endedAt !== null && row.endedReason !== null)
    return { seq: row.endedSeq, at: row.endedAt, reason: row.endedReason }
  if (!covers(row.cutoff, row.openedSeq)) return undefined
  const wide = yield* logged.get({ seq: row.cutoff })
  return wide && { seq: row.cutoff, ...wide }
}

export function* sessionOf(row: SessionRow): Act<Session> {
  return { ...validSession(row), ended: yield* endOf(row) }
}

/** Returns the session of a row that no revocation has ended. */
export function validSession(row: Omit<SessionRow, 'cutoff' | 'head'>): Session {
  return {
    sid: row.sid,
    sub: row.sub,
    user: {
      tid: row.tid,
      oid: row.oid,
      name: optional(row.name),
      username: optional(row.username),
      email: optional(row.email),
    },
    openedSeq: row.openedSeq,
    openedAt: row.openedAt,
    authTime: row.authTime,
    authenticatedAt: row.authenticatedAt,
    lastActiveAt: row.lastActiveAt,
    idleSeconds: row.idleSeconds,
    absoluteAt: row.absoluteAt,
    markAt: optional(row.markAt),
    markReason: optional(row.markReason),
    acr: optional(row.acr),
    amr: parseList(row.amr),
    roles: parseList(row.roles) ?? [],
    staySignedIn: row.staySignedIn === 1,
    shared: row.shared === 1,
    microsoftSid: optional(row.microsoftSid),
    loginHintSealed: optional(row.loginHintSealed),
    device: row.device,
    probedAt: row.probedAt,
    ended: undefined,
  }
}

export function* statusBySid(sid: string, now: number): Act<SessionStatus> {
  return yield* statusOf(yield* sessionBySid(sid), now)
}
export function* statusByCookie(cookieHash: string, now: number): Act<SessionStatus> {
  return yield* statusOf(yield* byCookie.get({ cookieHash }), now)
}

export function* statusOf(row: SessionRow | undefined, now: number): Act<SessionStatus> {
  if (row === undefined) return { state: 'unknown' }
  const session = yield* sessionOf(row)
  const why = endOfSession(row, now)
  if (why !== undefined) return { state: 'ended', session, why }
  return { state: row.markAt === null ? 'live' : 'marked', session }
}

/** Returns whether `touch` would write. */
export const touchDue = (row: SessionRow, now: number): boolean =>
  10 * (now - row.lastActiveAt) >= Math.min(600, row.idleSeconds)

/**
 * Records activity, at most every tenth of the idle limit or every minute, so that most refreshes
 * write no second row.
 */
export function* touch(row: SessionRow, clientId: string | undefined, now: number): Act<void> {
  if (!touchDue(row, now)) return
  row.lastActiveAt = now
  yield* active.run({ sid: row.sid, now })
  if (clientId !== undefined) yield* participated.run({ sid: row.sid, clientId, now })
}
