import { getTableName, sql } from 'drizzle-orm'
import type { SQL, Table } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'
import type { QueryResult } from 'pg'
import type { Act, AnyStatement, Call, Sources } from '../engine/act.ts'
import { renderFor } from '../engine/dialect.ts'
import { allStatements, fieldList, valuesOf } from '../engine/statement.ts'
import type { Fields, RowOf, Takes } from '../engine/statement.ts'
import type { Committed } from '../types.ts'

/**
 * Carries out acts on a connection to Postgres: each statement is rendered once, and prepared once
 * in each connection by its name.
 */

/** A connection, as far as an executor uses it. */
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
  const one = {
    name: `broker_${allStatements().indexOf(statement)}`,
    text: query.sql,
    values: valuesOf(query.params),
  }
  rendered.set(statement, one)
  return one
}

/**
 * A statement for several acts at once. In its SQL, each parameter is the list of their values, in
 * the order of the acts.
 */
interface SetStatement<P extends object, R> {
  query(acts: readonly P[]): { name: string; text: string; values: unknown[] }
  /** Of the answer, as it came. */
  readonly rows: (rows: unknown[]) => R[]
}

/**
 * What the acts of a `setStatement` ask, as rows: a list for each column, and a row for each act.
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
  const joined = (write: (one: (typeof columns)[number]) => SQL): SQL =>
    sql.join(columns.map(write), sql`, `)
  const rows = sql`unnest(${joined(({ name, type }) => sql`CAST(${sql.placeholder(name)} AS ${type})`)})
    WITH ORDINALITY AS asked(${joined(({ column }) => sql`${column}`)}, place)`
  const asked = Object.fromEntries(
    columns.map(({ name, column }) => [name, sql`asked.${column}`]),
  ) as Takes<P>
  return { rows, asked, place: sql<number>`asked.place` }
}

/** @param name of the prepared statement */
export function setStatement<P extends object, F extends Fields>(
  name: string,
  fields: F,
  build: (f: SQL) => SQL,
): SetStatement<P, RowOf<F>> {
  const query = renderFor('postgres', () => dialect.sqlToQuery(build(fieldList(fields))))
  const values = valuesOf(query.params)
  return {
    query(acts) {
      const ofEach = acts.map((one) => values(one as never))
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
 * Of a FROM: the row of a table that belongs to each row before it, looked up by its key. A join
 * would leave the order to the planner, which reads whole tables where its statistics are of a time
 * when they were small. Its columns are those of the table.
 */
export const lookUp = (table: Table, where: SQL, lock: SQL = sql`OFFSET 0`): SQL =>
  sql`LATERAL (SELECT * FROM ${table} WHERE ${where} ${lock}) AS ${sql.identifier(getTableName(table))}`

/** Whether Postgres takes it as it is, so that it fails no other act of its statement. */
export const isPlain = (value: unknown): boolean => {
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isPlain)
  return typeof value === 'number'
    ? Number.isSafeInteger(value)
    : typeof value !== 'string' || (value.isWellFormed() && !value.includes('\0'))
}

/** Postgres takes no U+0000 in text, and would abort the whole transaction for it. */
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
 * @returns its answer, and what it revoked: announced once it is committed
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
