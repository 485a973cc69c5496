import { getTableName, sql, type SQL, type Table } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'
import type { QueryResult } from 'pg'
import type { Act, AnyStatement, Call, Sources } from '../engine/act.ts'
import { renderFor } from '../engine/dialect.ts'
import {
  allStatements,
  fieldList,
  valuesOf,
  type Fields,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import type { Committed } from '../types.ts'

/**
 * Runs acts on a connection to Postgres. Each statement is rendered once, and prepared under its
 * name once in each connection.
 */

/** The part of a connection that an executor uses. */
interface Connection {
  query(query: {
    name: string
    text: string
    values: unknown[]
  }): Promise<QueryResult<Record<string, unknown>>>
}

interface Rendered {
  name: string
  text: string
  values: ReturnType<typeof valuesOf>
}

const dialect = new PgDialect()
const rendered = new Map<AnyStatement, Rendered>()

function render(statement: AnyStatement): Rendered {
  const known = rendered.get(statement)
  if (known !== undefined) return known
  const query = statement.render('postgres', dialect)
  const compiled = {
    name: `broker_${allStatements().indexOf(statement)}`,
    text: query.sql,
    values: valuesOf(query.params),
  }
  rendered.set(statement, compiled)
  return compiled
}

/**
 * One statement for several acts. Each parameter in its SQL is the list of their values, in the
 * order of the acts.
 */
interface SetStatement<P extends object, R> {
  query(acts: readonly P[]): { name: string; text: string; values: unknown[] }
  /** Returns the rows of the answer with their types. */
  readonly rows: (rows: unknown[]) => R[]
}

/**
 * Makes rows from the parameters of a `setStatement`: a list for each column, and a row for each
 * act.
 * @returns `rows` for a FROM, and its columns; `place` is that of the act, from 1
 */
export function askedRows<P extends object>(types: {
  [K in keyof P]-?: 'text' | 'bigint' | 'boolean'
}) {
  const columns = Object.entries<string>(types).map(([name, type]) => ({
    name,
    column: sql.identifier(name),
    type: sql.raw(`${type}[]`),
  }))
  const joined = (write: (column: (typeof columns)[number]) => SQL): SQL =>
    sql.join(columns.map(write), sql`, `)
  const rows = sql`unnest(${joined(({ name, type }) => sql`CAST(${sql.placeholder(name)} AS ${type})`)})
    WITH ORDINALITY AS asked(${joined(({ column }) => sql`${column}`)}, place)`
  const asked = Object.fromEntries(
    columns.map(({ name, column }) => [name, sql`asked.${column}`]),
  ) as Takes<P>
  return { rows, asked, place: sql<number>`asked.place` }
}

/**
 * Returns a prepared statement that runs for several acts at once.
 * @param name of the prepared statement
 */
export function setStatement<P extends object, F extends Fields>(
  name: string,
  fields: F,
  build: (f: SQL) => SQL,
): SetStatement<P, RowOf<F>> {
  const query = renderFor('postgres', () => dialect.sqlToQuery(build(fieldList(fields))))
  const values = valuesOf(query.params)
  return {
    query(acts) {
      const ofEach = acts.map((act) => values(act as never))
      return {
        name,
        text: query.sql,
        values: query.params.map((_, at) => ofEach.map((its) => its[at])),
      }
    },
    rows: (rows) => rows as RowOf<F>[],
  }
}

/**
 * Returns a FROM item: for each row before it, the row of a table, found by its key. With a join
 * the planner could choose to read whole tables, because its statistics may be from when they were
 * small. The columns are those of the table.
 */
export const lookUp = (table: Table, where: SQL, lock: SQL = sql`OFFSET 0`): SQL =>
  sql`LATERAL (SELECT * FROM ${table} WHERE ${where} ${lock}) AS ${sql.identifier(getTableName(table))}`

/**
 * Returns whether Postgres accepts the value, so that it cannot fail the other acts of its
 * statement.
 */
export const isPlain = (value: unknown): boolean => {
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isPlain)
  return typeof value === 'number'
    ? Number.isSafeInteger(value)
    : typeof value !== 'string' || (value.isWellFormed() && !value.includes('\0'))
}

/**
 * Rejects U+0000, which Postgres does not accept in text, before it would abort the whole
 * transaction.
 */
const mustBeText = (value: unknown): unknown => {
  if (typeof value === 'string' && value.includes('\0'))
    throw new TypeError('A text has a NUL character (U+0000), which the database does not accept.')
  return value
}

async function carryOut(
  connection: Connection,
  { statement, params, wants }: Call,
): Promise<unknown> {
  const { name, text, values } = render(statement)
  const { rows, rowCount } = await connection.query({
    name,
    text,
    values: values(params).map(mustBeText),
  })
  if (wants === 'get') return rows[0]
  return wants === 'all' ? rows : (rowCount ?? 0)
}

/**
 * Runs an act to its end.
 * @returns its answer, and what it revoked, which is announced after the commit
 */
export async function runAct<T>(
  connection: Connection,
  sources: Sources,
  act: Act<T>,
): Promise<{ value: T; revoked: Committed[] }> {
  const revoked: Committed[] = []
  let step = act.next()
  while (step.done !== true) {
    if (typeof step.value === 'string') step = act.next(sources[step.value]())
    else if ('revoked' in step.value) {
      revoked.push(step.value.revoked)
      step = act.next()
    } else step = act.next(await carryOut(connection, step.value))
  }
  return { value: step.value, revoked }
}
