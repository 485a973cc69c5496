import { pooledRandom, type Random } from '../../src/runtime/ids.ts'
import { HeldTopic, Topic } from '../../src/runtime/topic.ts'
import type { ProcessKind } from '../../src/protocol/work.ts'
import { allActs } from '../acts.ts'
import type { Sources } from '../engine/act.ts'
import { rowIds } from '../engine/values.ts'
import type { HighWater } from '../high-water.ts'
import { beginChains } from '../log/chain.ts'
import type { Store } from '../store.ts'
import type { BrokerProcess, Committed, Elsewhere } from '../types.ts'
import { Connections } from './connections.ts'
import { fencedBy, postgresEngine } from './engine.ts'
import { exportStore } from './export.ts'
import { readFacts } from './facts.ts'
import { LogFollower, type FollowerOptions } from './follower.ts'
import { Lease, OVER_MS } from './process-lease.ts'
import { openLog } from './open-log.ts'
import { OtherBrokersWatch } from './other-brokers.ts'
import { setBasedActs } from './set-based.ts'

/** The store of several brokers: a database of Postgres that any number of them share. */

interface PostgresStoreOptions {
  /** `postgres://…`: BROKER_DATABASE_URL. */
  url: string
  /** The same database without a pooler, for notifications (BROKER_DATABASE_DIRECT_URL). */
  directUrl?: string | undefined
  /** True to answer only while a synchronous standby confirms commits (BROKER_DATABASE_STANDBY). */
  standbyRequired?: boolean | undefined
  /** The broker's version, for `cmb status`. */
  version?: string | undefined
  /**
   * The path, without its suffix, of the file in which this broker records how far the log had
   * come.
   */
  mark?: string | undefined
  kind?: ProcessKind | undefined
  /** Its background work (BROKER_WORK). */
  work?: string | undefined
  /** The name of this process for operators: its host, and the port of a broker. */
  host?: string | undefined
  /** Epoch milliseconds. */
  nowMs?: (() => number) | undefined
  /** Returns whether that clock was compared with another one and is right. Default: it was not. */
  isCertain?: (() => boolean) | undefined
  /** Milliseconds of a clock that counts the suspension of the machine. */
  elapsedMs?: (() => number) | undefined
  random?: Random | undefined
}

/**
 * Opens the store.
 * @throws StoreUnavailable where the database cannot be reached or used as it is; the message says
 * what to do
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  const pool = new Connections(options.url)
  try {
    return await open(pool, options)
  } catch (error) {
    await pool.end()
    throw error
  }
}

async function open(pool: Connections, options: PostgresStoreOptions): Promise<Store> {
  const { nowMs = Date.now, isCertain = () => false, random = pooledRandom() } = options
  const committed = new Topic<readonly Committed[]>()
  const elsewhere = new HeldTopic<Elsewhere>()
  const sources = { nowMs, isCertain, newId: rowIds(nowMs, random) }
  const known = await openLog(pool, sources, {
    newEpoch: random(9).toString('base64url'),
    mark: options.mark,
  })
  const announce = (what: readonly Committed[]): void => committed.publish(what)
  const presence = startPresence({ pool, options, sources, known, elsewhere, announce })
  const engine = postgresEngine({
    pool,
    sources,
    announce,
    position: presence.position,
    appended: presence.appended,
    mustBeFenced: presence.mustHold,
  })
  try {
    await firstLease(presence.mustHold)
    await engine.write(() => beginChains())
  } catch (error) {
    await presence.stop()
    throw error
  }
  return {
    ...allActs(engine),
    ...setBasedActs(engine, pool, fencedBy({ pool, mustBeFenced: presence.mustHold }), nowMs),
    ...ownActs(pool, options.url),
    onRevoked: (listener) => void committed.subscribe(listener),
    onElsewhere: (listener) => void elsewhere.subscribe(listener),
    wasLost: presence.wasLost,
    knownHead: presence.known,
    processId: presence.processId,
    databaseFacts: () =>
      readFacts({ pool, nowMs, receivesNotifications: presence.receivesNotifications }),
    async close() {
      if (pool.ending) return
      await presence.stop()
      await pool.end()
    },
  }
}

/**
 * The number of attempts at the first lease: brokers that start together keep a small server busy.
 */
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

interface PresenceParts {
  pool: Connections
  options: PostgresStoreOptions
  sources: Sources
  known: Awaited<ReturnType<typeof openLog>>
  elsewhere: Topic<Elsewhere>
  announce(committed: readonly Committed[]): void
}

/**
 * Starts the parts that keep this broker's lease, follow the log to another primary, and listen for
 * commits of other brokers.
 */
function startPresence({ pool, options, sources, known, elsewhere, announce }: PresenceParts) {
  const {
    url,
    directUrl = url,
    standbyRequired = false,
    version = 'unknown',
    kind = 'broker',
    work = 'all',
    host = 'unknown',
  } = options
  const steadyMs = (): number => performance.now()
  const { elapsedMs = steadyMs, random = pooledRandom(), mark } = options
  const watch = new OtherBrokersWatch(
    directUrl,
    (what) => elsewhere.publish(what),
    () => lease.doubt(),
  )
  const moved: FollowerOptions['moved'] = (taken, revoked) => {
    watch.again()
    elsewhere.publish(taken === 'lost' ? 'log_lost' : 'promoted')
    if (revoked.length > 0) announce(revoked)
  }
  const follower = new LogFollower(
    { sources, connections: pool, steadyMs, leaseMs: OVER_MS, mark, moved },
    known,
  )
  const id = random(12).toString('base64url')
  const lease = new Lease({
    connections: pool,
    process: { id, kind, work, host, version },
    nowMs: sources.nowMs,
    elapsedMs,
    standbyRequired,
    reached: () => follower.position,
    follows: (found, before) => follower.follows(found, before),
    seen(position) {
      follower.reached(position)
      watch.seen(position)
    },
    lost: () => elsewhere.publish('unconfirmed'),
    returned: () => elsewhere.publish('returned'),
  })
  pool.onOther = () => lease.look()
  pool.onEnded = () => lease.doubt()
  if (known.lost) elsewhere.publish('log_lost')
  return {
    processId: id,
    mustHold: () => lease.mustHold(),
    known: (notBeforeMs: number) => lease.known(notBeforeMs),
    wasLost: (seq: number) => follower.wasLost(seq),
    receivesNotifications: (send: Parameters<typeof watch.receivesNotifications>[0]) =>
      watch.receivesNotifications(send),
    position: () => follower.position,
    appended: (revoked: readonly Committed[], before: HighWater) =>
      follower.appended(revoked, before),
    async stop() {
      await lease.stop()
      await watch.stop()
      follower.close()
    },
  }
}

type OwnActs = Pick<Store, 'brokers' | 'backup' | 'checkIntegrity' | 'size'>

/** Acts on the database itself, rather than on rows. */
const ownActs = (pool: Connections, url: string): OwnActs => ({
  async brokers() {
    const { rows } = await pool.query<BrokerProcess>(
      `SELECT id, kind, work, host, version, started_at_ms AS "startedAtMs", seen_at_ms AS "seenAtMs"
        FROM (SELECT * FROM processes ORDER BY seen_at_ms DESC LIMIT 1000) AS latest ORDER BY started_at_ms, id`,
    )
    return rows
  },
  backup: (path) =>
    exportStore({ url, path, mustBeServedBy: (server) => pool.mustBeAccepted(server) }),
  // Postgres checks its own pages (initdb --data-checksums), so there is nothing to check here.
  checkIntegrity: async () => undefined,
  async size() {
    const { rows } = await pool.query<{ bytes: number }>(
      'SELECT pg_database_size(current_database()) AS bytes',
    )
    return { bytes: rows[0]?.bytes ?? 0, walBytes: 0 }
  },
})
