import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { type Random, randomOf } from '../../../bench/machine/random.ts'
import { Volume } from '../../volume.ts'
import type { BrokerProcess } from '../broker-process.ts'
import { signal } from '../queue-servers.ts'
import { allReady } from './cluster-faults.ts'
import { type ClusterChaosOptions, type ClusterScene, withScene } from './cluster.ts'
import { brokerIn, type KnownSession, Violation } from './users.ts'

/**
 * The volume of Postgres is put back as it was before: under running processes while brokers
 * revoke; under paused ones, while processes that know less start and append as many entries as
 * were lost; and while none runs, after which all start in an order that the seed makes. No session
 * that was ended may live once all processes run, and a new log begins.
 */

/** Longer than the time after which a process has written how far the log has come. */
const MARKED_MS = 1_500
/** A guard that had no fault has that long to reject a token; no promise is measured here. */
const LIVE_MS = 15_000

interface VolumeChaosReport {
  rounds: { running: number; started: number }
  /** The sessions that were ended by an acknowledged act, or with their log. */
  ended: number
  /** The revocations that brokers appended to a log that had gone back. */
  appended: number
  brokersAsked: { rejected: number; unavailable: number }
}

export const runVolumeChaos = (
  options: Omit<ClusterChaosOptions, 'short' | 'liveMs'> & { rounds: number },
): Promise<VolumeChaosReport> =>
  withScene({ ...options, short: true, liveMs: LIVE_MS }, async (scene) => {
    const rounds = { running: 0, started: 0 }
    const run = new VolumeRounds(scene, randomOf(options.seed, 'volume'))
    for (let round = 0; round < options.rounds; round++) {
      const kind = round % 2 === 0 ? 'running' : 'started'
      await run.round(kind)
      rounds[kind]++
      options.say(`${round + 1} of ${options.rounds}, ${JSON.stringify(run.counts)}`)
    }
    await scene.watch.settle()
    return { rounds, ...run.counts, brokersAsked: scene.watch.answers }
  })

class VolumeRounds {
  readonly counts = { ended: 0, appended: 0 }
  readonly #scene: ClusterScene
  readonly #random: Random
  readonly #volume: Volume

  constructor(scene: ClusterScene, random: Random) {
    this.#scene = scene
    this.#random = random
    this.#volume = new Volume(scene.cluster.postgres)
  }

  async round(kind: 'running' | 'started'): Promise<void> {
    const { users, world, cluster, watch } = this.#scene
    const random = this.#random
    const all = [...cluster.brokers, ...cluster.workers]
    for (const user of users) await user.signIn(world.instances.slice(0, 1))
    const revoking = random.pick(cluster.brokers)
    const others = random.shuffled(all.filter((broker) => broker !== revoking))
    // These know less than the others, because they stop before the revocations.
    const stopped = others.slice(0, random.between(0, others.length))
    const running = all.filter((broker) => !stopped.includes(broker))
    for (const broker of stopped) await broker.end('SIGTERM')
    await this.#volume.copy()
    await allReady(running.filter((broker) => cluster.brokers.includes(broker)))
    const epoch = await this.#epoch()
    const victims: KnownSession[] = []
    for (const user of random.some(users)) {
      const [session] = user.live
      if (session === undefined) continue
      await user.end(session, 'session by command')
      victims.push(session)
    }
    // Enough that the log has the lost numbers again.
    const many = victims.length + 2
    if (kind === 'started') await this.#startOn(all, running, many)
    else if (stopped.length > 0) await this.#putBackBeside(running, stopped, many)
    else await this.#putBackUnder(victims)
    await allReady(cluster.brokers)
    for (const user of users) for (const session of user.live) session.ended = 'restored'
    const ended = users.flatMap((user) => user.sessions.slice(-2))
    await watch.ended(ended)
    this.counts.ended += ended.length
    if ((await this.#epoch()) === epoch)
      throw new Violation('The volume was put back, and no new log began.')
  }

  /** Puts the volume back while every broker revokes and is asked about what has ended. */
  async #putBackUnder(victims: readonly KnownSession[]): Promise<void> {
    const { cluster, watch } = this.#scene
    const ending = new AbortController()
    const busy = [
      ...cluster.brokers.map(async (broker) => {
        while (!ending.signal.aborted) await this.#append(broker)
      }),
      (async () => {
        while (!ending.signal.aborted) await watch.ended(victims)
      })(),
    ]
    try {
      await Promise.race([this.#volume.putBack(), ...busy])
      await allReady(cluster.brokers)
    } finally {
      ending.abort()
      await Promise.all(busy)
    }
  }

  /** Puts the volume back while those that know more are paused and those that know less start. */
  async #putBackBeside(
    running: readonly BrokerProcess[],
    stopped: readonly BrokerProcess[],
    many: number,
  ): Promise<void> {
    for (const { pid = 0 } of running) signal(pid, 'SIGSTOP')
    try {
      await this.#volume.putBack()
      await this.#start(stopped, many)
    } finally {
      for (const { pid = 0 } of running) signal(pid, 'SIGCONT')
    }
  }

  /** Puts the volume back while no process runs, and starts all in any order. */
  async #startOn(
    all: readonly BrokerProcess[],
    running: readonly BrokerProcess[],
    many: number,
  ): Promise<void> {
    const how = this.#random.pick(['SIGKILL', 'SIGTERM'] as const)
    await sleep(MARKED_MS)
    await Promise.all(running.map((broker) => broker.end(how)))
    await this.#volume.putBack()
    await this.#start(this.#random.shuffled(all), many)
  }

  /** Starts one after another. Each broker revokes as soon as it serves. */
  async #start(all: readonly BrokerProcess[], many: number): Promise<void> {
    for (const broker of all) {
      await broker.start()
      if (this.#scene.cluster.brokers.includes(broker))
        for (let n = 0; n < many; n++) await this.#append(broker)
    }
  }

  /** Ends a session that does not matter, so that the log grows. */
  async #append({ env }: BrokerProcess): Promise<void> {
    const live = this.#scene.users.flatMap((user) => user.live)
    const sub = live.length === 0 ? '' : this.#random.pick(live).sub
    try {
      const broker = await brokerIn(env['BROKER_DATA_DIR'] ?? '')
      const body = { selector: { kind: 'subject', sub }, case_reference: 'CHAOS' }
      await broker.send('POST', '/revocations', body)
      this.counts.appended++
    } catch {
      // The broker answers nothing while it has no log.
    }
    await sleep(20)
  }

  async #epoch(): Promise<string | undefined> {
    const client = new Client({ connectionString: this.#scene.cluster.databaseUrl })
    await client.connect()
    try {
      return (await client.query<{ epoch: string }>('SELECT epoch FROM broker.log_head')).rows[0]
        ?.epoch
    } finally {
      await client.end()
    }
  }
}
