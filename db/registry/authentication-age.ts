import { sql } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { indexedBy, least } from '../engine/dialect.ts'
import { assign, columnsOf, command, query } from '../engine/statement.ts'
import type { Param, Takes } from '../engine/statement.ts'
import { isCovered } from '../rows/covers.ts'
import { authenticatedAt } from '../rows/session.ts'
import { participants, sessions } from '../schema.ts'
import { dropSetting, keepSetting, setting } from './settings.ts'

/**
 * A new limit on the age of an authentication, applied page by page to what is open already: a
 * tenant's to the ends of its users' sessions, a client's to its grants. It never makes a session
 * last longer.
 */

type From = { key: string; after: string }
type Page = From & { last: string; seconds: number | undefined }
type Rows = { rows: number }

const lastOfPage = (p: Takes<Rows>) => sql`LIMIT 1 OFFSET ${p.rows} - 1`
const sessionsOf = (p: Takes<From>) =>
  sql`${sessions.tid} = ${p.key} AND ${sessions.endedSeq} IS NULL AND ${sessions.sid} > ${p.after}`
const sessionEnd = query(
  columnsOf(sessions, 'sid'),
  (p: Takes<From & Rows>, f) =>
    sql`SELECT ${f} FROM ${sessions} WHERE ${sessionsOf(p)} ORDER BY ${sessions.sid} ${lastOfPage(p)}`,
)
const limit = (seconds: Param<number | undefined>) =>
  sql`(${authenticatedAt} + CAST(${seconds} AS bigint))`
const endSooner = command(
  (p: Takes<Page>) =>
    sql`UPDATE ${sessions}${indexedBy('sessions_open_by_tenant')} SET ${assign(sessions, {
      absoluteAt: limit(p.seconds),
      deadlineAt: least(sql`${sessions.deadlineAt}`, limit(p.seconds)),
    })} WHERE ${sessionsOf(p)} AND ${sessions.sid} <= ${p.last} AND ${sessions.absoluteAt} > ${limit(p.seconds)}`,
)

const grantsOf = (p: Takes<From>) =>
  sql`${participants.clientId} = ${p.key} AND ${participants.sid} > ${p.after}`
const grantEnd = query(
  columnsOf(participants, 'sid'),
  (p: Takes<From & Rows>, f) =>
    sql`SELECT ${f} FROM ${participants} WHERE ${grantsOf(p)} ORDER BY ${participants.sid} ${lastOfPage(p)}`,
)
// A grant that was revoked stays so, and one of a session that has ended has nothing to lose.
const limitGrants = command(
  (p: Takes<Page>) =>
    sql`UPDATE ${participants} SET ${assign(participants, { freshUntil: limit(p.seconds) })} FROM ${sessions}
      WHERE ${grantsOf(p)} AND ${participants.sid} <= ${p.last} AND NOT ${isCovered(participants.grantCutoff, participants.joinedSeq)}
        AND ${sessions.sid} = ${participants.sid} AND ${sessions.endedSeq} IS NULL`,
)

type Input = { kind: 'tenant' | 'client'; key: string; seconds: number | undefined; rows: number }

/** Holds the limit that is applied; followed by the last sid of a page, while pages remain. */
const nameOf = ({ kind, key }: Pick<Input, 'kind' | 'key'>): string =>
  `authentication_age/${kind}/${key}`

function* progress(input: Input): Act<{ done: boolean; after: string }> {
  const [applied, after] = ((yield* setting(nameOf(input))) ?? 'none').split(' ')
  const same = applied === String(input.seconds ?? 'none')
  return { done: same && after === undefined, after: same ? (after ?? '') : '' }
}

/** After every sid. */
const END = '\u007f'

function* applyPage({ kind, key, seconds, rows }: Input, after: string): Act<string | undefined> {
  // Sessions keep their ends where a tenant's limit is lifted: the next sign-in gives new ones.
  if (kind === 'tenant' && seconds === undefined) return undefined
  const end = yield* (kind === 'tenant' ? sessionEnd : grantEnd).get({ key, after, rows })
  yield* (kind === 'tenant' ? endSooner : limitGrants).run({
    key,
    after,
    last: end?.sid ?? END,
    seconds,
  })
  return end?.sid
}

function* apply(input: Input): Act<boolean> {
  const { done, after } = yield* progress(input)
  if (done) return false
  const last = yield* applyPage(input, after)
  const applied = String(input.seconds ?? 'none')
  if (last !== undefined) yield* keepSetting(nameOf(input), `${applied} ${last}`)
  else if (input.seconds === undefined) yield* dropSetting(nameOf(input))
  else yield* keepSetting(nameOf(input), applied)
  return last !== undefined
}

/**
 * Applies a new limit on the age of authentications (not given: none), of a tenant's users or for
 * a client, to the next page: so many sessions or grants that are open already. Most turns find it
 * applied: they write nothing.
 * @returns whether pages remain
 */
export async function applyAuthenticationAge(
  { read, writePage }: Engine,
  input: Input,
): Promise<boolean> {
  return !(await read(() => progress(input))).done && writePage(() => apply(input))
}
