import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { command, query } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { audit, auditSalts } from '../schema.ts'

/**
 * Forgetting a user in the audit log, whose rows never change: without its salt the hash of a row's
 * personal fields says nothing.
 */

/** A cursor: by which column, after which id, up to which. */
const IN_AUDIT = 'audit '
export const isInAudit = (cursor: string): boolean => cursor.startsWith(IN_AUDIT)
const cursorIn = (by: Column, after: number, to: number): string =>
  `${IN_AUDIT}${by} ${after} ${to}`

/** Entries forgotten in the act of the erasure itself: as many as most users have. */
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
 * The next page of the entries by this user, then of those about them.
 * @returns where to go on: '' where the sessions begin
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

/** Entries that are written later are not of what was erased. */
export function* beginOfAudit(): Act<string> {
  return cursorIn('actor', 0, (yield* newest.get({}))?.id ?? 0)
}

/**
 * Those of most users; of a user with many entries the rest is left to later pages.
 * @returns where to go on
 */
export function* forgetAtOnce({ sub, cursor }: { sub: string; cursor: string }): Act<string> {
  let next = cursor
  for (let page = 0; page < AT_ONCE_PAGES && next !== ''; page++)
    next = yield* forgetAudited({ sub, cursor: next }, AT_ONCE)
  return next
}
