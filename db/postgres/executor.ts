import { PgDialect } from 'drizzle-orm/pg-core'
import type { QueryResult } from 'pg'
import type { Act, AnyStatement, Call } from '../engine/act.ts'
import { allStatements, valuesOf } from '../engine/statement.ts'
import type { Committed } from '../types.ts'

/** Carries out acts on a connection to Postgres: each statement is rendered once, and prepared once in each connection by its name. */

/** A connection, as far as an executor uses it. */
export interface Connection {
  query(query: { name: string; text: string; values: unknown[] }): Promise<QueryResult<Record<string, unknown>>>
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
  const one = { name: `broker_${allStatements().indexOf(statement)}`, text: query.sql, values: valuesOf(query.params) }
  rendered.set(statement, one)
  return one
}

/** Postgres takes no U+0000 in text, and would give up the whole transaction for it. */
const mustBeText = (value: unknown): unknown => {
  if (typeof value === 'string' && value.includes('\0')) throw new TypeError('A text has a NUL character (U+0000), which the database refuses.')
  return value
}

async function carryOut(connection: Connection, { statement, params, wants }: Call): Promise<unknown> {
  const { name, text, values } = render(statement)
  const { rows, rowCount } = await connection.query({ name, text, values: values(params).map(mustBeText) })
  if (wants === 'get') return rows[0]
  return wants === 'all' ? rows : (rowCount ?? 0)
}

/** Runs an act to its end. @returns its answer, and what it revoked: announced once it is committed */
export async function runAct<T>(connection: Connection, act: Act<T>): Promise<{ value: T; revoked: Committed[] }> {
  const revoked: Committed[] = []
  let step = act.next()
  while (step.done !== true) {
    if ('revoked' in step.value) {
      revoked.push(step.value.revoked)
      step = act.next()
    } else step = act.next(await carryOut(connection, step.value))
  }
  return { value: step.value, revoked }
}
