import { setTimeout as sleep } from 'node:timers/promises'
import type { BrokerProcess } from '../broker-process.ts'
import { queueServers, signal } from '../queue-servers.ts'
import { clockIsFound, setClock, STEPS_MS } from './clock.ts'
import type { Instance } from './instances.ts'
import { randomOf, type Random } from './random.ts'
import type { Witness } from './witness.ts'

/**
 * What goes wrong, as the seed says: the broker is killed, paused, restarted and given a wrong clock, its queue server is killed and paused, and
 * instances are killed, paused, cut off, or fail for some sessions. Each kind happens once, in the seed's order, before any happens again.
 */

export interface Faults {
  readonly counts: Record<string, number>
  /** Every kind has happened. Throws what a fault ended with. */
  readonly complete: boolean
  /** Waits for the fault under way, repairs everything, and lets nothing go wrong until `begin`. */
  rest(): Promise<void>
  begin(): void
}

interface Parts {
  broker: BrokerProcess
  instances: readonly Instance[]
  witness: Witness
  seed: number
}

/** Two rows of faults beside each other: the broker dies while an instance is out of order. */
const INSIDE = [
  'broker killed',
  'broker paused',
  'broker restarted',
  'queue killed',
  'queue paused',
  'clock forwards',
  'clock backwards',
  'started with a wrong clock',
] as const
const OUTSIDE = ['instance killed', 'instance paused', 'line refuses', 'line swallows', 'receiver fails by session'] as const
type Kind = (typeof INSIDE)[number] | (typeof OUTSIDE)[number]

/** All that chance decides about one fault is decided first, so that it depends on nothing but the seed. */
interface Chance {
  instance: Instance
  shortMs: number
  longMs: number
  gapMs: number
  stepMs: number
}
type Act = (chance: Chance) => Promise<unknown>

export function createFaults({ broker, instances, witness, seed }: Parts): Faults {
  const counts: Record<string, number> = {}
  let ending = new AbortController()
  let running: Promise<unknown> = Promise.resolve()
  let failure: unknown
  const acts: Record<Kind, Act> = { ...faultsOfBroker(broker, witness), ...faultsOfQueue(broker), ...faultsOfInstances() }
  const rows = [INSIDE, OUTSIDE].map((kinds) => rowOf(kinds, instances, randomOf(seed, `faults ${kinds[0]}`)))

  const go = async (row: (typeof rows)[number]): Promise<void> => {
    while (!ending.signal.aborted) {
      const { kind, chance } = row()
      await acts[kind](chance)
      counts[kind] = (counts[kind] ?? 0) + 1
      await sleep(chance.gapMs)
    }
  }
  return {
    counts,
    get complete() {
      if (failure !== undefined) throw failure
      return [...INSIDE, ...OUTSIDE].every((kind) => counts[kind] !== undefined)
    },
    begin() {
      ending = new AbortController()
      running = Promise.all(rows.map(go))
      running.catch((error: unknown) => (failure = error))
    },
    async rest() {
      ending.abort()
      await running
    },
  }
}

/** @returns the next fault of the row */
function rowOf(kinds: readonly Kind[], instances: readonly Instance[], random: Random): () => { kind: Kind; chance: Chance } {
  let coming = random.shuffled(kinds)
  return () => {
    if (coming.length === 0) coming = [random.one(kinds)]
    const kind = coming.shift() ?? random.one(kinds)
    const instance = random.one(instances)
    const [shortMs, longMs, gapMs] = [random.between(100, 1_200), random.between(300, 3_000), random.between(50, 600)]
    return { kind, chance: { instance, shortMs, longMs, gapMs, stepMs: random.one(STEPS_MS) } }
  }
}

async function paused(pids: number[], ms: number): Promise<void> {
  for (const pid of pids) signal(pid, 'SIGSTOP')
  await sleep(ms)
  for (const pid of pids) signal(pid, 'SIGCONT')
}

function faultsOfBroker(broker: BrokerProcess, witness: Witness) {
  /** Guards are connected when it ends, live again soon after its return, and refuse what is revoked meanwhile. */
  const ended = (how: 'SIGKILL' | 'SIGTERM', downMs: number): Promise<void> =>
    witness.during(async () => {
      await broker.end(how)
      await sleep(downMs)
      await broker.start()
    })
  const stepped = async (ms: number): Promise<void> => {
    await setClock(broker, ms)
    await clockIsFound(broker)
    await setClock(broker, 0)
  }
  return {
    'broker killed': ({ shortMs }) => ended('SIGKILL', shortMs),
    'broker restarted': () => ended('SIGTERM', 0),
    'broker paused': ({ shortMs }) => paused([broker.pid ?? 0], shortMs),
    'clock forwards': ({ stepMs }) => stepped(stepMs),
    'clock backwards': ({ stepMs }) => stepped(-stepMs),
    'started with a wrong clock': async ({ stepMs, shortMs }) => {
      await broker.end('SIGKILL')
      broker.env.CHAOS_CLOCK_MS = String(shortMs % 2 === 0 ? stepMs : -stepMs)
      await broker.start()
      await clockIsFound(broker)
      await setClock(broker, 0)
    },
  } satisfies Partial<Record<Kind, Act>>
}

const faultsOfQueue = (broker: BrokerProcess) =>
  ({
    'queue killed': async () => queueServers(broker.pid).forEach((pid) => signal(pid, 'SIGKILL')),
    'queue paused': ({ longMs }) => paused(queueServers(broker.pid), longMs),
  }) satisfies Partial<Record<Kind, Act>>

function faultsOfInstances() {
  const cut = async (instance: Instance, how: 'refuses' | 'swallows', ms: number): Promise<void> => {
    await instance.cut(how)
    await sleep(ms)
    await instance.mend()
  }
  return {
    'instance killed': async ({ instance, longMs }) => {
      await instance.kill()
      await sleep(longMs)
      await instance.start()
    },
    'instance paused': async ({ instance, longMs }) => {
      instance.pause()
      await sleep(longMs)
      instance.resume()
    },
    'line refuses': ({ instance, longMs }) => cut(instance, 'refuses', longMs),
    'line swallows': ({ instance, longMs }) => cut(instance, 'swallows', longMs),
    'receiver fails by session': async ({ instance, longMs }) => {
      await instance.failSessions(40)
      await sleep(longMs)
      await instance.failSessions(0)
    },
  } satisfies Partial<Record<Kind, Act>>
}
