import { setTimeout as sleep } from 'node:timers/promises'
import type { BrokerProcess } from '../broker-process.ts'
import { queueServers, signal } from '../queue-servers.ts'
import { clockIsFound, setClock, STEPS_MS } from './clock.ts'
import type { Instance } from './instances.ts'
import { randomOf, type Random } from '../../../bench/machine/random.ts'
import type { Witness } from './witness.ts'

/**
 * The faults that a seed determines: the broker is killed, paused, restarted and given a wrong
 * clock, its queue server is killed and paused, and instances are killed, paused, cut off, or fail
 * for some sessions. Each kind happens once, in the seed's order, before any happens again.
 */

export interface Faults {
  readonly counts: Record<string, number>
  /** True once every kind has happened. Throws the error of a fault. */
  readonly complete: boolean
  /**
   * Returns when the last fault of the first row ended (`performance.now()`); Infinity while one is
   * under way.
   */
  calmSinceMs(): number
  /** Waits for the fault under way, repairs everything, and starts no fault until `begin`. */
  rest(): Promise<void>
  begin(): void
}

interface Parts {
  broker: BrokerProcess
  instances: readonly Instance[]
  witness: Witness
  seed: number
}

/** All random choices of one fault, made in advance so that they depend only on the seed. */
export interface Chance {
  instance: Instance
  shortMs: number
  longMs: number
  gapMs: number
  stepMs: number
}
export type CauseFault = (chance: Chance) => Promise<unknown>
/** Kinds of faults that happen one after the other. */
export type Row = Record<string, CauseFault>

/**
 * Makes two rows of faults at the same time, so that the broker also dies while an instance is
 * faulty.
 */
export const createFaults = ({ broker, instances, witness, seed }: Parts): Faults =>
  happening([{ ...faultsOfBroker(broker, witness) }, { ...faultsOfInstances() }], instances, seed)

/**
 * Returns the faults of the rows, which happen one after another in each row.
 * @param once limits it to one fault of each kind
 */
export function happening(
  rows: readonly Row[],
  instances: readonly Instance[],
  seed: number,
  once = false,
): Faults {
  const counts: Record<string, number> = {}
  let ending = new AbortController()
  let running: Promise<unknown> = Promise.resolve()
  let failure: unknown
  let lastMs = Number.NEGATIVE_INFINITY
  let underWay = 0
  const next = rows.map((row) =>
    turnsOf(Object.keys(row), instances, randomOf(seed, `faults ${Object.keys(row)[0]}`), once),
  )

  const go = async (row: Row, at: number): Promise<void> => {
    while (!ending.signal.aborted) {
      const turn = next[at]?.()
      if (turn === undefined) return
      const { kind, chance } = turn
      if (at === 0) underWay++
      await row[kind]?.(chance)
      if (at === 0) underWay--
      if (at === 0) lastMs = performance.now()
      counts[kind] = (counts[kind] ?? 0) + 1
      await sleep(chance.gapMs)
    }
  }
  return {
    counts,
    calmSinceMs: () => (underWay > 0 ? Number.POSITIVE_INFINITY : lastMs),
    get complete() {
      if (failure !== undefined) throw failure
      return rows.flatMap((row) => Object.keys(row)).every((kind) => counts[kind] !== undefined)
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

/**
 * Returns a function for the next fault of the row. With `once` it returns undefined after one
 * fault of each kind.
 */
function turnsOf(
  kinds: readonly string[],
  instances: readonly Instance[],
  random: Random,
  once: boolean,
): () => { kind: string; chance: Chance } | undefined {
  let coming = random.shuffled(kinds)
  return () => {
    if (coming.length === 0 && once) return undefined
    if (coming.length === 0) coming = [random.pick(kinds)]
    const kind = coming.shift() ?? random.pick(kinds)
    const instance = random.pick(instances)
    const [shortMs, longMs, gapMs] = [
      random.between(100, 1_200),
      random.between(300, 3_000),
      random.between(50, 600),
    ]
    return { kind, chance: { instance, shortMs, longMs, gapMs, stepMs: random.pick(STEPS_MS) } }
  }
}

export async function paused(pids: number[], ms: number): Promise<void> {
  for (const pid of pids) signal(pid, 'SIGSTOP')
  await sleep(ms)
  for (const pid of pids) signal(pid, 'SIGCONT')
}

function faultsOfBroker(broker: BrokerProcess, witness: Witness) {
  /**
   * Guards are connected when the broker ends. They must be live again soon after its return, and
   * reject what is revoked meanwhile.
   */
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
  // The order of the faults depends on the seed.
  return {
    'broker killed': ({ shortMs }) => ended('SIGKILL', shortMs),
    'broker paused': ({ shortMs }) => paused([broker.pid ?? 0], shortMs),
    'broker restarted': () => ended('SIGTERM', 0),
    'queue killed': async () => queueServers(broker.pid).forEach((pid) => signal(pid, 'SIGKILL')),
    'queue paused': ({ longMs }) => paused(queueServers(broker.pid), longMs),
    'clock forwards': ({ stepMs }) => stepped(stepMs),
    'clock backwards': ({ stepMs }) => stepped(-stepMs),
    'started with a wrong clock': async ({ stepMs, shortMs }) => {
      await broker.end('SIGKILL')
      broker.env.CHAOS_CLOCK_MS = String(shortMs % 2 === 0 ? stepMs : -stepMs)
      await broker.start()
      await clockIsFound(broker)
      await setClock(broker, 0)
    },
  } satisfies Row
}

export function faultsOfInstances() {
  const cut = async (
    instance: Instance,
    how: 'refuses' | 'swallows',
    ms: number,
  ): Promise<void> => {
    await instance.cut(how)
    await sleep(ms)
    await instance.repair()
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
  } satisfies Row
}
