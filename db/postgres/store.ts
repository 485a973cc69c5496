import { randomBytes } from 'node:crypto'
import type { Pool } from 'pg'
import type { Random } from '../../src/protocol/ids.ts'
import { newRowId } from '../engine/values.ts'
import type { Ambient, Engine } from '../engine/act.ts'
import { beginChains } from '../revocation/chain.ts'
import { ensureHead } from '../revocation/log.ts'
import { StoreUnavailable } from '../store.ts'
import type { Store } from '../store.ts'
import { allActs } from '../acts.ts'
import { rotate } from '../token/rotate.ts'
import type { Committed } from '../types.ts'
import { createPool } from './connect.ts'
import { postgresEngine } from './engine.ts'
import { createLease } from './lease.ts'
import { groupCommit } from './group.ts'
import { schemaState } from './migrate.ts'
import { rotateTogether } from './rotate.ts'

/** The store of several brokers: a database of Postgres that any number of them share. */

export interface PostgresStoreOptions {
  /** `postgres://…`: BROKER_DATABASE_URL. */
  url: string
  /** Epoch milliseconds. */
  nowMs?: (() => number) | undefined
  /** Milliseconds of a clock that nobody sets. */
  steadyMs?: (() => number) | undefined
  random?: Random | undefined
}

/** Older ones lack MERGE, and nobody repairs them any more. */
const OLDEST = 150_000

/** @throws StoreUnavailable where the database cannot be reached or used as it is; the message says what to do */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  const { url, nowMs = Date.now, steadyMs = () => performance.now(), random = randomBytes } = options
  const pool = createPool(url)
  // A connection that ends while it is idle is replaced by the next act.
  pool.on('error', () => undefined)
  try {
    await mustBeUsable(pool)
    return await open(pool, { nowMs, newId: () => newRowId(nowMs(), random) }, { steadyMs, random })
  } catch (error) {
    await pool.end()
    throw error
  }
}

async function open(pool: Pool, ambient: Ambient, { steadyMs, random }: { steadyMs: () => number; random: Random }): Promise<Store> {
  const listeners: ((committed: readonly Committed[]) => void)[] = []
  const lease = createLease({ pool, steadyMs })
  const announce = (committed: readonly Committed[]): void => listeners.forEach((listener) => listener(committed))
  const engine: Engine = postgresEngine({ pool, ...ambient, announce, mustBeFenced: () => lease.mustHold() })
  await engine.write(() => ensureHead(random(9).toString('base64url')))
  await engine.write(() => beginChains(ambient))
  return {
    ...allActs(engine),
    ...setBased(engine, pool),
    onRevoked: (listener) => void listeners.push(listener),
    async close() {
      lease.stop()
      await pool.end()
    },
  } as Store
}

/** The hot acts: those that wait together are one statement. */
const setBased = (engine: Engine, pool: Pool): Pick<Store, 'rotateRefreshToken'> => ({
  rotateRefreshToken: groupCommit({ together: rotateTogether(pool), alone: (input) => engine.write(() => rotate(engine, input)) }),
})

/** @throws StoreUnavailable where the database cannot be used as it is */
export async function mustBeUsable(pool: Pick<Pool, 'query'>): Promise<void> {
  const problem = (message: string): never => {
    throw new StoreUnavailable(message)
  }
  const { rows } = await pool
    .query<{ version: string; encoding: string; recovering: boolean }>(
      `SELECT current_setting('server_version_num') AS version, current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS recovering`,
    )
    .catch((cause: unknown) => {
      throw new StoreUnavailable('Postgres cannot be reached. Check BROKER_DATABASE_URL, and that the server accepts connections from here.', {
        cause,
      })
    })
  const [found] = rows
  if (found === undefined || Number(found.version) < OLDEST)
    problem('Postgres 15 or newer is needed. Upgrade the server that BROKER_DATABASE_URL names.')
  if (found?.encoding !== 'UTF8') problem('The database has to have the encoding UTF8. Create it with: CREATE DATABASE … ENCODING UTF8.')
  if (found?.recovering) problem('BROKER_DATABASE_URL leads to a standby. Name the primary, or use target_session_attrs=read-write.')
  const { pending, newer } = await schemaState(pool)
  if (newer) problem('A newer version of the broker has written this database. Start that version again.')
  if (pending > 0) problem(`The database lacks ${pending} of this version's migrations. Run: cmb migrate`)
}
