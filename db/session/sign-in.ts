import { hash } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { isStronger } from '../../src/protocol/strength.ts'
import type { Act } from '../engine/act.ts'
import {
  assign,
  castTo,
  command,
  insertInto,
  lockByName,
  pick,
  type Takes,
} from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { headOfOpening, lockHead } from '../log/head.ts'
import { appendRevocation } from '../revocation/revoke.ts'
import { addCode } from '../rows/code.ts'
import { missingFreshness } from '../rows/required-freshness.ts'
import { recordEvent } from '../rows/history.ts'
import { lockOf } from '../rows/locked.ts'
import {
  deadline,
  isLive,
  isRevoked,
  lockSession,
  sessionBySid,
  sessionOf,
  sessionsOfBrowser,
  timeReason,
  type SessionRow,
} from '../rows/session.ts'
import { nameUser, subjectFor, type KnownUser } from '../rows/user.ts'
import { participants, sessions } from '../schema.ts'
import type {
  Committed,
  FreshProof,
  Identified,
  NewCode,
  NewSession,
  Session,
  SessionLimit,
  SignedIn,
  SignInFrom,
  SignInRejection,
} from '../types.ts'
import { emitClaimsChange } from '../stream/emit.ts'
import { emit } from '../webhook/emit.ts'
import { countAccepted } from './accepted.ts'
import { makeRoom, mayHaveToEnd } from './limit.ts'

/**
 * Signs a user in on a browser: their session opens or is renewed, and every other session of this
 * browser ends.
 */

const valuesOf = ({ session: input, identified, now }: Input) => ({
  ...pick(input, 'authTime', 'visitStartedAt', 'idleSeconds', 'absoluteAt', 'acr'),
  ...pick(input, 'microsoftSid', 'loginHintSealed', 'microsoftCacheSealed'),
  ...pick(input, 'device', 'cookieHash', 'browserHash'),
  now,
  probedAt: identified?.at ?? now,
  amr: input.amr && JSON.stringify(input.amr),
  roles: JSON.stringify(input.roles),
  staySignedIn: input.staySignedIn ? 1 : 0,
  shared: input.shared ? 1 : 0,
})
type Values = ReturnType<typeof valuesOf>

/** The columns that a sign-in sets, also on a session that it renews. */
const columns = (p: Takes<Values>) => ({
  authTime: p.authTime,
  lastActiveAt: p.now,
  idleSeconds: p.idleSeconds,
  absoluteAt: p.absoluteAt,
  deadlineAt: deadline({
    lastActiveAt: castTo('bigint', p.now),
    idleSeconds: castTo('bigint', p.idleSeconds),
    absoluteAt: castTo('bigint', p.absoluteAt),
    markAt: sql`NULL`,
  }),
  ...pick(p, 'acr', 'amr', 'roles', 'staySignedIn', 'shared', 'device', 'cookieHash'),
  browserHash: p.browserHash,
  visitStartedAt: p.visitStartedAt,
  visitEndedAt: p.now,
  ...pick(p, 'microsoftSid', 'loginHintSealed', 'microsoftCacheSealed'),
  ...pick(p, 'probedAt'),
})
const open = command(
  (
    p: Takes<
      Values & { sid: string; sub: string; tid: string; openedSeq: number; probePhase: number }
    >,
  ) =>
    insertInto(sessions, {
      ...pick(p, 'sid', 'sub', 'tid', 'openedSeq'),
      openedAt: p.now,
      probePhase: p.probePhase,
      ...columns(p),
    }),
)
const renew = command(
  (p: Takes<Values & { sid: string }>) =>
    sql`UPDATE ${sessions} SET ${assign(sessions, {
      ...columns(p),
      markAt: null,
      markReason: null,
    })} WHERE ${sessions.sid} = ${p.sid}`,
)

const lengthen = command(
  (p: Takes<{ sid: string; by: number }>) =>
    sql`UPDATE ${participants} SET ${assign(participants, { freshUntil: sql`${participants.freshUntil} + ${p.by}` })}
      WHERE ${participants.sid} = ${p.sid} AND ${participants.freshUntil} IS NOT NULL`,
)

/** Extends the grants that have not ended yet by the user's newer authentication. */
function* freshen(former: SessionRow, authTime: number): Act<void> {
  const by = authTime - former.authenticatedAt
  if (by > 0) yield* lengthen.run({ sid: former.sid, by })
}

/** Returns two bytes of a hash: evenly distributed over sessions, and constant for one session. */
const phaseOf = (sid: string): number => hash('sha256', sid, 'buffer').readUInt16BE(0)

const isRenewed = (former: SessionRow, sub: string, now: number): boolean =>
  former.sub === sub && isLive(former, now)

/**
 * Returns the proof of a renewed session: the newest, or an older one that is stronger. A strength
 * keeps the time at which it was proved.
 */
function proofOf({ authTime, acr, amr }: SessionRow, values: Values) {
  const isOlder = values.authTime < authTime && !isStronger(values.acr, optional(acr))
  return isOlder ? { authTime, acr: optional(acr), amr: optional(amr) } : {}
}

type Input = FreshProof & {
  session: NewSession
  code?: NewCode | undefined
  browserCookieHash?: string | undefined
  /** The browser's address and the instance that it signs in to, for the security history. */
  from?: SignInFrom | undefined
  /**
   * True if the user has not used this browser before. That sends a webhook event, unless it is
   * their first sign-in.
   */
  newDevice?: boolean | undefined
  limit?: SessionLimit | undefined
  ids: { sub: string; sid: string }
  /** Undefined: Microsoft identified the user now. */
  identified?: Identified | undefined
  now: number
}

const BROWSERS = 7_403
const lockBrowser = lockByName(BROWSERS, 'alone')

/**
 * Locks and returns the sessions of this browser. Two tabs may return from Microsoft at once with
 * the same cookies, so the second sign-in must find what the first one opened.
 */
function* sessionsHere(
  { browserCookieHash: cookieHash, session: { browserHash }, now }: Input,
  sub: string,
): Act<SessionRow[]> {
  if (browserHash !== undefined) yield* lockBrowser.get({ name: browserHash })
  const seen = yield* sessionsOfBrowser({ cookieHash, browserHash })
  if (seen.length > 1 || seen.some((row) => !isRenewed(row, sub, now))) yield* lockHead()
  // A revocation reads the latest end of what it covers, so no end is raised meanwhile.
  else if (seen.length > 0) yield* headOfOpening()
  for (const { sid } of seen) yield* lockSession(sid)
  return seen.length === 0 ? [] : yield* sessionsOfBrowser({ cookieHash, browserHash })
}

/**
 * Ends the sessions of another user, those beside a renewed one, and expired ones that the sweep
 * has not ended yet.
 */
function* endFormer(former: readonly SessionRow[], sub: string, now: number): Act<Committed[]> {
  const committed: Committed[] = []
  for (const row of former.filter((candidate) => !isRevoked(candidate))) {
    const selector = { kind: 'session', sid: row.sid } as const
    const why = isLive(row, now)
      ? ({ reason: 'replaced', actor: { kind: 'user', id: sub } } as const)
      : ({ reason: timeReason(row), actor: { kind: 'broker', id: 'signin' } } as const)
    committed.push(yield* appendRevocation({ selector, ...why, now }))
  }
  return committed
}

/**
 * Returns why the sign-in is rejected; undefined where it is not. The caller holds the head of the
 * log, so that a revocation that is not visible here covers the session.
 */
function* rejectionOf(
  user: KnownUser,
  { session: { user: of, authTime }, code, provenSeq, contextSeq, now, identified }: Input,
): Act<Rejected | undefined> {
  const lock = yield* lockOf({ ...of, homeId: user.homeId }, code)
  if (lock !== undefined) return { outcome: 'rejected', why: `${lock}_locked` }
  const demand = yield* missingFreshness(
    { ...user, tid: of.tid },
    { provenSeq, contextSeq, authTime, identified, now },
  )
  return demand && { outcome: 'rejected', why: 'not_fresh', demand }
}

type Rejected = { outcome: 'rejected' } & SignInRejection

/**
 * Signs in a user who has authenticated, on a browser, in one transaction. Their subject is found
 * or created. The session of this browser (`browserCookieHash`, `session.browserHash`) ends as
 * `replaced` where it belongs to another user, and is renewed (same sid, new cookie) where it is
 * theirs and live; otherwise a session opens. The code is issued for it. A rejected sign-in changes
 * no session and issues no code.
 */
export function* signIn(input: Input): Act<SignedIn | Rejected> {
  const user = yield* subjectFor(input.session, input.ids.sub, input.now)
  const done = yield* openOrRenew(input, user)
  if (done.outcome === 'rejected') return done
  const { sub, sid, device } = done.session
  yield* recordEvent({
    sub,
    at: input.now,
    kind: done.renewed ? 'renewed' : 'signed_in',
    sid,
    device,
    ...input.from,
  })
  if (input.newDevice === true && !done.renewed)
    yield* announceNewDevice(done.session, user.names.stored, input.from?.address)
  // Last, because sign-ins of a tenant wait for each other's count.
  yield* countAccepted({
    at: input.now,
    tid: done.session.user.tid,
    clientId: input.from?.clientId,
  })
  return done
}

function* openOrRenew(asked: Input, user: KnownUser): Act<SignedIn | Rejected> {
  const { session: input, code, limit, ids, now } = asked
  const { sub } = user
  const here = yield* sessionsHere(asked, sub)
  const renewed = here.find((row) => isRenewed(row, sub, now))
  const former = here.filter((row) => row !== renewed)
  if (renewed === undefined && (yield* mayHaveToEnd(sub, limit, now))) yield* lockHead()
  const head = renewed === undefined ? yield* headOfOpening() : renewed.head
  const rejected = yield* rejectionOf(user, asked)
  if (rejected !== undefined) return rejected
  if (renewed !== undefined) {
    yield* nameUser(user)
    yield* emitClaimsChange(renewed, input.roles, now)
    const values = valuesOf(asked)
    yield* renew.run({ ...values, ...proofOf(renewed, values), sid: renewed.sid })
    yield* freshen(renewed, input.authTime)
    if (code !== undefined) yield* addCode(code, { sid: renewed.sid, openedSeq: head })
    return yield* signedIn(renewed.sid, true, yield* endFormer(former, sub, now))
  }
  const made = yield* makeRoom(sub, limit, now)
  if (!made.room)
    return {
      outcome: 'rejected',
      why: 'session_limit',
      choose: made.choose,
      among: made.among,
      identified: asked.identified ?? { at: now, seq: head },
    }
  yield* nameUser(user)
  const committed = [...made.committed, ...(yield* endFormer(former, sub, now))]
  const { sid } = ids
  const openedSeq = committed.at(-1)?.revocation.seq ?? head
  yield* open.run({
    ...valuesOf(asked),
    sid,
    sub,
    tid: input.user.tid,
    openedSeq,
    probePhase: phaseOf(sid),
  })
  if (code !== undefined) yield* addCode(code, { sid, openedSeq })
  return yield* signedIn(sid, false, committed)
}

function* signedIn(sid: string, renewed: boolean, committed: Committed[]): Act<SignedIn> {
  const row = yield* sessionBySid(sid)
  if (row === undefined) throw new Error('The session that was just written is not there.')
  return { outcome: 'signed_in', session: yield* sessionOf(row), renewed, committed }
}

/**
 * Sends the webhook event of a sign-in with a browser that the user has not used before.
 * @param before the user's names before this sign-in; a user without any signs in for the first
 * time, and all browsers are new
 */
function* announceNewDevice(
  { sub, sid, device, user: { tid, name, username } }: Session,
  before: KnownUser['names']['stored'],
  address: string | undefined,
): Act<void> {
  if (before.name === null && before.username === null && before.email === null) return
  // Uses the email address from before this sign-in, because an attacker could have set the one
  // that it brings.
  const personal = { name, username, email: before.email ?? undefined, ip_address: address }
  yield* emit({ type: 'session.new_device', data: { sub, tid, sid, device, ...personal } })
}
