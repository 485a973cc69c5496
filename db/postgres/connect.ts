import { Pool, types } from 'pg'
import type { ClientConfig, PoolConfig } from 'pg'
import { NAMESPACE } from './schema.ts'

/** Connections to Postgres. Each sees the broker's namespace alone, and gives whole numbers as numbers. */

/** Sequence numbers and milliseconds are below 2^53: they come as numbers, as SQLite gives them. */
const WHOLE = new Set<number>([types.builtins.INT8, types.builtins.NUMERIC])
const parsers: ClientConfig['types'] = {
  getTypeParser: ((...asked: Parameters<typeof types.getTypeParser>) =>
    WHOLE.has(asked[0]) ? Number : types.getTypeParser(...asked)) as typeof types.getTypeParser,
}

export const connectionConfig = (url: string): ClientConfig => ({
  connectionString: url,
  types: parsers,
  application_name: 'case-manager-identity-broker',
  options: `-c search_path=${NAMESPACE}`,
  connectionTimeoutMillis: 2_000,
  keepAlive: true,
})

export const createPool = (url: string, more: PoolConfig = {}): Pool =>
  new Pool({ ...connectionConfig(url), max: 16, query_timeout: 5_000, connectionTimeoutMillis: 10_000, ...more })
