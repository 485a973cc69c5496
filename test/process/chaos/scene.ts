import { CONTOSO } from '../../../demo/entra/users.ts'
import type { Broker } from '../../../src/operations/command/broker.ts'
import type { TestInstance, TestWorld } from '../world.ts'
import type { Faults } from './faults.ts'
import { Instance } from './instances.ts'
import { type KnownSession, User } from './users.ts'
import { judge, type Verdict } from './verdict.ts'

/**
 * The common part of the run on SQLite and the run of a cluster: three instances, users who sign in
 * and out at them, and the report.
 */

export interface RunOptions {
  seed: number
  revocations: number
  users: number
  say(words: string): void
}

export interface RunReport extends Verdict {
  seed: number
  revocations: number
  sessions: number
  stillSignedIn: number
  faults: Record<string, number>
  seconds: number
}

export const CITIES = ['sydney', 'melbourne', 'perth']
/** The instance that is registered with `logout_by: "sub"`, as instances with a guard are. */
const BY_SUB = 'perth'

export interface Scene {
  options: RunOptions
  world: TestWorld
  instances: Instance[]
  users: User[]
  faults: Faults
  broker(): Promise<Broker>
}

export async function openInstances(
  dir: string,
  { seed }: RunOptions,
  closing: (() => unknown)[],
): Promise<Instance[]> {
  const instances: Instance[] = []
  for (const city of CITIES) {
    const instance = await Instance.open(city, dir, seed)
    instances.push(instance)
    closing.push(() => instance.close())
  }
  return instances
}

/**
 * Returns the changes of a city's registration. A city without an instance keeps its logout address
 * of the world.
 */
export function registrationOf(
  city: string,
  instances: readonly Instance[],
): Record<string, unknown> {
  const logoutUri = instances.find((instance) => instance.city === city)?.logoutUri
  return {
    ...(logoutUri !== undefined && { backchannel_logout_uris: [logoutUri] }),
    logout_by: city === BY_SUB ? 'sub' : 'sid',
    audience: `urn:chaos:${city}`,
  }
}

/**
 * Creates the users and signs the first one in.
 * @param parts.acknowledged as for `User`
 */
export async function openUsers(parts: {
  options: RunOptions
  world: TestWorld
  broker: () => Promise<Broker>
  acknowledged?: (ended: readonly KnownSession[]) => Promise<void>
}): Promise<User[]> {
  const { options, world, ...rest } = parts
  const at: TestInstance[] = world.instances.filter(({ entry }) => CITIES.includes(entry.client_id))
  const users = Array.from({ length: options.users }, (_, n) => {
    const upn = `user-${n}@${CONTOSO.domain}`
    const oid = `00000000-0000-4000-9000-${String(n).padStart(12, '0')}`
    world.entra.world.addUser({
      upn,
      name: `User ${n}`,
      tid: CONTOSO.tid,
      oid,
      roles: ['CaseManager.User'],
    })
    return new User({ upn, world, at, seed: options.seed, ...rest })
  })
  // Runs before the first fault, so that every client has read the broker's metadata.
  await users[0]?.signIn(at)
  return users
}

const SAY_EVERY = 25
const acknowledged = ({ users }: Scene): number =>
  users.reduce((sum, user) => sum + user.acknowledged, 0)

/**
 * Lets all users act at the same time until enough revocations are acknowledged and every kind of
 * fault has happened; then everything is repaired.
 */
export async function act(scene: Scene, revocations: number): Promise<void> {
  const { users, faults, options } = scene
  let said = acknowledged(scene)
  faults.begin()
  try {
    await Promise.all(
      users.map(async (user) => {
        while (acknowledged(scene) < revocations || !faults.complete) {
          await user.round()
          if (acknowledged(scene) < said + SAY_EVERY) continue
          said = acknowledged(scene)
          options.say(`${said} of ${options.revocations}, ${JSON.stringify(faults.counts)}`)
        }
      }),
    )
  } finally {
    await faults.rest()
  }
}

/**
 * Judges the run and reports it.
 * @param begunMs `performance.now()` at the start
 * @throws Violation
 */
export async function judged(scene: Scene, begunMs: number): Promise<RunReport> {
  const verdict = await judge({ ...scene, broker: await scene.broker() })
  const sessions = scene.users.flatMap((user) => user.sessions)
  return {
    seed: scene.options.seed,
    revocations: acknowledged(scene),
    sessions: sessions.length,
    stillSignedIn: sessions.filter((session) => session.ended === undefined).length,
    ...verdict,
    faults: scene.faults.counts,
    seconds: Math.round((performance.now() - begunMs) / 1000),
  }
}
