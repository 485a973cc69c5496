import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CONTOSO } from '../../../demo/entra/users.ts'
import type { Broker } from '../../../src/command/broker.ts'
import type { BrokerProcess } from '../broker-process.ts'
import { type Cluster, openCluster } from '../cluster/cluster.ts'
import { clusterFaults } from './cluster-faults.ts'
import { ClusterWatch } from './cluster-watch.ts'
import { type Faults, happening } from './faults.ts'
import { Instance } from './instances.ts'
import { Line } from './line.ts'
import { randomOf } from './random.ts'
import { brokerIn, User } from './users.ts'
import { judge, settled, type Verdict } from './verdict.ts'

/**
 * Two brokers, two workers, one Postgres and one queue server, while all of them are killed, paused and cut off: an acknowledged revocation is refused by
 * every broker and guard, none is lost, and no user is signed out wrongly.
 */

export interface ClusterChaosOptions {
  seed: number
  revocations: number
  users: number
  brokers: number
  /** Fewer kinds of faults. */
  short: boolean
  say(words: string): void
}

export interface ClusterChaosReport extends Verdict {
  seed: number
  revocations: number
  sessions: number
  stillSignedIn: number
  faults: Record<string, number>
  /** Requests about ended sessions to each broker: refused, and not answered (or with 503). */
  brokersAsked: { refused: number; unavailable: number }
  /** Milliseconds until a guard refused, the longest, and how many were looked at: while all was calm, and beside a fault. */
  guards: { calm: { times: number; most: number }; beside: { times: number; most: number } }
  seconds: number
}

const CITIES = ['sydney', 'melbourne', 'perth']
const BY_SUB = 'perth'

interface Scene {
  cluster: Cluster
  instances: Instance[]
  users: User[]
  faults: Faults
  watch: ClusterWatch
  broker(): Promise<Broker>
}

export async function runClusterChaos(options: ClusterChaosOptions): Promise<ClusterChaosReport> {
  const begun = performance.now()
  const closing: (() => unknown)[] = []
  try {
    const { users, faults, watch, cluster, instances, broker } = await open(options, closing)
    const acknowledged = (): number => users.reduce((sum, user) => sum + user.acknowledged, 0)
    options.say(`Started after ${Math.round((performance.now() - begun) / 1000)} s.`)
    faults.begin()
    let said = 0
    try {
      await Promise.all(
        users.map(async (user) => {
          while (acknowledged() < options.revocations || !faults.complete) {
            await user.round()
            if (acknowledged() < said + 25) continue
            said = acknowledged()
            options.say(`${said} of ${options.revocations}, ${JSON.stringify(faults.counts)}`)
          }
        }),
      )
    } finally {
      await faults.rest()
    }
    options.say(`All acknowledged (${JSON.stringify(faults.counts)}); repaired, and waiting until no delivery is pending.`)
    await watch.settle()
    await settled(broker)
    const verdict = await judge({ world: cluster.world, users, instances, broker: await broker() })
    const sessions = users.flatMap((user) => user.sessions)
    const most = (all: number[]) => ({ times: all.length, most: Math.max(0, ...all) })
    return {
      ...{ seed: options.seed, revocations: acknowledged(), sessions: sessions.length },
      stillSignedIn: sessions.filter((one) => one.ended === undefined).length,
      ...verdict,
      faults: faults.counts,
      brokersAsked: watch.answers,
      guards: { calm: most(watch.guardMs.calm), beside: most(watch.guardMs.beside) },
      seconds: Math.round((performance.now() - begun) / 1000),
    }
  } finally {
    for (const close of closing.reverse()) await close()
  }
}

async function open(options: ClusterChaosOptions, closing: (() => unknown)[]): Promise<Scene> {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-chaos-'))
  closing.push(() => rmSync(dir, { recursive: true, force: true }))
  const instances: Instance[] = []
  for (const city of CITIES) {
    const instance = await Instance.open(city, dir, options.seed)
    instances.push(instance)
    closing.push(() => instance.close())
  }
  const lines = new Map<BrokerProcess, Line>()
  const cluster = await openCluster({
    cities: CITIES,
    brokers: options.brokers,
    registration: (city) => ({
      backchannel_logout_uris: [instances.find((one) => one.city === city)?.logoutUri ?? ''],
      logout_by: city === BY_SUB ? 'sub' : 'sid',
      audience: `urn:chaos:${city}`,
    }),
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
  const watch: ClusterWatch = await ClusterWatch.open(cluster, guarded, () => faults)
  closing.push(() => watch.close())
  const random = randomOf(options.seed, 'commands')
  // Of any broker: it is asked again, at another, where that one is down.
  const broker = (): Promise<Broker> => brokerIn(random.one(brokers).env['BROKER_DATA_DIR'] ?? '')
  const users = Array.from({ length: options.users }, (_, n) => {
    const upn = `user-${n}@${CONTOSO.domain}`
    const oid = `00000000-0000-4000-9000-${String(n).padStart(12, '0')}`
    world.entra.world.addUser({ upn, name: `User ${n}`, tid: CONTOSO.tid, oid, roles: ['CaseManager.User'] })
    return new User({ upn, world, at: world.instances, broker, seed: options.seed, acknowledged: (ended) => watch.ended(ended) })
  })
  // Before anything goes wrong, so that every client has read the broker's metadata.
  await users[0]?.signIn(world.instances)
  const faults = happening(clusterFaults(cluster, lines, options.short), instances, options.seed)
  return { cluster, instances, users, faults, watch, broker }
}
