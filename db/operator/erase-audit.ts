import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { command, query, type Takes } from '../engine/statement.ts'
import { audit, auditSalts } from '../schema.ts'

/**
 * Erases a user from the audit log, whose rows never change, by deleting salts: without its salt
 * the hash of a row's personal fields reveals nothing.
 */

/**
 * The prefix of a cursor, which holds the column, the id after which it continues, and the last id.
 */
const IN_AUDIT = 'audit '
export const isInAudit = (cursor: string): boolean => cursor.startsWith(IN_AUDIT)
const cursorIn = (by: Column, after: number, to: number): string =>
  `${IN_AUDIT}${by} ${after} ${to}`

/** Page size and pages that the erasure itself processes: enough for the entries of most users. */
const [AT_ONCE, AT_ONCE_PAGES] = [200, 2]

const COLUMNS = { actor: audit.actorId, target: audit.target } as const
type Column = keyof typeof COLUMNS

type Range = { who: string; after: number; to: number }
const statements = (by: Column) => {
  const entries = (p: Takes<Range>) =>
    sql`FROM ${audit} WHERE ${COLUMNS[by]} = ${p.who} AND ${audit.id} > ${p.after} AND ${audit.id} <= ${p.to}`
  return {
    page: query(
      { last: sql<number | null>`max(page.id)`, count: sql<number>`count(*)` },
      (p: Takes<Range & { limit: number }>, f) =>
        sql`SELECT ${f} FROM (SELECT ${audit.id} ${entries(p)} ORDER BY ${audit.id} LIMIT ${p.limit}) AS page`,
    ),
    dropSalts: command(
      (p: Takes<Range>) =>
        sql`DELETE FROM ${auditSalts} WHERE ${auditSalts.id} IN (SELECT ${audit.id} ${entries(p)})`,
    ),
  }
}
const STATEMENTS = { actor: statements('actor'), target: statements('target') }
const newest = query(
  { id: sql<number>`${audit.id}` },
  (_, f) => sql`SELECT ${f} FROM ${audit} ORDER BY ${audit.id} DESC LIMIT 1`,
)

/**
 * Deletes the salts of the next page of entries by this user, then of those about the user.
 * @returns the next cursor; '' when the audit log is done
 */
export function* forgetAudited(
  { sub, cursor }: { sub: string; cursor: string },
  limit: number,
): Act<string> {
  const [, column, from, upTo] = cursor.split(' ')
  const by = column === 'target' ? 'target' : 'actor'
  const { page, dropSalts } = STATEMENTS[by]
  const range = {
    who: by === 'actor' ? sub : `subject ${sub}`,
    after: Number(from),
    to: Number(upTo),
  }
  const found = yield* page.get({ ...range, limit })
  if (typeof found?.last === 'number') {
    yield* dropSalts.run({ ...range, to: found.last })
    if (found.count === limit) return cursorIn(by, found.last, range.to)
  }
  return by === 'actor' ? cursorIn('target', 0, range.to) : ''
}

/**
 * Returns the first cursor. It ends at the newest entry, because later entries are not part of the
 * erasure.
 */
export function* beginOfAudit(): Act<string> {
  return cursorIn('actor', 0, (yield* newest.get({}))?.id ?? 0)
}

/**
 * Deletes the salts of most users' entries at once. For a user with many entries, later pages do
 * the rest.
 * @returns the next cursor
 */
export function* forgetAtOnce({ sub, cursor }: { sub: string; cursor: string }): Act<string> {
  let next = cursor
  for (let page = 0; page < AT_ONCE_PAGES && next !== ''; page++)
    next = yield* forgetAudited({ sub, cursor: next }, AT_ONCE)
  return next
}
