import { getTableColumns, getTableName, is, type Column, type SQL } from 'drizzle-orm'
import {
  bigint,
  customType,
  index,
  pgSchema,
  primaryKey,
  uniqueIndex,
  type PgColumn,
} from 'drizzle-orm/pg-core'
import { getTableConfig, SQLiteInteger, SQLiteTable } from 'drizzle-orm/sqlite-core'
import * as embedded from '../schema.ts'

/**
 * The tables of Postgres, made from those of SQLite (db/schema.ts), so that the two cannot differ;
 * the source of `db/postgres/migrations`. They have a namespace of their own. Text is compared byte
 * by byte, as SQLite does, because cursors depend on its order.
 */

export const NAMESPACE = 'broker'
export const namespace = pgSchema(NAMESPACE)

const text = customType<{ data: string }>({ dataType: () => 'text COLLATE "C"' })

const columnOf = (column: Column) => {
  if (!is(column, SQLiteInteger)) return withRules(text(column.name), column)
  const like = bigint(column.name, { mode: 'number' })
  // SQLite numbers such a column by itself, so Postgres generates it too.
  return withRules(
    column.primary && column.name === 'id' ? like.generatedByDefaultAsIdentity() : like,
    column,
  )
}

function withRules<
  T extends { notNull(): unknown; default(value: never): unknown; primaryKey(): unknown },
>(like: T, column: Column): T {
  if (column.notNull) like.notNull()
  if (column.default !== undefined) like.default(column.default as never)
  if (column.primary) like.primaryKey()
  return like
}

type Columns = [PgColumn, ...PgColumn[]]
const indexColumns = (columns: readonly (Column | SQL)[], own: Record<string, PgColumn>): Columns =>
  columns.map((column) => own['name' in column ? column.name : '']) as Columns

function tableOf(table: SQLiteTable) {
  const config = getTableConfig(table)
  const columns = Object.fromEntries(
    Object.values(getTableColumns(table)).map((column: Column) => [column.name, columnOf(column)]),
  )
  return namespace.table(getTableName(table), columns, (own) => [
    ...config.primaryKeys.map((key) => primaryKey({ columns: indexColumns(key.columns, own) })),
    ...config.indexes.map(({ config: { name, columns: on, unique, where } }) => {
      const made = (unique ? uniqueIndex(name) : index(name)).on(...indexColumns(on, own))
      return where === undefined ? made : made.where(where)
    }),
  ])
}

const tables = Object.fromEntries(
  Object.entries<unknown>(embedded).flatMap(([name, table]) =>
    is(table, SQLiteTable) ? [[name, tableOf(table)] as const] : [],
  ),
)

/**
 * The brokers and workers that use this database, with their latest heartbeat and their background
 * work. SQLite has a single broker and no such table.
 */
export const processes = namespace.table('processes', {
  id: text('id').primaryKey(),
  kind: text('kind').notNull(),
  host: text('host').notNull(),
  version: text('version').notNull(),
  work: text('work').notNull(),
  started_at_ms: bigint('started_at_ms', { mode: 'number' }).notNull(),
  seen_at_ms: bigint('seen_at_ms', { mode: 'number' }).notNull(),
})

/** The servers and timelines on which the log was continued (db/postgres/lineage.ts). */
export const lineage = namespace.table('lineage', {
  id: bigint('id', { mode: 'number' }).generatedByDefaultAsIdentity().primaryKey(),
  system_identifier: text('system_identifier').notNull(),
  timeline: text('timeline').notNull(),
  epoch: text('epoch').notNull(),
  after_seq: bigint('after_seq', { mode: 'number' }).notNull(),
  from_seq: bigint('from_seq', { mode: 'number' }).notNull(),
  why: text('why').notNull(),
  at_ms: bigint('at_ms', { mode: 'number' }).notNull(),
})

// drizzle-kit only finds tables that the module exports by name. A test compares a migrated
// database with db/schema.ts.
export const {
  logHead,
  revocations,
  sessionEntries,
  cutoffs,
  floors,
  authTimes,
  subjects,
  subjectWords,
  erasures,
  locks,
  idempotencyKeys,
  operators,
  sessions,
  participants,
  codes,
  families,
  securityEvents,
  rejectedSignIns,
  acceptedSignIns,
  consents,
  consumed,
  pushedRequests,
  deliveries,
  webhookEndpoints,
  streams,
  deliveryCounts,
  revocationTotals,
  deliveryAttempts,
  guards,
  guardLeases,
  enforcements,
  clients,
  clientSecrets,
  targets,
  signingKeys,
  tenants,
  microsoftWork,
  probeCursors,
  probePages,
  settings,
  registry,
  audit,
  auditOutcomes,
  auditSalts,
  chainHeads,
  chainBegins,
  chainSignatures,
} = tables
