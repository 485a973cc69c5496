import { setTimeout as sleep } from 'node:timers/promises'
import type { BrokerProcess } from '../broker-process.ts'
import { queueServers, signal } from '../queue-servers.ts'
import type { Instance } from './instances.ts'
import { randomOf, type Random } from './random.ts'

/** What goes wrong: the broker, its queue server and the instances killed with kill -9, paused and cut off, as the seed says. */

export interface Faults {
  readonly counts: Record<string, number>
  /** Waits for the fault under way, mends everything, and lets nothing go wrong until `begin`. */
  rest(): Promise<void>
  begin(): void
}

interface Parts {
  broker: BrokerProcess
  instances: readonly Instance[]
  seed: number
}

/** Two rows of faults beside each other: the broker dies while an instance is out of order. */
const INSIDE = ['broker killed', 'broker killed', 'broker paused', 'queue killed', 'queue paused'] as const
const OUTSIDE = ['instance killed', 'instance paused', 'line refuses', 'line swallows'] as const
type Kind = (typeof INSIDE)[number] | (typeof OUTSIDE)[number]

export function createFaults({ broker, instances, seed }: Parts): Faults {
  const counts: Record<string, number> = {}
  let ending = new AbortController()
  let running: Promise<unknown> = Promise.resolve()
  const rows = [INSIDE, OUTSIDE].map((kinds) => ({ kinds, random: randomOf(seed, `faults ${kinds[0]}`) }))

  const brokerKilled = async (downMs: number): Promise<void> => {
    await broker.end('SIGKILL')
    await sleep(downMs)
    await broker.start()
    // Long enough to get something done in between.
    await sleep(1_500)
  }
  const paused = async (pids: number[], ms: number): Promise<void> => {
    for (const pid of pids) signal(pid, 'SIGSTOP')
    await sleep(ms)
    for (const pid of pids) signal(pid, 'SIGCONT')
  }

  /** All that chance decides is decided first, so that it depends on nothing but the seed. */
  const next = ({ kinds, random }: { kinds: readonly Kind[]; random: Random }): (() => Promise<void>) => {
    const kind = random.one(kinds)
    const instance = random.one(instances)
    const [shortMs, longMs, gapMs] = [random.between(100, 1_200), random.between(300, 3_000), random.between(50, 600)]
    const acts: Record<Kind, () => Promise<void>> = {
      'broker killed': () => brokerKilled(shortMs),
      'broker paused': () => paused([broker.pid ?? 0], shortMs),
      'queue killed': async () => queueServers(broker.pid).forEach((pid) => signal(pid, 'SIGKILL')),
      'queue paused': () => paused(queueServers(broker.pid), longMs),
      'instance killed': () =>
        instance
          .kill()
          .then(() => sleep(longMs))
          .then(() => instance.start()),
      'instance paused': async () => {
        instance.pause()
        await sleep(longMs)
        instance.resume()
      },
      'line refuses': () => cutFor(instance, 'refuses', longMs),
      'line swallows': () => cutFor(instance, 'swallows', longMs),
    }
    return async () => {
      counts[kind] = (counts[kind] ?? 0) + 1
      await acts[kind]()
      await sleep(gapMs)
    }
  }
  const go = async (row: (typeof rows)[number]): Promise<void> => {
    while (!ending.signal.aborted) await next(row)()
  }

  return {
    counts,
    begin() {
      ending = new AbortController()
      running = Promise.all(rows.map(go))
    },
    async rest() {
      ending.abort()
      await running
    },
  }
}

async function cutFor(instance: Instance, how: 'refuses' | 'swallows', ms: number): Promise<void> {
  await instance.cut(how)
  await sleep(ms)
  await instance.mend()
}
