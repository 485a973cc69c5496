import { sql, type SQL } from 'drizzle-orm'
import type { LockKind } from '../../src/protocol/lock-target.ts'
import type { Act } from '../engine/act.ts'
import { perEngine, forUpdate, withoutReprepare } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  insertInto,
  pick,
  query,
  textParam,
  type Param,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { appendRevocation } from '../revocation/revoke.ts'
import { covers, grantCutoff } from '../rows/covers.ts'
import { lockedBy } from '../rows/locked.ts'
import {
  endOfSession,
  isRevoked,
  joinUser,
  rejectedBy,
  sessionFields,
  touch,
  validSession,
} from '../rows/session.ts'
import { families, participants, sessions, subjects } from '../schema.ts'
import type { CodeGrant, Committed, RejectedWhy, Session, TokenFamily } from '../types.ts'

/**
 * Token families: rotation, replay and theft (RFC 9700 §4.14.2). Only the current generation is
 * accepted and, until that is used, the one before.
 */

/**
 * Grace period for concurrent requests of one client. Reuse of a token that was replaced longer ago
 * is treated as theft.
 */
const PIPELINE_SECONDS = 30
/**
 * How far the clocks of two brokers may be apart. A rotation further ahead was dated by a wrong
 * clock, and allows a public client no replay.
 */
const SKEW_SECONDS = 60
/**
 * The number of rotations within the grace period that are kept. No client has more concurrent
 * refreshes.
 */
const REMEMBERED = 128

const familyFields = {
  ...sessionFields,
  ...columnsOf(
    families,
    'familyId',
    'generation',
    'scope',
    'audience',
    'nonce',
    'jkt',
    'rotatedAt',
    'replacedAt',
  ),
  familyClient: families.clientId,
  familyOpenedSeq: families.openedSeq,
  /** The seq of the latest revocation of this grant or its client. */
  grantCutoff: grantCutoff(families.sid, families.clientId),
  /**
   * When the user's authentication becomes too old for the client; NULL where the client sets no
   * limit.
   */
  freshUntil: sql<number | null>`(SELECT ${participants.freshUntil} FROM ${participants}
    WHERE ${participants.sid} = ${families.sid} AND ${participants.clientId} = ${families.clientId})`,
}
/**
 * The lock that covers a row of `families` with its session.
 * @param audience requested instead of the family's own, or NULL
 */
const lockOfFamily = (audience: SQL): SQL<LockKind | null> =>
  lockedBy({
    tid: sessions.tid,
    oid: subjects.oid,
    clients: [families.clientId],
    audience: sql`coalesce(${audience}, ${families.audience})`,
  })
/**
 * Returns all fields that decide about a rotation, in one row.
 * @param audience requested instead of the family's own, or NULL
 */
export const checkedFields = (audience: SQL) => ({ ...familyFields, lock: lockOfFamily(audience) })
const fields = checkedFields(textParam('audience'))
type FamilyRow = RowOf<typeof fields>

const familyOfSession = sql`${families} JOIN ${sessions} ON ${sessions.sid} = ${families.sid} ${joinUser}`
const byId = query(
  fields,
  (p: Takes<{ familyId: string; audience: string | undefined }>, f) =>
    sql`SELECT ${f} FROM ${familyOfSession} WHERE ${families.familyId} = ${withoutReprepare(p.familyId)}`,
)
const byIdLocked = query(
  fields,
  (p: Takes<{ familyId: string; audience: string | undefined }>, f) =>
    sql`SELECT ${f} FROM ${familyOfSession} WHERE ${families.familyId} = ${withoutReprepare(p.familyId)}${forUpdate(families)}`,
)
type NewFamily = {
  familyId: string
  sid: string
  clientId: string
  scope: string
  audience: string
  nonce: string | undefined
  jkt: string | undefined
  openedSeq: number
  now: number
}
const insert = command((p: Takes<NewFamily>) =>
  insertInto(families, {
    ...pick(p, 'familyId', 'sid', 'clientId'),
    generation: 1,
    ...pick(p, 'scope', 'audience', 'nonce', 'jkt'),
    openedSeq: p.openedSeq,
    rotatedAt: p.now,
  }),
)
/** The length at which the list in `replaced_at` is full. */
const FULL = JSON.stringify(Array.from({ length: REMEMBERED }, () => 1_000_000_000)).length

/**
 * Returns `replaced_at` with this rotation added. Every entry within the grace period is kept, up
 * to the limit: a full list loses its oldest, and a rotation after a pause starts a new one.
 */
function remembering(now: Param<number>): SQL {
  const [list, at] = [sql`${families.replacedAt}`, sql`CAST(CAST(${now} AS bigint) AS text)`]
  const comma = perEngine({ sqlite: sql`instr(${list}, ',')`, postgres: sql`strpos(${list}, ',')` })
  return sql`CASE WHEN ${list} = '[]' OR ${now} - ${families.rotatedAt} > ${sql.raw(String(PIPELINE_SECONDS))} THEN '[' || ${at} || ']'
    WHEN length(${list}) < ${sql.raw(String(FULL))} THEN rtrim(${list}, ']') || ',' || ${at} || ']'
    ELSE '[' || substr(rtrim(${list}, ']'), ${comma} + 1) || ',' || ${at} || ']' END`
}
/** Returns the assignments of a rotation. */
export const rotation = (now: Param<number>): SQL =>
  assign(families, {
    generation: sql`${families.generation} + 1`,
    rotatedAt: now,
    replacedAt: remembering(now),
  })
const advance = command(
  (p: Takes<{ familyId: string; generation: number; now: number }>) =>
    sql`UPDATE ${families} SET ${rotation(p.now)} WHERE ${families.familyId} = ${p.familyId} AND ${families.generation} = ${p.generation}`,
)

export type Input = {
  familyId: string
  generation: number
  clientId: string
  replayWindowSeconds?: number | undefined
  /** The thumbprint of the key that the request proves, if any. */
  jkt?: string | undefined
  /** True if the token stays the same, because FAPI 2.0 §5.3.2.1 allows no rotation. */
  keeps?: boolean | undefined
  /** The audience requested instead of the family's own. */
  audience?: string | undefined
  now: number
}
export type Rotation =
  | { outcome: 'rotated' | 'replayed' | 'kept'; family: TokenFamily; session: Session; rev: number }
  | { outcome: 'rejected'; why: RejectedWhy }
  | { outcome: 'late' | 'stolen'; committed: Committed }

const familyOf = (row: FamilyRow, generation = row.generation): TokenFamily => ({
  familyId: row.familyId,
  sid: row.sid,
  clientId: row.familyClient,
  generation,
  scope: row.scope,
  audience: row.audience,
  nonce: optional(row.nonce),
  jkt: optional(row.jkt),
})

/**
 * Returns the result of a rotation.
 * @param row as it was before the rotation
 * @param session as it is after it
 */
export const rotated = (row: FamilyRow, session: Session): Rotation => ({
  outcome: 'rotated',
  family: familyOf(row, row.generation + 1),
  session,
  rev: row.head,
})
const rejected = (why: RejectedWhy): Rotation => ({ outcome: 'rejected', why })

/**
 * Returns whether the request replays the generation before the current one, because its answer was
 * lost or it was sent twice. It gets the same successor.
 */
const mayReplay = (
  row: FamilyRow,
  { generation, replayWindowSeconds: window, now }: Input,
): boolean =>
  generation === row.generation - 1 &&
  (window === undefined || (now - row.rotatedAt <= window && row.rotatedAt - now <= SKEW_SECONDS))

const replacedAt = (row: FamilyRow): number[] => JSON.parse(row.replacedAt) as number[]

/**
 * Returns whether this very token was valid within the grace period. The time counts from when its
 * successor was used, not from the family's last rotation, so that a thief who refreshes constantly
 * cannot hide.
 */
const isPipelined = (row: FamilyRow, { generation, now }: Input): boolean => {
  const at = replacedAt(row).at(Math.min(generation + 1, row.generation - 1) - row.generation)
  return at !== undefined && now - at <= PIPELINE_SECONDS
}

/**
 * Rejects a generation that may not be used any more. Within the grace period a generation older
 * than the one before the current one is harmless, because requests of one client may overlap
 * (`stale`). The one before the current one reaches this only for a public client after its replay
 * window: its answer was lost or two parties hold the token, so the grant alone is revoked
 * (`late`). After the grace period it is theft, and the session is revoked (`stolen`).
 */
function* older(row: FamilyRow, input: Input): Act<Rotation> {
  const pipelined = isPipelined(row, input)
  if (pipelined && input.generation < row.generation - 1) return rejected('stale')
  const { now } = input
  const actor = { kind: 'broker', id: 'token' } as const
  if (!pipelined) {
    const selector = { kind: 'session', sid: row.sid } as const
    return {
      outcome: 'stolen',
      committed: yield* appendRevocation({ selector, reason: 'refresh_token_reuse', actor, now }),
    }
  }
  const selector = { kind: 'grant', sid: row.sid, clientId: row.familyClient } as const
  return {
    outcome: 'late',
    committed: yield* appendRevocation({ selector, reason: 'refresh_token_late', actor, now }),
  }
}

const isNoneOf = (row: FamilyRow | undefined, generation: number): row is undefined =>
  row === undefined || generation > row.generation || generation < 1

/**
 * Returns why no generation of this family may be used now; undefined where its generation decides.
 */
export function rejection(
  row: FamilyRow,
  { generation, clientId, jkt, now }: Input,
): RejectedWhy | undefined {
  if (isNoneOf(row, generation)) return 'unknown'
  if (row.familyClient !== clientId) return 'wrong_client'
  // Before everything that a replaced token causes: without the key, a thief could end the session.
  if (row.jkt !== null && row.jkt !== jkt) return 'wrong_key'
  if (row.lock !== null) return 'locked'
  const ended = endOfSession(row, now)
  if (ended !== undefined) return rejectedBy(ended)
  if (covers(row.grantCutoff, row.familyOpenedSeq)) return 'revoked'
  return row.freshUntil !== null && row.freshUntil <= now ? 'not_fresh' : undefined
}

/**
 * Rotates a refresh token from generation g to g+1, by compare-and-set. Until g is used, g−1 gets
 * g again as its successor. `replayWindowSeconds` bounds that for public clients: after it, g−1 is
 * `late`, which revokes the grant, and after 30 s it is theft. An older generation is `stale` for
 * 30 s from when it was last valid. Later it is theft, and the session is revoked. With `keeps`, g
 * stays the current generation.
 */
export function* rotateRefreshToken(input: Input): Act<Rotation> {
  const { familyId, generation, clientId, audience, now } = input
  const row = yield* byIdLocked.get({ familyId, audience })
  const why = row === undefined ? 'unknown' : rejection(row, input)
  if (row === undefined || why !== undefined) return rejected(why ?? 'unknown')
  const isCurrent = generation === row.generation
  if (isCurrent && input.keeps !== true) {
    yield* advance.run({ familyId, generation, now })
    yield* touch(row, clientId, now)
    return rotated(row, validSession(row))
  }
  if (isCurrent) yield* touch(row, clientId, now)
  else if (!mayReplay(row, input)) return yield* older(row, input)
  return {
    outcome: isCurrent ? 'kept' : 'replayed',
    family: familyOf(row),
    session: validSession(row),
    rev: row.head,
  }
}

/**
 * Returns the family that a refresh token belongs to, without using the token (RFC 7009, RFC 7662).
 * `current`: the generation could still be used.
 */
export function* findFamily(
  familyId: string,
  generation: number,
): Act<{ family: TokenFamily; current: boolean; openedSeq: number } | undefined> {
  const row = yield* byId.get({ familyId, audience: undefined })
  if (isNoneOf(row, generation)) return undefined
  const usable =
    generation >= row.generation - 1 &&
    !isRevoked(row) &&
    row.lock === null &&
    !covers(row.grantCutoff, row.familyOpenedSeq)
  return { family: familyOf(row), current: usable, openedSeq: row.familyOpenedSeq }
}

/** Adds a family, for a grant whose scope has `offline_access`. */
export function* openFamily(input: {
  familyId: string
  sid: string
  grant: CodeGrant
  jkt: string | undefined
  openedSeq: number
  now: number
}): Act<TokenFamily> {
  const { familyId, sid, grant, jkt, openedSeq, now } = input
  const { clientId, scope, audience, nonce } = grant
  yield* insert.run({ familyId, sid, clientId, scope, audience, nonce, jkt, openedSeq, now })
  return { familyId, sid, clientId, generation: 1, scope, audience, nonce, jkt }
}
