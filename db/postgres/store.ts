import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Pool } from 'pg'
import type { Random } from '../../src/protocol/ids.ts'
import { Topic } from '../../src/protocol/topic.ts'
import { newRowId } from '../engine/values.ts'
import type { Engine } from '../engine/act.ts'
import { beginChains } from '../revocation/chain.ts'
import { ensureHead } from '../revocation/log.ts'
import { StoreUnavailable } from '../store.ts'
import type { Elsewhere, Store } from '../store.ts'
import { allActs } from '../acts.ts'
import type { Committed } from '../types.ts'
import { createPool } from './connect.ts'
import { ElsewhereWatch } from './elsewhere.ts'
import { postgresEngine } from './engine.ts'
import { readFacts } from './facts.ts'
import { Lease } from './lease.ts'
import { schemaState } from './migrate.ts'
import { setBasedActs } from './set-based.ts'

/** The store of several brokers: a database of Postgres that any number of them share. */

export interface PostgresStoreOptions {
  /** `postgres://…`: BROKER_DATABASE_URL. */
  url: string
  /** The same past a pooler, for notifications: BROKER_DATABASE_DIRECT_URL. */
  directUrl?: string | undefined
  /** Answer only while a synchronous standby confirms commits: BROKER_DATABASE_STANDBY. */
  standbyRequired?: boolean | undefined
  /** Of the broker, for `cmb status`. */
  version?: string | undefined
  /** Epoch milliseconds. */
  nowMs?: (() => number) | undefined
  /** Milliseconds of a clock that nobody sets. */
  steadyMs?: (() => number) | undefined
  random?: Random | undefined
}

/** Before it, the server and its drivers lack what the migrations use. */
const OLDEST = 150_000
/** A broker that was not seen for longer has gone. */
const GONE_MS = 60_000

/** @throws StoreUnavailable where the database cannot be reached or used as it is; the message says what to do */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  const pool = createPool(options.url)
  // A connection that ends while it is idle is replaced by the next act.
  pool.on('error', () => undefined)
  try {
    await mustBeUsable(pool)
    return await open(pool, options)
  } catch (error) {
    await pool.end()
    throw error
  }
}

async function open(pool: Pool, options: PostgresStoreOptions): Promise<Store> {
  const { nowMs = Date.now, random = randomBytes } = options
  const committed = new Topic<readonly Committed[]>()
  const elsewhere = new Topic<Elsewhere>()
  const presence = startPresence(pool, options, elsewhere)
  const ambient = { nowMs, newId: () => newRowId(nowMs(), random) }
  const engine: Engine = postgresEngine({ pool, ...ambient, announce: (what) => committed.publish(what), mustBeFenced: () => presence.mustHold() })
  try {
    await engine.write(() => ensureHead(random(9).toString('base64url')))
    await engine.write(() => beginChains(ambient))
    await firstLease(presence.mustHold)
  } catch (error) {
    await presence.stop()
    throw error
  }
  return {
    ...allActs(engine),
    ...setBasedActs(engine, pool, presence.mustHold),
    ...ownActs(pool, nowMs),
    onRevoked: (listener) => void committed.subscribe(listener),
    onElsewhere: (listener) => void elsewhere.subscribe(listener),
    databaseFacts: () => readFacts({ pool, nowMs, hears: presence.hears }),
    async close() {
      if (pool.ending) return
      await presence.stop()
      await pool.end()
    },
  }
}

/** Attempts at the first lease: brokers that start together keep a small server busy. */
const ATTEMPTS = 5

async function firstLease(mustHold: () => void | Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await mustHold()
    } catch (error) {
      if (attempt === ATTEMPTS) throw error
    }
  }
}

/** Keeps this broker's lease, and listens to what the others commit. */
function startPresence(pool: Pool, options: PostgresStoreOptions, elsewhere: Topic<Elsewhere>) {
  const { url, directUrl = url, standbyRequired = false, version = 'unknown' } = options
  const { nowMs = Date.now, steadyMs = () => performance.now(), random = randomBytes } = options
  const watch = new ElsewhereWatch(directUrl, (what) => elsewhere.publish(what))
  const lease = new Lease({
    pool,
    process: { id: random(12).toString('base64url'), kind: 'broker', host: hostname(), version },
    nowMs,
    steadyMs,
    standbyRequired,
    seen: (position) => watch.seen(position),
    lost: () => elsewhere.publish('unconfirmed'),
  })
  return {
    mustHold: () => lease.mustHold(),
    hears: (send: Parameters<typeof watch.hears>[0]) => watch.hears(send),
    async stop() {
      await lease.stop()
      await watch.stop()
    },
  }
}

type OwnActs = Pick<Store, 'brokers' | 'backup' | 'checkIntegrity' | 'size'>

/** What is asked of the database as a database. */
const ownActs = (pool: Pool, nowMs: () => number): OwnActs => ({
  async brokers() {
    const { rows } = await pool.query<{ id: string; host: string; version: string; started: number; seen: number }>(
      'SELECT id, host, version, started_at_ms AS started, seen_at_ms AS seen FROM processes WHERE seen_at_ms > $1 ORDER BY started_at_ms, id LIMIT 1000',
      [nowMs() - GONE_MS],
    )
    return rows.map(({ id, host, version, started, seen }) => ({ id, host, version, startedAtMs: started, seenAtMs: seen }))
  },
  backup: async () => {
    throw new StoreUnavailable(
      'The broker makes no copy of a Postgres database. Back it up with pg_dump, pg_basebackup or your own tool; docs/scale-out.md says how.',
    )
  },
  // Postgres checks its own pages (initdb --data-checksums).
  checkIntegrity: async () => undefined,
  async size() {
    const { rows } = await pool.query<{ bytes: number }>('SELECT pg_database_size(current_database()) AS bytes')
    return { bytes: rows[0]?.bytes ?? 0, walBytes: 0 }
  },
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
