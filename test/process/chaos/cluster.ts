import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Broker } from '../../../src/command/broker.ts'
import type { BrokerProcess } from '../broker-process.ts'
import { type Cluster, openCluster } from '../cluster/cluster.ts'
import { clusterFaults } from './cluster-faults.ts'
import { evidenceOf } from './evidence.ts'
import { ClusterWatch } from './cluster-watch.ts'
import { happening } from './faults.ts'
import { Line } from './line.ts'
import { randomOf } from './random.ts'
import { act, CITIES, judged, openInstances, openUsers, registrationOf, type RunOptions, type RunReport, type Scene } from './scene.ts'
import { brokerIn } from './users.ts'
import { settled } from './verdict.ts'

/**
 * Two brokers, two workers, one Postgres and one queue server, while all of them are killed, paused and cut off: an acknowledged revocation is refused by
 * every broker and guard, none is lost, and no user is signed out wrongly.
 */

export interface ClusterChaosOptions extends RunOptions {
  brokers: number
  /** Fewer kinds of faults, and each of them once. */
  short: boolean
  /** Within which a guard that is live refuses: 1,000 is what is promised, on a machine that is not busy. */
  liveMs: number
}

export interface ClusterChaosReport extends RunReport {
  /** Requests about ended sessions to each broker: refused, and not answered (or with 503). */
  brokersAsked: { refused: number; unavailable: number }
  /** Milliseconds until a guard refused, the longest, and how many were looked at: while all was calm, and beside a fault. */
  guards: { calm: { times: number; most: number }; beside: { times: number; most: number } }
}

interface ClusterScene extends Scene {
  cluster: Cluster
  watch: ClusterWatch
}

export async function runClusterChaos(options: ClusterChaosOptions): Promise<ClusterChaosReport> {
  const begun = performance.now()
  const closing: (() => unknown)[] = []
  try {
    const scene = await open(options, closing)
    const { faults, watch } = scene
    options.say(`Started after ${Math.round((performance.now() - begun) / 1000)} s.`)
    await act(scene, options.revocations)
    options.say(`All acknowledged (${JSON.stringify(faults.counts)}); repaired, and waiting until no delivery is pending.`)
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
    }
  } finally {
    for (const close of closing.reverse()) await close()
  }
}

async function open(options: ClusterChaosOptions, closing: (() => unknown)[]): Promise<ClusterScene> {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-chaos-'))
  closing.push(() => rmSync(dir, { recursive: true, force: true }))
  const instances = await openInstances(dir, options, closing)
  const lines = new Map<BrokerProcess, Line>()
  const cluster = await openCluster({
    cities: CITIES,
    brokers: options.brokers,
    registration: (city) => registrationOf(city, instances),
    async prepare(process, { dir: socket }) {
      const line = await Line.open({ path: join(socket, '.s.PGSQL.5432') })
      lines.set(process, line)
      closing.push(() => line.close())
      process.env['BROKER_DATABASE_URL'] = `postgres://postgres@127.0.0.1:${line.port}/broker`
    },
  })
  closing.push(() => cluster.close())
  const { world, brokers } = cluster
  world.as('*')
  const [guarded] = world.instances
  if (guarded === undefined) throw new Error('There is no instance.')
  const watch: ClusterWatch = await ClusterWatch.open({ cluster, instance: guarded, faults: () => faults, liveMs: options.liveMs })
  closing.push(() => watch.close())
  const random = randomOf(options.seed, 'commands')
  // Of any broker: it is asked again, at another, where that one is down.
  const broker = (): Promise<Broker> => brokerIn(random.one(brokers).env['BROKER_DATA_DIR'] ?? '')
  const users = await openUsers({ options, world, broker, acknowledged: (ended) => watch.ended(ended) })
  const faults = happening(clusterFaults(cluster, lines, options.short), instances, options.seed, options.short)
  return { options, cluster, world, instances, users, faults, watch, broker }
}
