import { sql } from 'drizzle-orm'
import type { Column, SQL, SQLWrapper, Table } from 'drizzle-orm'

/**
 * What the engines write differently. Such a fragment is decided when its statement is rendered, so
 * that acts and rules name no engine.
 */

export type EngineName = 'sqlite' | 'postgres'

let rendering: EngineName = 'sqlite'

/** Renders for one engine: whatever fragment `render` meets is that engine's. */
export function renderFor<T>(engine: EngineName, render: () => T): T {
  rendering = engine
  return render()
}

/** A fragment of its own for each engine. */
export function perEngine<T = unknown>(fragments: Record<EngineName, SQL>): SQL<T> {
  const late: SQLWrapper = { getSQL: () => fragments[rendering], shouldOmitSQLParens: () => true }
  return sql<T>`${late}`
}

const NOTHING = sql.empty()

/** The largest of several values. */
export const greatest = (...values: SQL[]): SQL<number> => {
  const list = sql.join(values, sql`, `)
  return perEngine<number>({ sqlite: sql`max(${list})`, postgres: sql`greatest(${list})` })
}

/** The smallest of several values. */
export const least = (...values: SQL[]): SQL<number> => {
  const list = sql.join(values, sql`, `)
  return perEngine<number>({ sqlite: sql`min(${list})`, postgres: sql`least(${list})` })
}

/** Locks the rows of these tables until the act ends. SQLite has one writer, and needs none. */
export const forUpdate = (...tables: Table[]): SQL => {
  const of = sql.join(tables, sql`, `)
  return perEngine({ sqlite: NOTHING, postgres: sql` FOR UPDATE OF ${of}` })
}

/**
 * The same, of rows that no other act has locked: what several brokers could take twice is taken by
 * one. Locked rows are left out.
 */
export const forUpdateSkipLocked = (...tables: Table[]): SQL => {
  const of = sql.join(tables, sql`, `)
  return perEngine({ sqlite: NOTHING, postgres: sql` FOR UPDATE OF ${of} SKIP LOCKED` })
}

/**
 * Keeps these rows from being changed until the act ends, beside others that only keep them so too.
 * SQLite needs none.
 */
export const forShare = (...tables: Table[]): SQL => {
  const of = sql.join(tables, sql`, `)
  return perEngine({ sqlite: NOTHING, postgres: sql` FOR SHARE OF ${of}` })
}

/**
 * Whether a column has one of the values of a JSON list of strings, so that one statement changes a
 * page of rows.
 */
export const isOneOf = (column: Column, list: SQL<string>): SQL =>
  sql`${column} IN (${perEngine({
    sqlite: sql`SELECT value FROM json_each(${list})`,
    postgres: sql`SELECT jsonb_array_elements_text(CAST(${list} AS jsonb))`,
  })})`

type ListedType = 'text' | 'bigint'
type Listed<C extends Record<string, ListedType>> = {
  [K in keyof C]: SQL<C[K] extends 'text' ? string : number>
}

/**
 * Rows that come as one parameter (`listOf`), for a statement that does for all of them what
 * another does for one. They keep their order.
 * @returns `rows` for a FROM, and its columns
 */
export function rowsOf<const C extends Record<string, ListedType>>(
  list: SQL<string>,
  columns: C,
): { rows: SQL; row: Listed<C> } {
  const all = Object.entries(columns).map(([name, type]) => ({
    name: sql.identifier(name),
    key: sql.raw(`'${name}'`),
    type: sql.raw(type),
  }))
  const joined = (write: (one: (typeof all)[number]) => SQL): SQL =>
    sql.join(all.map(write), sql`, `)
  const rows = perEngine({
    sqlite: sql`(SELECT ${joined(({ name, key }) => sql`value ->> ${key} AS ${name}`)} FROM json_each(${list})) AS listed`,
    postgres: sql`jsonb_to_recordset(CAST(${list} AS jsonb)) AS listed(${joined(({ name, type }) => sql`${name} ${type}`)})`,
  })
  return {
    rows,
    row: Object.fromEntries(
      Object.keys(columns).map((name) => [name, sql`listed.${sql.identifier(name)}`]),
    ) as Listed<C>,
  }
}

/**
 * A parameter that SQLite's planner does not look at: it compiles a join again whenever a plain
 * parameter of its WHERE gets another value, in case a partial index fits that one better. With it,
 * the same statement takes 4 µs instead of 60.
 */
export const withoutReprepare = <T>(param: SQL<T>): SQL<T> =>
  perEngine<T>({ sqlite: sql`+${param}`, postgres: sql`${param}` })

/**
 * The index that SQLite has to use; Postgres chooses by its statistics. Comes after the table's
 * name.
 */
export const indexedBy = (name: string): SQL =>
  perEngine({ sqlite: sql` INDEXED BY ${sql.identifier(name)}`, postgres: NOTHING })

/** Whether a text has this text in it. */
export const has = (text: SQL, part: SQL): SQL =>
  perEngine({
    sqlite: sql`instr(${text}, ${part}) > 0`,
    postgres: sql`strpos(${text}, ${part}) > 0`,
  })
