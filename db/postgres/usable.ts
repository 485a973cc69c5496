import type { ClientBase } from 'pg'
import { StoreUnavailable } from '../types.ts'
import { schemaState } from './migrate.ts'
import { codeOf } from './transact.ts'

/** Checks whether a database can hold a store of this version. */

/** The oldest version whose features the migrations need. */
const OLDEST = 150_000

/**
 * Throws where the database cannot be used as it is.
 * @throws StoreUnavailable with what to do
 */
export async function mustBeUsable(client: Pick<ClientBase, 'query'>): Promise<void> {
  const problem = (message: string): never => {
    throw new StoreUnavailable(message)
  }
  const { rows } = await client
    .query<{ version: string; encoding: string; recovering: boolean; role: string }>(
      `SELECT current_setting('server_version_num') AS version, current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS recovering, current_user AS role`,
    )
    .catch((cause: unknown) => {
      throw new StoreUnavailable(
        'Postgres cannot be reached. Check BROKER_DATABASE_URL, and that the server accepts connections from here.',
        {
          cause,
        },
      )
    })
  const [found] = rows
  if (found === undefined || Number(found.version) < OLDEST)
    problem('Postgres 15 or newer is needed. Upgrade the server that BROKER_DATABASE_URL names.')
  if (found?.encoding !== 'UTF8')
    problem(
      'The database has to have the encoding UTF8. Create it with: CREATE DATABASE … ENCODING UTF8.',
    )
  if (found?.recovering)
    problem(
      'BROKER_DATABASE_URL leads to a standby. Name the primary, or use target_session_attrs=read-write.',
    )
  const { pending, newer } = await schemaState(client).catch((cause: unknown) => {
    if (codeOf(cause) !== '42501') throw cause
    return problem(
      `The role of the database's address may not read the broker's tables. Name another role, or run: cmb migrate --grant ${found?.role}`,
    )
  })
  if (newer)
    problem('A newer version of the broker has written this database. Start that version again.')
  if (pending > 0)
    problem(`The database lacks ${pending} of this version's migrations. Run: cmb migrate`)
}
