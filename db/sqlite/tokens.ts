import { equalInConstantTime } from '../../src/protocol/compare.ts'
import { splitList } from '../../src/protocol/params.ts'
import { verifierMatches } from '../../src/protocol/pkce.ts'
import type { RejectedWhy, TokenActs } from '../store.ts'
import type { CodeGrant, TokenFamily } from '../types.ts'
import { optional } from './core.ts'
import type { Core } from './core.ts'
import type { Families } from './families.ts'
import type { RevocationLog } from './log.ts'
import { rejectedBy } from './session-rows.ts'
import type { SessionRow, Sessions } from './session-rows.ts'

/** Codes, and whether an access token still stands. Whatever a revocation covers is refused; so is a second use. */

interface CodeRow {
  sid: string
  client_id: string
  redirect_uri: string
  scope: string
  audience: string
  nonce: string | null
  code_challenge: string | null
  wants_auth_time: number
  opened_seq: number
  expires_at: number
  consumed_at: number | null
}

const grantOf = (row: CodeRow): CodeGrant => ({
  clientId: row.client_id,
  redirectUri: row.redirect_uri,
  scope: row.scope,
  audience: row.audience,
  nonce: optional(row.nonce),
  codeChallenge: optional(row.code_challenge),
  wantsAuthTime: row.wants_auth_time === 1,
})

/** RFC 7636 §4.6; a verifier where there was no challenge is refused too (RFC 9700 §4.8.2, downgrade). */
const verifierIsRight = (challenge: string | null, verifier: string | undefined): boolean =>
  challenge === null ? verifier === undefined : verifier !== undefined && verifierMatches(verifier, challenge)

type Redemption = Parameters<TokenActs['redeemAuthorizationCode']>[0]

export function tokenActs(core: Core, log: RevocationLog, sessions: Sessions, families: Families): TokenActs {
  const { db, write, read } = core
  const findCode = db.prepare<[string], CodeRow>('SELECT * FROM codes WHERE code_hash = ?')
  const consumeCode = db.prepare<[number, string]>('UPDATE codes SET consumed_at = ? WHERE code_hash = ? AND consumed_at IS NULL')
  const grantCutoff = db
    .prepare<[{ sid: string; clientId: string }], number>(`SELECT max(
      coalesce((SELECT grant_cutoff FROM participants WHERE sid = @sid AND client_id = @clientId), 0),
      coalesce((SELECT seq FROM cutoffs WHERE kind = 'client' AND key = @clientId), 0))`)
    .pluck()
  const clientCutoff = db
    .prepare<[{ clientId: string }], number>(`SELECT max(
      coalesce((SELECT seq FROM cutoffs WHERE kind = 'client' AND key = @clientId), 0),
      coalesce((SELECT seq FROM cutoffs WHERE kind = 'everything' AND key = ''), 0))`)
    .pluck()
  const join = db.prepare(`INSERT INTO participants (sid, client_id, first_at, last_at, joined_seq) VALUES (@sid, @clientId, @now, @now, @head)
    ON CONFLICT DO UPDATE SET last_at = excluded.last_at, joined_seq = excluded.joined_seq`)
  // No sign-in at that client: what was revoked there before is still to be told there.
  const joinByExchange =
    db.prepare(`INSERT INTO participants (sid, client_id, first_at, last_at, joined_seq) VALUES (@sid, @clientId, @now, @now, @head)
    ON CONFLICT DO UPDATE SET last_at = excluded.last_at`)
  const consumed = db.prepare<[string, string]>('SELECT 1 FROM consumed WHERE purpose = ? AND id_hash = ?')
  const consume = db.prepare<[string, string, number]>('INSERT OR IGNORE INTO consumed (purpose, id_hash, expires_at) VALUES (?, ?, ?)')
  const push = db.prepare<[string, string, string, number]>(
    'INSERT INTO pushed_requests (request_hash, client_id, parameters, expires_at) VALUES (?, ?, ?, ?)',
  )
  const pushed = db
    .prepare<[string, string, number], string>('SELECT parameters FROM pushed_requests WHERE request_hash = ? AND client_id = ? AND expires_at > ?')
    .pluck()
  const pullPushed = db
    .prepare<[string, string, number], string>(
      'DELETE FROM pushed_requests WHERE request_hash = ? AND client_id = ? AND expires_at > ? RETURNING parameters',
    )
    .pluck()

  /** The grant's own revocation, or its client's. */
  const grantIsRevoked = (sid: string, clientId: string, openedSeq: number): boolean => (grantCutoff.get({ sid, clientId }) ?? 0) > openedSeq

  /** RFC 6749 §4.1.2: a second use, by whoever could have made the first, ends what the code gave. */
  const reuse = (code: CodeRow, now: number) => {
    const standing = sessions.standing(sessions.bySid(code.sid), now)
    if (standing.state === 'unknown' || standing.state === 'ended' || grantIsRevoked(code.sid, code.client_id, code.opened_seq))
      return { outcome: 'rejected', why: 'revoked' } as const
    const committed = log.append({
      selector: { kind: 'grant', sid: code.sid, clientId: code.client_id },
      reason: 'code_reuse',
      actor: { kind: 'client', id: code.client_id },
      now,
    })
    return { outcome: 'reused', committed } as const
  }

  const notRedeemable = (code: CodeRow, row: SessionRow | undefined, { redirectUri, now }: Redemption): RejectedWhy | undefined => {
    // RFC 6749 §4.1.3: named at /authorize, so it must be named here, letter by letter.
    if (code.redirect_uri !== redirectUri) return 'wrong_redirect_uri'
    if (code.expires_at <= now) return 'expired'
    const standing = sessions.standing(row, now)
    if (standing.state === 'unknown') return 'unknown'
    if (standing.state === 'ended') return rejectedBy(standing.why)
    return grantIsRevoked(code.sid, code.client_id, code.opened_seq) ? 'revoked' : undefined
  }

  const redeem = (code: CodeRow, row: SessionRow, { codeHash, clientId, familyId, now }: Redemption) => {
    consumeCode.run(now, codeHash)
    const rev = log.head()
    join.run({ sid: code.sid, clientId, now, head: rev })
    sessions.touch(row, undefined, now)
    const grant = grantOf(code)
    const wanted = splitList(code.scope).includes('offline_access')
    const family: TokenFamily | undefined = wanted ? families.open({ familyId, sid: code.sid, grant, openedSeq: rev, now }) : undefined
    return { outcome: 'redeemed', session: sessions.session(row), grant, family, rev } as const
  }

  const accessOf = (row: SessionRow | undefined, input: { sub: string; clientId: string; rev: number; now: number }) => {
    const standing = sessions.standing(row, input.now)
    if (row === undefined || standing.state === 'unknown' || row.sub !== input.sub) return { outcome: 'rejected', why: 'unknown' } as const
    if (standing.state === 'ended') return { outcome: 'rejected', why: rejectedBy(standing.why) } as const
    if (grantIsRevoked(row.sid, input.clientId, input.rev)) return { outcome: 'rejected', why: 'revoked' } as const
    return { outcome: 'good', session: standing.session } as const
  }

  return {
    redeemAuthorizationCode: (input) =>
      write(() => {
        const code = findCode.get(input.codeHash)
        if (code === undefined) return { outcome: 'rejected', why: 'unknown' } as const
        if (!equalInConstantTime(code.client_id, input.clientId)) return { outcome: 'rejected', why: 'wrong_client' } as const
        if (!verifierIsRight(code.code_challenge, input.verifier)) return { outcome: 'rejected', why: 'wrong_verifier' } as const
        if (code.consumed_at !== null) return reuse(code, input.now)
        const row = sessions.bySid(code.sid)
        const why = notRedeemable(code, row, input)
        if (why !== undefined || row === undefined) return { outcome: 'rejected', why: why ?? 'unknown' } as const
        return redeem(code, row, input)
      }),

    rotateRefreshToken: (input) => write(() => families.rotate(input)),
    findFamily: (familyId, generation) => read(() => families.find(familyId, generation)),

    async checkAccess(input) {
      const { sid, clientId, now, touch, joins } = input
      const asItIs = await read(() => {
        const row = sessions.bySid(sid)
        const access = accessOf(row, input)
        const writes = access.outcome === 'good' && row !== undefined && (joins !== undefined || (touch && sessions.touchDue(row, now)))
        return { access, writes }
      })
      if (!asItIs.writes) return asItIs.access
      return write(() => {
        const row = sessions.bySid(sid)
        const access = accessOf(row, input)
        if (access.outcome === 'rejected' || row === undefined) return access
        if (joins !== undefined) joinByExchange.run({ sid, clientId: joins, now, head: log.head() })
        if (touch) sessions.touch(row, clientId, now)
        return { outcome: 'good', session: sessions.session(row) } as const
      })
    },

    checkClientAccess: ({ clientId, rev }) => read(() => (clientCutoff.get({ clientId }) ?? 0) <= rev),

    consumeOnce: ({ purpose, idHash, expiresAt }) => write(() => consume.run(purpose, idHash, expiresAt).changes === 1),
    wasConsumed: ({ purpose, idHash }) => read(() => consumed.get(purpose, idHash) !== undefined),
    pushRequest: ({ requestHash, clientId, parameters, expiresAt }) => write(() => void push.run(requestHash, clientId, parameters, expiresAt)),
    pushedRequest: ({ requestHash, clientId, now, consume: once }) =>
      once ? write(() => pullPushed.get(requestHash, clientId, now)) : read(() => pushed.get(requestHash, clientId, now)),
  }
}
