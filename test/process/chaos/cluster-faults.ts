import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BrokerProcess, until } from '../broker-process.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { signal } from '../queue-servers.ts'
import { cutOffForAMinute } from './cut-off.ts'
import { type Chance, faultsOfInstances, paused, type Row } from './faults.ts'
import type { Line } from '../../line.ts'
import type { Pair } from '../../../bench/servers/pair.ts'
import type { Pooler } from '../../pooler.ts'

/**
 * Faults of a cluster: brokers, workers, Postgres and its standby, the pooler, the queue server,
 * and the lines to Postgres.
 */

/** The faults of a short run: the worst of each kind. */
const SHORT = [
  'broker killed',
  'broker: its line to Postgres swallows',
  'worker killed',
  'Postgres killed',
  'queue server killed',
  'instance killed',
]

interface Parts {
  cluster: Cluster
  lines: ReadonlyMap<BrokerProcess, Line>
  /** Set where Postgres has a standby. */
  pair: Pair | undefined
  pooler: Pooler | undefined
  /** Leaves out faults that resemble another, and those that make deliveries fail often. */
  short: boolean
}

export function clusterFaults({ cluster, lines, pair, pooler, short }: Parts): Row[] {
  const { brokers, workers } = cluster
  const inside = {
    ...faultsOfProcesses('broker', brokers, lines),
    ...faultsOfProcesses('worker', workers, lines),
    ...(brokers.length > 1 && faultsOfTwo(brokers, lines)),
    ...faultsOfServers(cluster),
    ...(pair && faultsOfStandby(pair, pooler, brokers)),
    ...(pooler && faultsOfPooler(pooler, brokers)),
  }
  const rows: Row[] = [inside, faultsOfInstances()]
  return short
    ? rows.map((row) =>
        Object.fromEntries(Object.entries(row).filter(([kind]) => SHORT.includes(kind))),
      )
    : rows
}

function faultsOfProcesses(
  what: 'broker' | 'worker',
  all: readonly BrokerProcess[],
  lines: ReadonlyMap<BrokerProcess, Line>,
): Row {
  const brokerOf = ({ gapMs }: Chance): BrokerProcess => all[gapMs % all.length] as BrokerProcess
  const ended = (how: 'SIGKILL' | 'SIGTERM') => async (chance: Chance) => {
    const victim = brokerOf(chance)
    await victim.end(how)
    await sleep(how === 'SIGKILL' ? chance.shortMs : 0)
    await victim.start()
  }
  const cut = (how: 'refuse' | 'swallow') => async (chance: Chance) => {
    const line = lines.get(brokerOf(chance))
    await line?.[how]()
    await sleep(chance.longMs)
    await line?.repair()
    await isReady(brokerOf(chance))
  }
  return {
    [`${what} killed`]: ended('SIGKILL'),
    [`${what} paused`]: (chance) => paused([brokerOf(chance).pid ?? 0], chance.longMs),
    [`${what} restarted`]: ended('SIGTERM'),
    [`${what}: its line to Postgres swallows`]: cut('swallow'),
    [`${what}: its line to Postgres refuses`]: cut('refuse'),
  }
}

const faultsOfTwo = (
  brokers: readonly BrokerProcess[],
  lines: ReadonlyMap<BrokerProcess, Line>,
): Row => ({
  'broker: cut off from Postgres for a minute, while another one changes clients, locks and a tenant':
    async ({ gapMs }) => {
      const [victim, other] = [
        brokers[gapMs % brokers.length],
        brokers[(gapMs + 1) % brokers.length],
      ]
      const line = victim && lines.get(victim)
      if (victim !== undefined && other !== undefined && line !== undefined)
        await cutOffForAMinute(victim, other, line)
    },
})

function faultsOfServers({ postgres, queue, brokers }: Cluster): Row {
  return {
    'Postgres killed': async ({ shortMs }) => {
      signal(postgres.pid, 'SIGKILL')
      await sleep(shortMs)
      await postgres.start()
      await allReady(brokers)
    },
    'Postgres paused': async ({ longMs }) => {
      await paused([postgres.pid, ...childrenOf(postgres.pid)], longMs)
      await allReady(brokers)
    },
    'queue server killed': async ({ shortMs }) => {
      await queue.kill()
      await sleep(shortMs)
      await queue.start()
    },
    'queue server paused': ({ longMs }) => paused([queue.pid], longMs),
  }
}

function faultsOfStandby(
  pair: Pair,
  pooler: Pooler | undefined,
  brokers: readonly BrokerProcess[],
): Row {
  // Restarts the pooler for another server, as docs/scale-out.md says.
  const moved = async (): Promise<void> => pooler?.restart()
  const promoted = (former: 'killed' | 'isolated') => async (chance: Chance) => {
    await pair.promote({ former, ms: chance.longMs, moved })
    await allReady(brokers)
  }
  return {
    'standby promoted, primary killed': promoted('killed'),
    'standby promoted, primary isolated': promoted('isolated'),
    'standby killed': async ({ shortMs }) => {
      await pair.restartStandby(shortMs)
      await allReady(brokers)
    },
  }
}

const faultsOfPooler = (pooler: Pooler, brokers: readonly BrokerProcess[]): Row => ({
  'pooler killed': async ({ shortMs }) => {
    await pooler.kill()
    await sleep(shortMs)
    await pooler.start()
    await allReady(brokers)
  },
})

/** Waits until every broker has recovered by itself. */
export async function allReady(brokers: readonly BrokerProcess[]): Promise<void> {
  for (const brokerOf of brokers) await isReady(brokerOf)
}

/** Waits until a broker has recovered by itself. */
const isReady = (broker: BrokerProcess) =>
  until(
    'the broker is ready again',
    async () => (await fetch(`${broker.ops}/readyz`)).status === 200,
    120,
  )

const childrenOf = (pid: number): number[] =>
  execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' })
    .split('\n')
    .map(Number)
    .filter((child) => child > 0)
