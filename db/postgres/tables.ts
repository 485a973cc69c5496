import { getTableColumns, getTableName, is, type Column } from 'drizzle-orm'
import { getTableConfig, SQLiteInteger, SQLiteTable } from 'drizzle-orm/sqlite-core'
import * as schema from '../schema.ts'

/** The tables that a move copies: all of db/schema.ts. */

export interface MovedTable {
  name: string
  columns: { name: string; kind: 'text' | 'bigint'; key: boolean }[]
}

function movedTable(table: SQLiteTable): MovedTable {
  const keys = new Set(
    getTableConfig(table).primaryKeys.flatMap(({ columns }) => columns.map(({ name }) => name)),
  )
  const columns = Object.values(getTableColumns(table)).map((column: Column) => ({
    name: column.name,
    kind: is(column, SQLiteInteger) ? ('bigint' as const) : ('text' as const),
    key: column.primary || keys.has(column.name),
  }))
  return { name: getTableName(table), columns }
}

export const TABLES: readonly MovedTable[] = Object.values<unknown>(schema)
  .filter((candidate) => is(candidate, SQLiteTable))
  .map((table) => movedTable(table))
