import {
  Column,
  getTableColumns,
  is,
  Placeholder,
  sql,
  SQL,
  type GetColumnData,
  type Query,
  type Table,
} from 'drizzle-orm'
import type { Act, AnyStatement, Params, SqlDialect, Statement, Value } from './act.ts'
import { perEngine, forUpdate, renderFor, type EngineName } from './dialect.ts'
import { listOf } from './values.ts'

/**
 * Statements, written once for every engine as Drizzle SQL over the schema's columns. A module of
 * acts names its statements when it is loaded; each engine builds and prepares each of them once.
 * Rows have the names of the fields and the types of the schema.
 */

/** A named parameter of a statement. */
export type Param<T> = SQL<T>
export type Takes<P> = { readonly [K in keyof P]: Param<P[K]> }

export type Fields = Record<string, Column | SQL>
export type RowOf<F> = {
  [K in keyof F]: F[K] extends Column ? GetColumnData<F[K]> : F[K] extends SQL<infer T> ? T : never
}

const known: AnyStatement[] = []
/** Returns every statement of every act. */
export const allStatements = (): readonly AnyStatement[] => known

class Prepared<P extends Params, R> implements Statement<P, R> {
  readonly #build: () => SQL
  readonly #rendered: Partial<Record<EngineName, Query>> = {}
  readonly onlyLocks: boolean
  constructor(build: () => SQL, onlyLocks = false) {
    this.#build = build
    this.onlyLocks = onlyLocks
    known.push(this)
  }
  /** Renders once for each engine; all stores of a process share the result. */
  render(engine: EngineName, dialect: SqlDialect): Query {
    return (this.#rendered[engine] ??= renderFor(engine, () => dialect.sqlToQuery(this.#build())))
  }
  *get(params: P): Act<R | undefined> {
    return (yield { statement: this, params, wants: 'get' }) as R | undefined
  }
  *all(params: P): Act<R[]> {
    return (yield { statement: this, params, wants: 'all' }) as R[]
  }
  *run(params: P): Act<number> {
    return (yield { statement: this, params, wants: 'run' }) as number
  }
}

export const placeholders = new Proxy(
  {},
  { get: (_, name) => sql`${sql.placeholder(String(name))}` },
) as Takes<never>

/**
 * The most rows for which SQLite runs one statement per row faster than one for all, which parses
 * them as JSON.
 */
const FEW = 2

/** Runs a statement for each of a few rows, or one statement for all of many. */
export function* runForEach<P extends Params>(
  statement: Statement<P, never>,
  each: Statement<{ list: string }, never>,
  rows: readonly P[],
): Act<void> {
  if (rows.length > FEW) yield* each.run({ list: listOf(rows) })
  else for (const row of rows) yield* statement.run(row)
}

/** Casts a value whose type Postgres cannot infer from its place. */
export const castTo = <T extends string | number>(type: 'text' | 'bigint', value: SQL<T>): SQL<T> =>
  sql<T>`CAST(${value} AS ${sql.raw(type)})`

/** A text parameter used as a field, where Postgres cannot infer its type. */
export const textParam = (name: string): SQL<string> =>
  castTo('text', sql<string>`${sql.placeholder(name)}`)

/** Tests whether a column has the wanted value. NULL matches any value. */
export const orAny = <T extends string>(column: Column, wanted: Param<T | null>): SQL =>
  sql`(CAST(${wanted} AS text) IS NULL OR ${column} = ${wanted})`

/**
 * Makes a statement that returns rows.
 * @param build its SQL; `f` is the list of fields, with their names
 */
export function query<P extends Params, F extends Fields>(
  fields: F,
  build: (p: Takes<P>, f: SQL) => SQL,
): Statement<P, RowOf<F>> {
  return new Prepared(() => build(placeholders, fieldList(fields)))
}

/** Makes a statement that returns no rows. */
export function command<P extends Params>(build: (p: Takes<P>) => SQL): Statement<P, never> {
  return new Prepared(() => build(placeholders))
}

/**
 * Makes a statement that locks the rows of a table that match a condition until the act ends, and
 * reads nothing.
 */
export function lockRows<P extends Params>(
  table: Table,
  where: (p: Takes<P>) => SQL,
): Statement<P, never> {
  return new Prepared(
    () => sql`SELECT 1 FROM ${table} WHERE ${where(placeholders)}${forUpdate(table)}`,
    true,
  )
}

/**
 * Makes a statement that takes a named lock until the act ends, shared or alone. It locks no row,
 * so it leaves no dead row version. SQLite has a single writer and needs none.
 * @param about any number that is the same for all names of a kind
 */
export const lockByName = (
  about: number,
  how: 'shared' | 'alone',
): Statement<{ name: string }, never> =>
  new Prepared(
    () =>
      perEngine({
        sqlite: sql`SELECT 1`,
        postgres: sql`SELECT ${sql.raw(how === 'shared' ? 'pg_advisory_xact_lock_shared' : 'pg_advisory_xact_lock')}(${sql.raw(String(about))}, hashtext(${sql.placeholder('name')}))`,
      }),
    true,
  )

const listed = (parts: SQL[]): SQL => sql.join(parts, sql`, `)

export const fieldList = (fields: Fields): SQL =>
  listed(Object.entries(fields).map(([name, field]) => sql`${field} AS ${sql.identifier(name)}`))

/** Returns columns of a table under the names of its properties, as fields of a query. */
export function columnsOf<T extends Table, K extends keyof T['_']['columns'] & string>(
  table: T,
  ...names: K[]
): Pick<T['_']['columns'], K> {
  const all: Record<string, Column> = getTableColumns(table)
  return Object.fromEntries(names.map((name) => [name, all[name]])) as Pick<T['_']['columns'], K>
}

/** Returns the members of these names, to write into the columns of the same names. */
export const pick = <P, K extends keyof P>(p: P, ...names: K[]): Pick<P, K> =>
  Object.fromEntries(names.map((name) => [name, p[name]])) as Pick<P, K>

export const keysOf = <F extends object>(fields: F): (keyof F)[] =>
  Object.keys(fields) as (keyof F)[]

type Assigned<T extends Table> = { [K in keyof T['$inferInsert']]?: SQL | Value | undefined }

const columnName = (table: Table, property: string): SQL => {
  const column = getTableColumns(table)[property]
  if (column === undefined) throw new Error(`There is no column ${property}.`)
  return sql`${sql.identifier(column.name)}`
}

const into = (table: Table, values: object): SQL =>
  sql`INSERT INTO ${table} (${listed(Object.keys(values).map((name) => columnName(table, name)))})`
const valueList = (values: Record<string, SQL | Value | undefined>): SQL =>
  listed(Object.values(values).map(asSql))

/** Returns `INSERT INTO t (…) VALUES (…)`. */
export const insertInto = <T extends Table>(table: T, values: Assigned<T>): SQL =>
  sql`${into(table, values)} VALUES (${valueList(values)})`

/**
 * Returns `INSERT INTO t (…) SELECT … FROM rows`, which inserts one row for each. Without the
 * WHERE, SQLite would parse a following ON CONFLICT as the condition of a join.
 */
export const insertEach = <T extends Table>(table: T, values: Assigned<T>, rows: SQL): SQL =>
  sql`${into(table, values)} SELECT ${valueList(values)} FROM ${rows} WHERE true`

/** Returns `a = …, b = …` for the SET of an UPDATE or of an ON CONFLICT DO UPDATE. */
export const assign = <T extends Table>(table: T, values: Assigned<T>): SQL =>
  listed(
    Object.entries(values).map(
      ([name, value]) => sql`${columnName(table, name)} = ${asSql(value)}`,
    ),
  )

/** Returns the columns' bare names, for an ON CONFLICT or a SET. */
export const names = (...columns: Column[]): SQL =>
  listed(columns.map((column) => sql`${sql.identifier(column.name)}`))

/** Returns the value that the INSERT would have written, for its ON CONFLICT DO UPDATE. */
export const excluded = (column: Column): SQL => sql`excluded.${sql.identifier(column.name)}`

/** Writes constants into the SQL, so that an engine plans with them. */
const asSql = (value: SQL | Value | undefined): SQL => {
  if (is(value, SQL)) return value
  if (value === null || value === undefined) return sql`NULL`
  return sql.raw(typeof value === 'number' ? String(value) : `'${value.replaceAll("'", "''")}'`)
}

/**
 * Returns a function that puts an act's parameters into the order of the rendered SQL.
 * @param params as Drizzle gives them: placeholders and constants, in their order
 */
export function valuesOf(params: unknown[]): (given: Params) => unknown[] {
  const places = params.map((param) =>
    is(param, Placeholder) ? { name: param.name } : { constant: param },
  )
  return (given) =>
    places.map((place) => ('name' in place ? (given[place.name] ?? null) : place.constant))
}
