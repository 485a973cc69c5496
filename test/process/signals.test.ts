import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from './broker-process.ts'
import { ALICE, BOB, openWorld, type TestWorld } from './world.ts'

/**
 * Microsoft's events, and how long it is until both instances reject the user: the built broker in
 * its own process, its workers and queue with it.
 */

let world: TestWorld
beforeAll(async () => {
  world = await openWorld({ start: false })
  Object.assign(world.broker.env, {
    BROKER_PROBE_MINUTES: '0.1',
    BROKER_GRAPH: 'yes',
    BROKER_GRAPH_ORIGIN: `${world.entra.origin}/graph/v1.0`,
  })
  await world.broker.start()
  await until('the subscription is there', () => world.entra.subscriptions.live().length > 0)
})
afterAll(() => world?.dispose())

/**
 * Microsoft's moments are whole seconds: what happens in the same second as a sign-in is not after
 * it.
 */
const nextSecond = () => {
  const now = Math.floor(Date.now() / 1000)
  return until('the next second', () => Math.floor(Date.now() / 1000) > now)
}

/**
 * Signs a user in at both instances, in a later second than the former event. Returns the refresh
 * token of each.
 */
async function signedIn(upn: string) {
  await nextSecond()
  const { browser, at } = await world.signedIn(upn)
  return { browser, tokens: at.map(({ tokens }) => tokens.refresh_token ?? '') }
}

/** Refreshes at every instance; true where all of them reject. */
async function rejected({ tokens }: { tokens: string[] }): Promise<boolean> {
  const answers = await Promise.all(
    world.instances.map(async (instance, i) => {
      try {
        tokens[i] = (await world.refresh(instance, tokens[i] ?? '')).refresh_token ?? ''
        return false
      } catch (error) {
        return (error as { error?: string }).error === 'invalid_grant'
      }
    }),
  )
  return answers.every(Boolean)
}

/** Every instance has a logout token. */
const allDelivered = (before: number[]) =>
  world.instances.every(({ receiver }, i) => receiver.delivered.length > (before[i] ?? 0))

describe('an event at Microsoft, and the user is out at both instances', () => {
  test.each<[string, () => void]>([
    ['disabled, told by Graph', () => world.entra.change(ALICE, { accountEnabled: false })],
    [
      'revoked, of which Graph says nothing',
      () => world.entra.change(ALICE, { revokeSessions: true }),
    ],
    [
      'disabled, while notifications are lost',
      () => {
        world.entra.set({ dropNotifications: true })
        world.entra.change(ALICE, { accountEnabled: false })
      },
    ],
  ])('%s', async (_event, act) => {
    world.entra.set({ dropNotifications: false })
    world.entra.change(ALICE, { accountEnabled: true })
    const [alice, bob] = [await signedIn(ALICE), await signedIn(BOB)]
    const delivered = world.instances.map(({ receiver }) => receiver.delivered.length)
    await nextSecond()
    act()
    await until('both reject', () => rejected(alice), 60)
    await until('both are told', () => allDelivered(delivered), 60)
    expect(await rejected(bob)).toBe(false)
  })

  test('Microsoft down, and back: no user is signed out', async () => {
    world.entra.change(ALICE, { accountEnabled: true })
    const alice = await signedIn(ALICE)
    world.entra.set({ outage: ['token', 'graph', 'metadata'] })
    await until('the broker has noticed', () => world.broker.output.includes('probe_backs_off'), 60)
    expect(await rejected(alice)).toBe(false)
    world.entra.set({ outage: [] })
    expect(await rejected(alice)).toBe(false)
  })
})
