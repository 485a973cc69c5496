import { sql, type SQL } from 'drizzle-orm'
import { isCodeVerifier, splitList } from '../../src/protocol/params.ts'
import { equalInConstantTime, sha256 } from '../../src/runtime/compare.ts'
import type { Act } from '../engine/act.ts'
import { forUpdate, withoutReprepare } from '../engine/dialect.ts'
import { CODE_FIELDS } from '../rows/code.ts'
import {
  assign,
  columnsOf,
  command,
  insertInto,
  names,
  query,
  textParam,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { appendRevocation } from '../revocation/revoke.ts'
import { removedAt } from '../rows/client.ts'
import { covers, grantCutoff } from '../rows/covers.ts'
import { joinsClient } from '../rows/joins.ts'
import { lockedBy } from '../rows/locked.ts'
import {
  joinUser,
  lockSession,
  rejectedBy,
  sessionBySid,
  sessionOf,
  statusOf,
  touch,
  type SessionRow,
} from '../rows/session.ts'
import { codes, participants, sessions, subjects } from '../schema.ts'
import { lockForClient, makeRoomAtClient } from '../session/limit.ts'
import type { CodeGrant, Committed, RejectedWhy, Session, TokenFamily } from '../types.ts'
import { openFamily } from './rotate.ts'

/**
 * Authorization codes, consumed once. A code that a revocation covers is rejected; a second use
 * revokes what the first use issued.
 */

const codeFields = {
  ...columnsOf(codes, ...CODE_FIELDS),
  consumedAt: codes.consumedAt,
}
type CodeRow = RowOf<typeof codeFields>

const byHash = query(
  codeFields,
  (p: Takes<{ codeHash: string }>, f) =>
    sql`SELECT ${f} FROM ${codes} WHERE ${codes.codeHash} = ${p.codeHash}${forUpdate(codes)}`,
)
/**
 * Returns the fields that decide about a code's grant, for a row of `codes` with its session.
 * @param audience requested instead of the code's own, or NULL
 */
const grantFields = (audience: SQL) => ({
  cutoff: grantCutoff(codes.sid, codes.clientId),
  removedAt: removedAt(codes.clientId),
  lock: lockedBy({
    tid: sessions.tid,
    oid: subjects.oid,
    clients: [codes.clientId],
    audience: sql`coalesce(${audience}, ${codes.audience})`,
  }),
})
const grantOfCode = query(
  grantFields(textParam('audience')),
  (p: Takes<{ codeHash: string; audience: string | undefined }>, f) =>
    sql`SELECT ${f} FROM ${codes} JOIN ${sessions} ON ${sessions.sid} = ${codes.sid} ${joinUser}
      WHERE ${codes.codeHash} = ${withoutReprepare(p.codeHash)}`,
)
const consume = command(
  (p: Takes<{ codeHash: string; now: number }>) =>
    sql`UPDATE ${codes} SET ${assign(codes, { consumedAt: p.now })} WHERE ${codes.codeHash} = ${p.codeHash} AND ${codes.consumedAt} IS NULL`,
)
/** Makes the client a participant of the session, or renews its participation. */
const join = command(
  ({
    sid,
    clientId,
    now,
    head,
    freshUntil: until,
  }: Takes<{
    sid: string
    clientId: string
    now: number
    head: number
    freshUntil: number | undefined
  }>) => {
    const again = { lastAt: now, joinedSeq: head, signedInAt: now, freshUntil: until }
    return sql`${insertInto(participants, { ...again, sid, clientId, firstAt: now, firstSeq: head })}
      ON CONFLICT (${names(participants.sid, participants.clientId)}) DO UPDATE SET ${assign(participants, again)}`
  },
)

type Redemption = {
  codeHash: string
  clientId: string
  redirectUri: string | undefined
  verifier: string | undefined
  /** The thumbprint of the key that the request proves, if any. */
  jkt?: string | undefined
  /** True if the token family is bound to that key. */
  bindsFamily?: boolean
  familyId: string
  /**
   * The maximum age of the user's authentication for this client. The grant ends when it is
   * reached.
   */
  maxAuthenticationSeconds?: number | undefined
  /**
   * The maximum number of the user's sessions in which this client may take part. The oldest grants
   * beyond it end.
   */
  sessionLimit?: number | undefined
  /** The audience requested instead of the code's own. */
  audience?: string | undefined
  now: number
}
type Redeemed =
  | {
      outcome: 'redeemed'
      session: Session
      grant: CodeGrant
      family: TokenFamily | undefined
      rev: number
    }
  | { outcome: 'rejected'; why: RejectedWhy }
  | { outcome: 'reused'; committed: Committed }

/** Returns whether the code issues a token family. */
const isOffline = ({ scope }: CodeRow): boolean => splitList(scope).includes('offline_access')

const grantOf = (row: CodeRow): CodeGrant => ({
  clientId: row.clientId,
  redirectUri: row.redirectUri,
  scope: row.scope,
  audience: row.audience,
  nonce: optional(row.nonce),
  codeChallenge: optional(row.codeChallenge),
  jkt: optional(row.jkt),
  wantsAuthTime: row.wantsAuthTime === 1,
})

/** RFC 7636 §4.6. A verifier without a challenge is rejected too (RFC 9700 §4.8.2, downgrade). */
const verifierIsRight = (challenge: string | null, verifier: string | undefined): boolean =>
  challenge === null
    ? verifier === undefined
    : verifier !== undefined &&
      isCodeVerifier(verifier) &&
      equalInConstantTime(sha256(verifier), challenge)

const rejected = (why: RejectedWhy): Redeemed => ({ outcome: 'rejected', why })

/**
 * Handles a second use by a caller that could have made the first: it revokes what the code issued
 * (RFC 6749 §4.1.2).
 */
function* reuse(code: CodeRow, { codeHash, now }: Redemption): Act<Redeemed> {
  const status = yield* statusOf(yield* sessionBySid(code.sid), now)
  const grant = yield* grantOfCode.get({ codeHash, audience: undefined })
  if (
    status.state === 'unknown' ||
    status.state === 'ended' ||
    grant === undefined ||
    covers(grant.cutoff, code.openedSeq)
  )
    return rejected('revoked')
  const committed = yield* appendRevocation({
    selector: { kind: 'grant', sid: code.sid, clientId: code.clientId },
    reason: 'code_reuse',
    actor: { kind: 'client', id: code.clientId },
    now,
  })
  return { outcome: 'reused', committed }
}

/** Returns why this caller may not use the code: another client, verifier or key. */
const notTheirs = (
  code: CodeRow,
  { clientId, verifier, jkt }: Redemption,
): RejectedWhy | undefined => {
  if (!equalInConstantTime(code.clientId, clientId)) return 'wrong_client'
  if (!verifierIsRight(code.codeChallenge, verifier)) return 'wrong_verifier'
  return code.jkt === null || code.jkt === jkt ? undefined : 'wrong_key'
}

/**
 * Returns why the code cannot be used now. RFC 6749 §4.1.3: the redirect URI must be an exact match
 * of that at /authorize.
 */
const notPresentable = (
  code: CodeRow,
  { redirectUri, now }: Redemption,
): RejectedWhy | undefined => {
  if (code.redirectUri !== redirectUri) return 'wrong_redirect_uri'
  return code.expiresAt <= now ? 'expired' : undefined
}

function* notRedeemable(
  code: CodeRow,
  row: SessionRow | undefined,
  input: Redemption,
): Act<RejectedWhy | undefined> {
  const { now } = input
  const why = notPresentable(code, input)
  if (why !== undefined) return why
  const status = yield* statusOf(row, now)
  if (status.state === 'unknown') return 'unknown'
  if (status.state === 'ended') return rejectedBy(status.why)
  return row !== undefined && now >= (freshUntil(row, input) ?? Infinity) ? 'not_fresh' : undefined
}

/** Returns when the user's authentication becomes too old for the client that redeems. */
const freshUntil = (
  row: SessionRow,
  { maxAuthenticationSeconds: most }: Redemption,
): number | undefined => (most === undefined ? undefined : row.authenticatedAt + most)

function* take(code: CodeRow, row: SessionRow, input: Redemption): Act<Redeemed> {
  const { sid } = code
  const rev = row.head
  const { codeHash, clientId, familyId, sessionLimit: most, now } = input
  if (most !== undefined) yield* makeRoomAtClient({ sid, sub: row.sub, clientId, most, now })
  // Always changes one row: `redeemAuthorizationCode` locked it before it read that the code was
  // not consumed.
  yield* consume.run({ codeHash, now })
  yield* join.run({ sid, clientId, now, head: rev, freshUntil: freshUntil(row, input) })
  yield* touch(row, undefined, now)
  const grant = grantOf(code)
  const family = isOffline(code)
    ? yield* openFamily({
        familyId,
        sid,
        grant,
        jkt: input.bindsFamily === true ? input.jkt : undefined,
        openedSeq: rev,
        now,
      })
    : undefined
  return { outcome: 'redeemed', session: yield* sessionOf(row), grant, family, rev }
}

/**
 * Consumes a code once. A second use is rejected; from the right client with the right verifier it
 * also revokes the code's grant. `familyId` becomes the grant's token family where the code's scope
 * has `offline_access`.
 */
export function* redeemAuthorizationCode(input: Redemption): Act<Redeemed> {
  const { codeHash } = input
  const code = yield* byHash.get({ codeHash })
  if (code === undefined) return rejected('unknown')
  const why = notTheirs(code, input)
  if (why !== undefined) return rejected(why)
  if (code.consumedAt !== null) return yield* reuse(code, input)
  yield* joinsClient(code.clientId)
  if (input.sessionLimit !== undefined) yield* lockForClient(code.sid)
  // The session is locked before its participants are read: a concurrent revocation either sees the
  // new participant, or is visible here.
  yield* lockSession(code.sid)
  const row = yield* sessionBySid(code.sid)
  const reason = yield* notRedeemable(code, row, input)
  if (reason !== undefined || row === undefined) return rejected(reason ?? 'unknown')
  const grant = yield* grantOfCode.get({ codeHash, audience: input.audience })
  if (typeof grant?.lock === 'string') return rejected('locked')
  // A removed client's code was issued after the removal, by a broker that did not know of it yet.
  // No revocation covers such a code, so it is rejected here.
  if (grant === undefined || grant.removedAt !== null || covers(grant.cutoff, code.openedSeq))
    return rejected('revoked')
  return yield* take(code, row, input)
}
