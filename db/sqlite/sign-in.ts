import { createHash } from 'node:crypto'
import { splitList } from '../../src/protocol/params.ts'
import type { NewCode, NewSession, SignInActs } from '../store.ts'
import type { Committed, Subject } from '../types.ts'
import { optional } from './core.ts'
import type { Core } from './core.ts'
import { liveSessions } from './live-sessions.ts'
import type { RevocationLog } from './log.ts'
import { deadlineOf, isRevoked, timeReason } from './session-rows.ts'
import type { SessionRow, Sessions } from './session-rows.ts'

/** Who signed in, where, and the code that carries it to a client. It refuses a code for a session that is not live. */

interface SubjectRow {
  sub: string
  tid: string
  oid: string
  name: string | null
  username: string | null
  email: string | null
  created_at: number
}

const subjectOf = (row: SubjectRow): Subject => ({
  sub: row.sub,
  tid: row.tid,
  oid: row.oid,
  name: optional(row.name),
  username: optional(row.username),
  email: optional(row.email),
  createdAt: row.created_at,
})

/** Two bytes of a hash: even, and the same whoever asks. */
const phaseOf = (sid: string): number => createHash('sha256').update(sid).digest().readUInt16BE(0)

/** The columns that a sign-in sets, also on a session that it renews. */
const sessionValues = (input: NewSession, now: number) => ({
  authTime: input.authTime,
  now,
  idleSeconds: input.idleSeconds,
  absoluteAt: input.absoluteAt,
  deadlineAt: deadlineOf({ last_active_at: now, idle_seconds: input.idleSeconds, absolute_at: input.absoluteAt, mark_at: null }),
  acr: input.acr ?? null,
  amr: input.amr === undefined ? null : JSON.stringify(input.amr),
  roles: JSON.stringify(input.roles),
  staySignedIn: input.staySignedIn ? 1 : 0,
  microsoftSid: input.microsoftSid ?? null,
  loginHintSealed: input.loginHintSealed ?? null,
  microsoftCacheSealed: input.microsoftCacheSealed ?? null,
  device: input.device,
  cookieHash: input.cookieHash,
})

function writes({ db }: Core, log: RevocationLog) {
  const findUser = db.prepare<[string, string], SubjectRow>('SELECT * FROM subjects WHERE tid = ? AND oid = ?')
  const addSubject = db.prepare(`INSERT INTO subjects (sub, tid, oid, name, username, email, created_at)
    VALUES (@sub, @tid, @oid, @name, @username, @email, @now)`)
  const describeSubject = db.prepare('UPDATE subjects SET name = @name, username = @username, email = @email WHERE sub = @sub')
  const open = db.prepare(`INSERT INTO sessions (sid, sub, tid, opened_seq, opened_at, auth_time, last_active_at, idle_seconds, absolute_at,
      deadline_at, acr, amr, roles, stay_signed_in, microsoft_sid, login_hint_sealed, microsoft_cache_sealed, device,
      cookie_hash, probe_phase, probed_at)
    VALUES (@sid, @sub, @tid, @openedSeq, @now, @authTime, @now, @idleSeconds, @absoluteAt,
      @deadlineAt, @acr, @amr, @roles, @staySignedIn, @microsoftSid, @loginHintSealed, @microsoftCacheSealed, @device,
      @cookieHash, @probePhase, @now)`)
  const renew = db.prepare(`UPDATE sessions SET auth_time = @authTime, last_active_at = @now, idle_seconds = @idleSeconds,
      absolute_at = @absoluteAt, mark_at = NULL, mark_reason = NULL, deadline_at = @deadlineAt, acr = @acr, amr = @amr, roles = @roles,
      stay_signed_in = @staySignedIn, microsoft_sid = @microsoftSid, login_hint_sealed = @loginHintSealed,
      microsoft_cache_sealed = @microsoftCacheSealed, device = @device,
      cookie_hash = @cookieHash, probed_at = @now
    WHERE sid = @sid`)
  const addCode = db.prepare(`INSERT INTO codes (code_hash, sid, client_id, redirect_uri, scope, audience, nonce, code_challenge,
      wants_auth_time, opened_seq, expires_at)
    VALUES (@codeHash, @sid, @clientId, @redirectUri, @scope, @audience, @nonce, @codeChallenge, @wantsAuthTime, @openedSeq, @expiresAt)`)

  return {
    /** One `sub` for each tenant and object id, for ever; what Microsoft calls them by is kept up to date. */
    subjectFor(user: NewSession['user'], sub: string, now: number): string {
      const { tid, oid, name = null, username = null, email = null } = user
      const known = findUser.get(tid, oid)
      if (known === undefined) addSubject.run({ sub, tid, oid, name, username, email, now })
      else if (known.name !== name || known.username !== username || known.email !== email)
        describeSubject.run({ sub: known.sub, name, username, email })
      return known?.sub ?? sub
    },
    openSession(input: NewSession, ids: { sid: string; sub: string }, now: number): void {
      open.run({ ...sessionValues(input, now), ...ids, probePhase: phaseOf(ids.sid), tid: input.user.tid, openedSeq: log.head() })
    },
    renewSession(input: NewSession, sid: string, now: number): void {
      renew.run({ ...sessionValues(input, now), sid })
    },
    issue(code: NewCode, sid: string): void {
      addCode.run({
        codeHash: code.codeHash,
        sid,
        clientId: code.clientId,
        redirectUri: code.redirectUri,
        scope: code.scope,
        audience: code.audience,
        nonce: code.nonce ?? null,
        codeChallenge: code.codeChallenge ?? null,
        wantsAuthTime: code.wantsAuthTime ? 1 : 0,
        openedSeq: log.head(),
        expiresAt: code.expiresAt,
      })
    },
  }
}

export function signInActs(core: Core, log: RevocationLog, sessions: Sessions): SignInActs {
  const { db, write, read } = core
  const { subjectFor, openSession, renewSession, issue } = writes(core, log)
  const bySub = db.prepare<[string], SubjectRow>('SELECT * FROM subjects WHERE sub = ?')
  const byUser = db.prepare<[string, string], SubjectRow>('SELECT * FROM subjects WHERE tid = ? AND oid = ?')
  const consent = db.prepare<[string, string], string>('SELECT scope FROM consents WHERE sub = ? AND client_id = ?').pluck()
  const consented = db.prepare(`INSERT INTO consents (sub, client_id, scope, at) VALUES (@sub, @clientId, @scope, @now)
    ON CONFLICT DO UPDATE SET scope = excluded.scope, at = excluded.at`)

  /** The session that this browser had and will not have any more: somebody else's, or one that time has ended before the sweep came. */
  const endFormer = (former: SessionRow, sub: string, now: number): Committed[] => {
    if (isRevoked(former)) return []
    const selector = { kind: 'session', sid: former.sid } as const
    if (sessions.standing(former, now).state === 'ended')
      return [log.append({ selector, reason: timeReason(former), actor: { kind: 'broker', id: 'signin' }, now })]
    return [log.append({ selector, reason: 'replaced', actor: { kind: 'user', id: sub }, now })]
  }

  return {
    signIn: ({ session: input, code, browserCookieHash, ids, now }) =>
      write(() => {
        const sub = subjectFor(input.user, ids.sub, now)
        const former = browserCookieHash === undefined ? undefined : sessions.byCookie(browserCookieHash)
        const renewed = former?.sub === sub && sessions.standing(former, now).state !== 'ended'
        const sid = renewed ? former.sid : ids.sid
        const committed = former === undefined || renewed ? [] : endFormer(former, sub, now)
        if (renewed) renewSession(input, sid, now)
        else openSession(input, { sid, sub }, now)
        if (code !== undefined) issue(code, sid)
        const row = sessions.bySid(sid)
        if (row === undefined) throw new Error('The session that was just written is not there.')
        return { session: sessions.session(row), renewed, committed }
      }),

    issueCode: ({ sid, code, now }) =>
      write(() => {
        const row = sessions.bySid(sid)
        const standing = sessions.standing(row, now)
        if (row === undefined || standing.state !== 'live') return standing
        sessions.touch(row, undefined, now)
        issue(code, sid)
        return sessions.standing(row, now)
      }),

    standingBySid: (sid, now) => read(() => sessions.standing(sessions.bySid(sid), now)),
    standingByCookie: (cookieHash, now) => read(() => sessions.standing(sessions.byCookie(cookieHash), now)),

    findSubject: (sub) =>
      read(() => {
        const row = bySub.get(sub)
        return row && subjectOf(row)
      }),
    findSubjectByUser: (tid, oid) =>
      read(() => {
        const row = byUser.get(tid, oid)
        return row && subjectOf(row)
      }),

    ...liveSessions(core, sessions),

    hasConsent: ({ sub, clientId, scope }) =>
      read(() => {
        const given = splitList(consent.get(sub, clientId))
        return splitList(scope).every((word) => given.includes(word))
      }),
    recordConsent: ({ sub, clientId, scope, now }) =>
      write(() => {
        const given = splitList(`${consent.get(sub, clientId) ?? ''} ${scope}`)
        consented.run({ sub, clientId, scope: given.join(' '), now })
      }),
  }
}
