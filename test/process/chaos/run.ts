import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Broker } from '../../../src/operations/command/broker.ts'
import { ALICE, openWorld } from '../world.ts'
import { createFaults } from './faults.ts'
import { DEAD, type Latency, Neighbors, SIXTH } from './neighbors.ts'
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
import { brokerIn, persist, Violation } from './users.ts'
import { settled } from './verdict.ts'
import { GUARDS, Witness } from './witness.ts'

/**
 * Users sign in and are signed out while everything around them is killed, paused and cut off;
 * once, the database is restored. At the end every acknowledged revocation must be delivered to
 * every participant, or visible as failed, and no user may be signed out wrongly.
 */

export interface ChaosOptions extends RunOptions {
  /** The deliveries that each of the five dead neighbors has pending from the start. */
  pending: number
  /** Restores a backup from before the last sign-outs, in the middle of the run. */
  restore: boolean
  /**
   * The PATH on which the broker looks for a queue server. Without one it runs its embedded
   * Postgres.
   */
  path: string
}

export interface ChaosReport extends RunReport {
  /**
   * Milliseconds from a revocation to the sixth instance: with all others healthy, and with five
   * dead neighbors.
   */
  sixth: { alone: Latency; beside: Latency }
  /**
   * The longest times in milliseconds: until guards were live after the broker's return, and until
   * they rejected what was revoked meanwhile.
   */
  guards: { live: number; rejected: number; restarts: number }
}

interface ChaosScene extends Scene {
  options: ChaosOptions
  neighbors: Neighbors
  witness: Witness
  dataDir: string
}

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const begun = performance.now()
  const dir = mkdtempSync(join(tmpdir(), 'cmb-chaos-'))
  const closing: (() => unknown)[] = [() => rmSync(dir, { recursive: true, force: true })]
  try {
    const scene = await open(options, dir, closing)
    const half = options.restore ? Math.floor(options.revocations / 2) : options.revocations
    const sixth = await measureSixth(scene)
    await act(scene, half)
    if (options.restore) {
      await restoreOnce(scene, dir)
      await act(scene, options.revocations)
    }
    options.say(
      `All acknowledged (${JSON.stringify(scene.faults.counts)}); repaired, and waiting until no delivery is pending.`,
    )
    await scene.neighbors.comeBack()
    await settled(scene.broker)
    scene.neighbors.judge()
    return { ...(await judged(scene, begun)), sixth, guards: guardsOf(scene.witness) }
  } finally {
    for (const close of closing.reverse()) await close()
  }
}

async function open(
  options: ChaosOptions,
  dir: string,
  closing: (() => unknown)[],
): Promise<ChaosScene> {
  const instances = await openInstances(dir, options, closing)
  const world = await openWorld({
    cities: [...CITIES, SIXTH, ...DEAD],
    env: { PATH: options.path },
    program: [join(import.meta.dirname, 'broker.ts')],
    registration: (city) => registrationOf(city, instances),
  })
  closing.push(() => world.dispose())
  world.as('*')
  const dataDir = world.broker.env.BROKER_DATA_DIR ?? ''
  const broker = (): Promise<Broker> => brokerIn(dataDir)
  const users = await openUsers({ options, world, broker })
  const neighbors = new Neighbors(world)
  await world.broker.end('SIGTERM')
  await neighbors.seed(options.pending)
  await world.broker.start()
  const witness = await Witness.open({
    world,
    instance: neighbors.sixth,
    upn: ALICE,
    revoke: revokeBy(broker),
  })
  closing.push(() => witness.close())
  const faults = createFaults({ broker: world.broker, instances, witness, seed: options.seed })
  return { options, world, instances, users, faults, neighbors, witness, dataDir, broker }
}

const revokeBy =
  (broker: () => Promise<Broker>) =>
  async (sid: string): Promise<void> => {
    await (
      await broker()
    ).send('POST', '/revocations', { selector: { kind: 'session', sid }, case_reference: 'CHAOS' })
  }

const TIMES = 20

/**
 * Checks that logout tokens reach the sixth instance without waiting for attempts at dead
 * neighbors, which hang until their time is over. A busy machine may let one end meanwhile, but not
 * at each try. The five stay dead until the end.
 */
async function measureSixth({
  neighbors,
  broker,
  options,
}: ChaosScene): Promise<ChaosReport['sixth']> {
  const alone = await neighbors.latency(ALICE, revokeBy(broker), TIMES)
  await neighbors.die()
  await neighbors.signAllOut(broker)
  const beside = await neighbors.latency(ALICE, revokeBy(broker), TIMES)
  options.say(
    `Logout tokens reach the sixth after ${JSON.stringify({ alone, beside })} ms; each dead neighbor has ${options.pending} pending.`,
  )
  if (beside.waited > TIMES / 2)
    throw new Violation(`Dead neighbors delay the sixth: ${JSON.stringify({ alone, beside })}`)
  return { alone, beside }
}

function guardsOf({ liveMs, rejectedMs }: Witness): ChaosReport['guards'] {
  return {
    live: Math.max(...liveMs),
    rejected: Math.max(...rejectedMs),
    restarts: liveMs.length / GUARDS,
  }
}

/**
 * Makes a backup, signs every user out of a session, kills the machine, and restores the backup,
 * which lacks those sign-outs.
 */
async function restoreOnce(scene: ChaosScene, dir: string): Promise<void> {
  const { world, users, options, dataDir } = scene
  const backup = join(dir, 'backup.db')
  await persist('a backup', async () =>
    (await scene.broker()).send('POST', '/backup', { path: backup }),
  )
  for (const user of users) {
    const [session] = user.live
    if (session !== undefined) await user.end(session, 'session by command')
  }
  await world.broker.end('SIGKILL')
  const cmb = resolve(import.meta.dirname, '../../../dist/src/cli.js')
  const { stdout } = await promisify(execFile)(process.execPath, [
    cmb,
    '--data-dir',
    dataDir,
    'restore',
    backup,
    '--yes',
    '--json',
  ])
  options.say(`Restored: ${stdout.replaceAll(/\s+/g, ' ')}`)
  await world.broker.start()
  for (const user of users) for (const session of user.live) session.ended = 'restored'
}
