import { Client } from 'pg'
import { StoreUnavailable } from '../store.ts'
import { connectionConfig } from './connect.ts'
import { addressesOf } from './servers.ts'

/** One connection for a command, to the server of an address that can write. */

/** @throws StoreUnavailable where none of them can be reached, or none can write */
export async function connectPrimary(url: string): Promise<Client> {
  let cause: unknown
  for (const address of addressesOf(url)) {
    const client = new Client(connectionConfig(address))
    // What ends the connection fails the statement that runs, or the next one.
    client.on('error', () => undefined)
    try {
      await client.connect()
      const { rows } = await client.query<{ recovering: boolean }>('SELECT pg_is_in_recovery() AS recovering')
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
