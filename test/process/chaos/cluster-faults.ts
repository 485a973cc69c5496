import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BrokerProcess, until } from '../broker-process.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { signal } from '../queue-servers.ts'
import { type Chance, faultsOfInstances, paused, type Row } from './faults.ts'
import type { Line } from './line.ts'

/** What goes wrong in a cluster: brokers, workers, Postgres, the queue server, and the lines to Postgres. */

/** Of a short run: the worst of each. */
const SHORT = ['broker killed', 'broker: its line to Postgres swallows', 'worker killed', 'Postgres killed', 'queue server killed', 'instance killed']

/** @param short leaves out what is like another fault, and what makes deliveries fail often */
export function clusterFaults(cluster: Cluster, lines: ReadonlyMap<BrokerProcess, Line>, short: boolean): Row[] {
  const { brokers, workers } = cluster
  const inside = { ...faultsOfProcesses('broker', brokers, lines), ...faultsOfProcesses('worker', workers, lines), ...faultsOfServers(cluster) }
  const rows: Row[] = [inside, faultsOfInstances()]
  return short ? rows.map((row) => Object.fromEntries(Object.entries(row).filter(([kind]) => SHORT.includes(kind)))) : rows
}

function faultsOfProcesses(what: 'broker' | 'worker', all: readonly BrokerProcess[], lines: ReadonlyMap<BrokerProcess, Line>): Row {
  const one = ({ gapMs }: Chance): BrokerProcess => all[gapMs % all.length] as BrokerProcess
  const ended = (how: 'SIGKILL' | 'SIGTERM') => async (chance: Chance) => {
    const victim = one(chance)
    await victim.end(how)
    await sleep(how === 'SIGKILL' ? chance.shortMs : 0)
    await victim.start()
  }
  const cut = (how: 'refuse' | 'swallow') => async (chance: Chance) => {
    const line = lines.get(one(chance))
    await line?.[how]()
    await sleep(chance.longMs)
    await line?.repair()
    await isReady(one(chance))
  }
  return {
    [`${what} killed`]: ended('SIGKILL'),
    [`${what} paused`]: (chance) => paused([one(chance).pid ?? 0], chance.longMs),
    [`${what} restarted`]: ended('SIGTERM'),
    [`${what}: its line to Postgres swallows`]: cut('swallow'),
    [`${what}: its line to Postgres refuses`]: cut('refuse'),
  }
}

function faultsOfServers({ postgres, queue, brokers }: Cluster): Row {
  return {
    'Postgres killed': async ({ shortMs }) => {
      signal(postgres.pid, 'SIGKILL')
      await sleep(shortMs)
      await postgres.start()
      for (const one of brokers) await isReady(one)
    },
    'Postgres paused': async ({ longMs }) => {
      await paused([postgres.pid, ...childrenOf(postgres.pid)], longMs)
      for (const one of brokers) await isReady(one)
    },
    'queue server killed': async ({ shortMs }) => {
      await queue.kill()
      await sleep(shortMs)
      await queue.start()
    },
    'queue server paused': ({ longMs }) => paused([queue.pid], longMs),
  }
}

/** Recovered by itself. */
const isReady = (one: BrokerProcess) => until('the broker is ready again', async () => (await fetch(`${one.ops}/readyz`)).status === 200, 120)

const childrenOf = (pid: number): number[] =>
  execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' })
    .split('\n')
    .map(Number)
    .filter((child) => child > 0)
