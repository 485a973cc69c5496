import { sql } from 'drizzle-orm'
import type { Column, SQL, SQLWrapper, Table } from 'drizzle-orm'

/** What the engines write differently. Such a fragment is decided when its statement is rendered, so that acts and rules name no engine. */

export type EngineName = 'sqlite' | 'postgres'

let rendering: EngineName = 'sqlite'

/** Renders for one engine: whatever fragment `render` meets is that engine's. */
export function renderFor<T>(engine: EngineName, render: () => T): T {
  rendering = engine
  return render()
}

/** A fragment of its own for each engine. */
export function each<T = unknown>(fragments: Record<EngineName, SQL>): SQL<T> {
  const late: SQLWrapper = { getSQL: () => fragments[rendering], shouldOmitSQLParens: () => true }
  return sql<T>`${late}`
}

const NOTHING = sql.empty()

/** The largest of several values. */
export const greatest = (...values: SQL[]): SQL<number> => {
  const list = sql.join(values, sql`, `)
  return each<number>({ sqlite: sql`max(${list})`, postgres: sql`greatest(${list})` })
}

/** The smallest of several values. */
export const least = (...values: SQL[]): SQL<number> => {
  const list = sql.join(values, sql`, `)
  return each<number>({ sqlite: sql`min(${list})`, postgres: sql`least(${list})` })
}

/** Locks the rows of these tables until the act ends. SQLite has one writer, and needs none. */
export const forUpdate = (...tables: Table[]): SQL => {
  const of = sql.join(tables, sql`, `)
  return each({ sqlite: NOTHING, postgres: sql` FOR UPDATE OF ${of}` })
}

/** The same, of rows that no other act has locked: what several brokers could take twice is taken by one. Locked rows are left out. */
export const forUpdateSkipLocked = (...tables: Table[]): SQL => {
  const of = sql.join(tables, sql`, `)
  return each({ sqlite: NOTHING, postgres: sql` FOR UPDATE OF ${of} SKIP LOCKED` })
}

/** Keeps these rows from being changed until the act ends, beside others that only keep them so too. SQLite needs none. */
export const forShare = (...tables: Table[]): SQL => {
  const of = sql.join(tables, sql`, `)
  return each({ sqlite: NOTHING, postgres: sql` FOR SHARE OF ${of}` })
}

/** Whether a column has one of the values of a JSON list of strings, so that one statement changes a page of rows. */
export const isOneOf = (column: Column, list: SQL<string>): SQL =>
  sql`${column} IN (${each({
    sqlite: sql`SELECT value FROM json_each(${list})`,
    postgres: sql`SELECT jsonb_array_elements_text(CAST(${list} AS jsonb))`,
  })})`

/**
 * A parameter that SQLite's planner does not look at: it compiles a join anew whenever a plain parameter of its WHERE gets another value, in
 * case a partial index fits that one better. Hidden, the same statement takes 4 µs instead of 60.
 */
export const hidden = <T>(param: SQL<T>): SQL<T> => each<T>({ sqlite: sql`+${param}`, postgres: sql`${param}` })

/** The index that SQLite has to use; Postgres chooses by its statistics. Stands after the table's name. */
export const indexedBy = (name: string): SQL => each({ sqlite: sql` INDEXED BY ${sql.identifier(name)}`, postgres: NOTHING })
