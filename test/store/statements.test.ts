import { PgDialect } from 'drizzle-orm/pg-core'
import { getTableConfig, SQLiteTable } from 'drizzle-orm/sqlite-core'
import { is } from 'drizzle-orm'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectionConfig } from '../../db/postgres/connect.ts'
import { allStatements } from '../../db/engine/statement.ts'
import '../../db/sqlite/store.ts'
import * as schema from '../../db/schema.ts'
import { createDatabase, HAS_POSTGRES, type Database } from '../postgres.ts'

describe.skipIf(!HAS_POSTGRES)('one set of statements and tables for both engines', () => {
  let database: Database
  let client: Client
  beforeAll(async () => {
    database = await createDatabase()
    client = new Client(connectionConfig(database.url))
    await client.connect()
  })
  afterAll(async () => {
    await client.end()
    await database.drop()
  })

  test('Postgres prepares every statement of every act', async () => {
    const dialect = new PgDialect()
    const rejected: string[] = []
    for (const [index, statement] of allStatements().entries()) {
      const { sql } = statement.render('postgres', dialect)
      await client
        .query(`PREPARE s${index} AS ${sql}`)
        .catch((error: unknown) => rejected.push(`${String(error)}: ${sql}`))
    }
    expect(allStatements().length).toBeGreaterThan(30)
    expect(rejected).toEqual([])
  })

  test('a migrated Postgres has the columns of the schema, with its own of migrations, processes and lineage beside them, no more and no fewer, with the same types and NULLs', async () => {
    const { rows } = await client.query<{
      table: string
      column: string
      type: string
      null: boolean
    }>(
      `SELECT table_name AS table, column_name AS column, data_type AS type, is_nullable = 'YES' AS null FROM information_schema.columns
        WHERE table_schema = 'broker' AND table_name NOT IN ('migrations', 'processes', 'lineage') ORDER BY 1, 2`,
    )
    const expected = Object.values<unknown>(schema)
      .filter((candidate) => is(candidate, SQLiteTable))
      .flatMap((table) => {
        const { name, columns } = getTableConfig(table)
        return columns.map(
          (column) =>
            `${name}.${column.name} ${column.getSQLType() === 'integer' ? 'bigint' : 'text'}${column.notNull ? ' NOT NULL' : ''}`,
        )
      })
    expect(
      rows
        .map((row) => `${row.table}.${row.column} ${row.type}${row.null ? '' : ' NOT NULL'}`)
        .sort(),
    ).toEqual(expected.sort())
  })
})
