import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Broker } from '../../../src/operations/command/broker.ts'
import type { BrokerProcess } from '../broker-process.ts'
import { POOL_MODES, Pooler } from '../../pooler.ts'
import { HAS_STANDBY } from '../../postgres.ts'
import { type Cluster, openCluster } from '../cluster/cluster.ts'
import { clusterFaults } from './cluster-faults.ts'
import { evidenceOf } from './evidence.ts'
import { ClusterWatch } from './cluster-watch.ts'
import { happening } from './faults.ts'
import { Line } from '../../line.ts'
import { Pair } from '../../../bench/servers/pair.ts'
import { randomOf } from '../../../bench/machine/random.ts'
import type { Instance } from './instances.ts'
import {
  act,
  CITIES,
  judged,
  openInstances,
  openUsers,
  registrationOf,
  type RunOptions,
  type RunReport,
  type Scene,
} from './scene.ts'
import { brokerIn } from './users.ts'
import { settled } from './verdict.ts'

/**
 * Two brokers, two workers, Postgres with a synchronous standby, a pooler and one queue server,
 * while all of them are killed, paused and cut off, and the standby is promoted. Every broker and
 * guard must reject an acknowledged revocation, none may be lost, and no user may be signed out
 * wrongly.
 */

export interface ClusterChaosOptions extends RunOptions {
  brokers: number
  /** One Postgres and no pooler, fewer kinds of faults, and each of them once. */
  short: boolean
  /**
   * The time within which a live guard must reject. The promise is 1,000 on a machine that is not
   * busy.
   */
  liveMs: number
}

export interface ClusterChaosReport extends RunReport {
  /** Requests about ended sessions to each broker: rejected, and not answered (or with 503). */
  brokersAsked: { rejected: number; unavailable: number }
  /**
   * The longest time until a guard rejected, in ms, and the number of measurements: without a
   * fault, and beside one.
   */
  guards: { calm: { times: number; most: number }; beside: { times: number; most: number } }
  /** The pooler of half of the processes; the others connect to Postgres itself. */
  pooler: string
}

export interface ClusterScene extends Scene {
  cluster: Cluster
  watch: ClusterWatch
  /** A description of the pooler, for the report. */
  pooledBy: string
}

export async function runClusterChaos(options: ClusterChaosOptions): Promise<ClusterChaosReport> {
  const begun = performance.now()
  return withScene(options, async (scene) => {
    const { faults, watch } = scene
    await act(scene, options.revocations)
    options.say(
      `All acknowledged (${JSON.stringify(faults.counts)}); repaired, and waiting until no delivery is pending.`,
    )
    await watch.settle()
    await settled(scene.broker)
    const report = await judged(scene, begun).catch(async (error: unknown) => {
      options.say(await evidenceOf(error as Error, scene.cluster))
      throw error
    })
    const most = (all: number[]) => ({ times: all.length, most: Math.max(0, ...all) })
    return {
      ...report,
      brokersAsked: watch.answers,
      guards: { calm: most(watch.guardMs.calm), beside: most(watch.guardMs.beside) },
      pooler: scene.pooledBy,
    }
  })
}

/** Opens the cluster, its users and its watch, and closes them when `use` has ended. */
export async function withScene<T>(
  options: ClusterChaosOptions,
  use: (scene: ClusterScene) => Promise<T>,
): Promise<T> {
  const begun = performance.now()
  const closing: (() => unknown)[] = []
  try {
    const scene = await open(options, closing)
    options.say(`Started after ${Math.round((performance.now() - begun) / 1000)} s.`)
    return await use(scene)
  } finally {
    for (const close of closing.reverse()) await close()
  }
}

async function open(
  options: ClusterChaosOptions,
  closing: (() => unknown)[],
): Promise<ClusterScene> {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-chaos-'))
  closing.push(() => rmSync(dir, { recursive: true, force: true }))
  const instances = await openInstances(dir, options, closing)
  const { cluster, ...database } = await openServers(options, instances, closing)
  const { world, brokers } = cluster
  world.as('*')
  const [guarded] = world.instances
  if (guarded === undefined) throw new Error('There is no instance.')
  const watch: ClusterWatch = await ClusterWatch.open({
    cluster,
    instance: guarded,
    faults: () => faults,
    liveMs: options.liveMs,
  })
  closing.push(() => watch.close())
  const random = randomOf(options.seed, 'commands')
  // Any broker. If it is down, the request is retried at another.
  const broker = (): Promise<Broker> => brokerIn(random.pick(brokers).env['BROKER_DATA_DIR'] ?? '')
  const users = await openUsers({
    options,
    world,
    broker,
    acknowledged: (ended) => watch.ended(ended),
  })
  const faults = happening(
    clusterFaults({ cluster, ...database, short: options.short }),
    instances,
    options.seed,
    options.short,
  )
  return {
    options,
    cluster,
    world,
    instances,
    users,
    faults,
    watch,
    broker,
    pooledBy: database.pooler === undefined ? 'none' : `PgBouncer, ${MODE} mode`,
  }
}

/** The best mode of this machine's PgBouncer. */
const MODE = POOL_MODES.at(-1)
/** In session mode, each connection of a broker needs one of PgBouncer. */
const POOL_SIZE = 60

async function openServers(
  { brokers, short }: ClusterChaosOptions,
  instances: Instance[],
  closing: (() => unknown)[],
) {
  const lines = new Map<BrokerProcess, Line>()
  let [pair, pooler]: [Pair | undefined, Pooler | undefined] = [undefined, undefined]
  const hasPair = HAS_STANDBY && !short
  const cluster = await openCluster({
    cities: CITIES,
    brokers,
    registration: (city) => registrationOf(city, instances),
    ...(hasPair && {
      env: { BROKER_DATABASE_STANDBY: 'required' },
      async database() {
        const opened = await Pair.open()
        pair = opened.server
        return opened
      },
    }),
    async prepare(process, postgres) {
      if (pair !== undefined && MODE !== undefined && pooler === undefined) {
        pooler = await Pooler.open({
          host: postgres.dir,
          mode: MODE,
          settings: [`default_pool_size = ${POOL_SIZE}`],
        })
        closing.push(() => pooler?.close())
      }
      // Every other process uses the pooler, so that both ways are tested.
      const pooled = lines.size % 2 === 0 ? pooler : undefined
      const line = await Line.open(
        pooled === undefined
          ? { path: join(postgres.dir, '.s.PGSQL.5432') }
          : { host: '127.0.0.1', port: pooled.port },
      )
      lines.set(process, line)
      closing.push(() => line.close())
      process.env['BROKER_DATABASE_URL'] = `postgres://postgres@127.0.0.1:${line.port}/broker`
      if (pooled !== undefined && MODE === 'transaction')
        process.env['BROKER_DATABASE_DIRECT_URL'] = postgres.url('broker')
    },
  })
  closing.push(() => cluster.close())
  return { cluster, lines, pair, pooler }
}
