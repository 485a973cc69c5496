import { sql } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { indexedBy, least } from '../engine/dialect.ts'
import { assign, columnsOf, command, query, type Param, type Takes } from '../engine/statement.ts'
import { isCovered } from '../rows/covers.ts'
import { authenticatedAt } from '../rows/session.ts'
import { participants, sessions } from '../schema.ts'
import { dropSetting, keepSetting, setting } from './settings.ts'

/**
 * Applies a new limit on the age of authentications, page by page, to what is already open: a
 * tenant's limit to the ends of its users' sessions, a client's to its grants. It never extends a
 * session.
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
// Skips revoked grants, and grants of ended sessions, which have no tokens left.
const limitGrants = command(
  (p: Takes<Page>) =>
    sql`UPDATE ${participants} SET ${assign(participants, { freshUntil: limit(p.seconds) })} FROM ${sessions}
      WHERE ${grantsOf(p)} AND ${participants.sid} <= ${p.last} AND NOT ${isCovered(participants.grantCutoff, participants.joinedSeq)}
        AND ${sessions.sid} = ${participants.sid} AND ${sessions.endedSeq} IS NULL`,
)

type Input = { kind: 'tenant' | 'client'; key: string; seconds: number | undefined; rows: number }

/**
 * Returns the name of the setting that holds the applied limit; while pages remain, also the last
 * sid of a page.
 */
const nameOf = ({ kind, key }: Pick<Input, 'kind' | 'key'>): string =>
  `authentication_age/${kind}/${key}`

function* progress(input: Input): Act<{ done: boolean; after: string }> {
  const [applied, after] = ((yield* setting(nameOf(input))) ?? 'none').split(' ')
  const same = applied === String(input.seconds ?? 'none')
  return { done: same && after === undefined, after: same ? (after ?? '') : '' }
}

/** A text that sorts after every sid. */
const END = '\u007f'

function* applyPage({ kind, key, seconds, rows }: Input, after: string): Act<string | undefined> {
  // Without a tenant's limit, open sessions keep their ends; the next sign-in sets new ones.
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
 * Applies a new limit on the age of authentications (undefined: none), of a tenant's users or for a
 * client, to the next page of open sessions or grants. Most calls find it applied and write
 * nothing.
 * @returns whether pages remain
 */
export async function applyAuthenticationAge(
  { read, writePage }: Engine,
  input: Input,
): Promise<boolean> {
  return !(await read(() => progress(input))).done && writePage(() => apply(input))
}
