import { sql, type Column, type SQL, type SQLWrapper, type Table } from 'drizzle-orm'

/**
 * SQL that differs between the engines. The engine's form is chosen when the statement is rendered,
 * so that acts and rules name no engine.
 */

export type EngineName = 'sqlite' | 'postgres'

let rendering: EngineName = 'sqlite'

/** Calls `render` so that every `perEngine` fragment in it takes the form of this engine. */
export function renderFor<T>(engine: EngineName, render: () => T): T {
  rendering = engine
  return render()
}

/** Returns a fragment that has its own form for each engine. */
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

/**
 * Locks the rows of these tables until the act ends. SQLite has a single writer and needs no row
 * locks.
 */
export const forUpdate = (...tables: Table[]): SQL => {
  const of = sql.join(tables, sql`, `)
  return perEngine({ sqlite: NOTHING, postgres: sql` FOR UPDATE OF ${of}` })
}

/**
 * Locks rows as `forUpdate` does, but skips rows that another act has locked. Several brokers use
 * it to take different rows at once.
 */
export const forUpdateSkipLocked = (...tables: Table[]): SQL => {
  const of = sql.join(tables, sql`, `)
  return perEngine({ sqlite: NOTHING, postgres: sql` FOR UPDATE OF ${of} SKIP LOCKED` })
}

/**
 * Keeps other acts from changing these rows until the act ends; several acts may hold this lock
 * together. SQLite needs no row locks.
 */
export const forShare = (...tables: Table[]): SQL => {
  const of = sql.join(tables, sql`, `)
  return perEngine({ sqlite: NOTHING, postgres: sql` FOR SHARE OF ${of}` })
}

/**
 * Tests whether a column has one of the values in a JSON list of strings. With it one statement
 * changes a page of rows.
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
 * Rows that one JSON parameter (`listOf`) brings in, in its order, so that one statement does the
 * work of many.
 * @returns `rows` for a FROM, and the columns of a row
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
  const joined = (write: (column: (typeof all)[number]) => SQL): SQL =>
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
 * Hides a parameter from SQLite's planner. SQLite compiles a join again whenever a plain parameter
 * of its WHERE changes, in case a partial index then fits better. Hiding it cuts the statement from
 * 60 µs to 4.
 */
export const withoutReprepare = <T>(param: SQL<T>): SQL<T> =>
  perEngine<T>({ sqlite: sql`+${param}`, postgres: sql`${param}` })

/**
 * Names the index that SQLite has to use; Postgres chooses by its statistics. It follows the
 * table's name.
 */
export const indexedBy = (name: string): SQL =>
  perEngine({ sqlite: sql` INDEXED BY ${sql.identifier(name)}`, postgres: NOTHING })

/** Tests whether a text contains another. */
export const has = (text: SQL, part: SQL): SQL =>
  perEngine({
    sqlite: sql`instr(${text}, ${part}) > 0`,
    postgres: sql`strpos(${text}, ${part}) > 0`,
  })
