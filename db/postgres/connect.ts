import { Client, Pool, types, type ClientConfig, type PoolConfig } from 'pg'
import { StoreUnavailable } from '../types.ts'
import { NAMESPACE } from './schema.ts'
import { addressesOf } from './servers.ts'

/**
 * Connections to Postgres. Each sees only the broker's namespace, and returns whole numbers as
 * numbers.
 */

/**
 * Sequence numbers and milliseconds are below 2^53, so they are returned as numbers, as SQLite
 * does.
 */
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
  new Pool({
    ...connectionConfig(url),
    max: 16,
    query_timeout: 5_000,
    connectionTimeoutMillis: 10_000,
    ...more,
  })

/**
 * Opens one connection, for a command, to the server of an address that can write.
 * @throws StoreUnavailable where none of them can be reached, or none can write
 */
export async function connectPrimary(url: string): Promise<Client> {
  let cause: unknown
  for (const address of addressesOf(url)) {
    const client = new Client(connectionConfig(address))
    // An error that ends the connection also fails the statement that runs, or the next one, so it
    // is ignored here.
    client.on('error', () => undefined)
    try {
      await client.connect()
      const { rows } = await client.query<{ recovering: boolean }>(
        'SELECT pg_is_in_recovery() AS recovering',
      )
      if (rows[0]?.recovering === false) return client
    } catch (error) {
      cause = error
    }
    await client.end().catch(() => undefined)
  }
  throw new StoreUnavailable(
    cause === undefined
      ? 'The address leads to a standby, which cannot write. Name the primary.'
      : 'Postgres cannot be reached. Check the address, and that the server accepts connections from here.',
    { cause },
  )
}
