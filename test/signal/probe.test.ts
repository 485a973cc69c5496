import { describe, expect, test } from 'vitest'
import type { Entra } from '../../demo/entra/entra.ts'
import { StoreUnavailable } from '../../db/types.ts'
import { Probing } from '../../workers/probe-microsoft.ts'
import { pauseProbe } from '../../src/microsoft/probe-pause.ts'
import { openFromSession } from '../../src/session/sealed.ts'
import { TENANT } from '../rig.ts'
import { ALICE, BOB, GOOD, openWorld, REJECTED } from './world.ts'

/** The probe against the simulated Microsoft: msal-node, real tokens, real rejections. */

const fail = (code: number) => (entra: Entra) =>
  entra.set({ errorFor: { [ALICE]: { code, at: 'token' } } })

async function probed(act: (entra: Entra) => void) {
  const world = await openWorld()
  const alice = await world.signIn(ALICE)
  const bob = await world.signIn(BOB)
  act(world.entra)
  world.rig.clock.advance(61)
  await world.probing.turn()
  return { ...world, alice, bob }
}

describe('a probe of each session finds out what Microsoft does not say', () => {
  test.each<[string, (entra: Entra) => void, string]>([
    [
      'sessions revoked',
      (entra) => entra.change(ALICE, { revokeSessions: true }),
      'microsoft_session_revoked',
    ],
    [
      'account disabled',
      (entra) => entra.change(ALICE, { accountEnabled: false }),
      'microsoft_account_disabled',
    ],
    [
      'account deleted',
      (entra) => entra.change(ALICE, { deleted: true }),
      'microsoft_account_deleted',
    ],
    [
      'password reset by an administrator',
      (entra) => entra.change(ALICE, { password: 'another', by: 'admin' }),
      'microsoft_session_revoked',
    ],
    [
      'no longer assigned to the app',
      (entra) => entra.change(ALICE, { assigned: false }),
      'microsoft_access_removed',
    ],
  ])(
    '%s: signed out at both instances, no other user is, and only once',
    async (_cause, act, reason) => {
      const world = await probed(act)
      expect(await world.refreshes(world.alice)).toEqual(REJECTED)
      expect(await world.reasonOf(world.alice)).toBe(reason)
      expect(await world.refreshes(world.bob)).toEqual(GOOD)
      const head = await world.head()
      world.rig.clock.advance(61)
      await world.probing.turn()
      expect(await world.head()).toBe(head)
    },
  )

  test.each<[string, (entra: Entra) => void]>([
    [
      'a password changed by the user',
      (entra) => entra.change(ALICE, { password: 'another', by: 'user' }),
    ],
    ['a policy that rejects the broker’s own address (53003)', fail(53003)],
    ['consent missing (65001)', fail(65001)],
    ['an outage', (entra) => entra.set({ outage: ['token'] })],
    ['throttling', (entra) => entra.set({ throttle: { areas: ['token'], retryAfterSeconds: 30 } })],
    ['our own secret expired', (entra) => entra.set({ credentialExpired: true })],
    [
      'the app switched off',
      (entra) => entra.set({ appDisabledIn: ['11111111-1111-4111-8111-111111111111'] }),
    ],
    ['a client loop (50196)', fail(50196)],
    ['an ID token that somebody forged', (entra) => entra.set({ forge: 'signature' })],
  ])('%s ends nothing', async (_cause, act) => {
    const world = await probed(act)
    expect(await world.refreshes(world.alice)).toEqual(GOOD)
    expect(await world.reasonOf(world.alice)).toBe('live')
  })

  test.each([70043, 700082, 50076, 50079, 50053])(
    'AADSTS%i marks: signs in afresh at the next /authorize, and is out after an hour',
    async (code) => {
      const world = await probed(fail(code))
      expect(await world.refreshes(world.alice)).toEqual(GOOD)
      expect(await world.reasonOf(world.alice)).toBe('marked')
      world.rig.clock.advance(3601)
      expect(await world.refreshes(world.alice)).toEqual(REJECTED)
    },
  )

  test('an invalid_grant that the table does not know marks', async () => {
    const world = await probed(fail(70000))
    expect(await world.reasonOf(world.alice)).toBe('marked')
  })
})

test('in a tenant that a policy on the broker’s address has paused, a disabled account is signed out in that round, and the other user is not', async () => {
  const world = await openWorld()
  const [alice, bob] = [await world.signIn(ALICE), await world.signIn(BOB)]
  const at = world.rig.clock.now()
  await pauseProbe(world.rig.store, { tid: TENANT, held: 'address', at, code: 53003 })
  world.entra.set({ addressPolicy: { code: 53003, answers: 'after_account' } })
  world.entra.change(ALICE, { accountEnabled: false })
  world.rig.clock.advance(61)
  await world.probing.turn()
  expect(await world.refreshes(alice)).toEqual(REJECTED)
  expect(await world.refreshes(bob)).toEqual(GOOD)
})

test('a sign-in frequency marks the session when it is reached', async () => {
  const world = await openWorld()
  const alice = await world.signIn(ALICE)
  world.entra.set({ signInFrequencySeconds: 3600 })
  world.rig.clock.advance(3000)
  await world.probing.turn()
  expect(await world.reasonOf(alice)).toBe('live')
  world.rig.clock.advance(661)
  await world.probing.turn()
  expect(await world.reasonOf(alice)).toBe('marked')
})

test('a role that was taken away counts from the next refresh on, at the instance that demands it', async () => {
  const world = await openWorld({ appRole: 'CaseManager.User' })
  const alice = await world.signIn(ALICE)
  expect(await world.refreshes(alice)).toEqual(GOOD)
  world.entra.change(ALICE, { roles: ['CaseManager.Reader'] })
  world.rig.clock.advance(61)
  await world.probing.turn()
  expect(await world.refreshes(alice)).toEqual(['invalid_grant', 200])
  world.entra.change(ALICE, { roles: ['CaseManager.User'] })
  world.rig.clock.advance(61)
  await world.probing.turn()
  expect((await world.refreshes(alice))[1]).toBe(200)
})

test('each probe’s new tokens are sealed for that session, and the next one redeems them', async () => {
  const world = await openWorld()
  const { session } = await world.signIn(ALICE)
  const kept = async () =>
    (await world.rig.store.findProbe(session.sid, world.rig.clock.now()))?.cacheSealed ?? ''
  const before = await kept()
  for (let round = 0; round < 3; round++) {
    world.rig.clock.advance(61)
    await world.probing.turn()
  }
  expect(await world.signals('probe', 'good')).toBe(3)
  const after = await kept()
  expect(after).not.toBe(before)
  expect(after).not.toContain('RefreshToken')
  expect(openFromSession(world.rig.deps.sealer, 'microsoft_cache', session.user, after)).toContain(
    'RefreshToken',
  )
})

test('a session that was opened after the revocation, on another browser, stays; the one before it ends', async () => {
  const world = await openWorld()
  const [desk, phone] = [await world.signIn(ALICE), await world.signIn(ALICE)]
  world.rig.clock.advance(5)
  world.entra.change(ALICE, { revokeSessions: true })
  world.rig.clock.advance(5)
  const again = await world.signIn(ALICE)
  world.rig.clock.advance(61)
  await world.probing.turn()
  await world.probing.turn()
  expect([
    await world.reasonOf(desk),
    await world.reasonOf(phone),
    await world.reasonOf(again),
  ]).toEqual(['microsoft_session_revoked', 'microsoft_session_revoked', 'live'])
})

test('a session that was not vouched for in more than a round, as after a restart, is looked at when it refreshes', async () => {
  const world = await openWorld({ signals: { probeEverySeconds: 6000 } })
  const { rig, entra } = world
  const [alice, bob] = [await world.signIn(ALICE), await world.signIn(BOB)]
  entra.change(ALICE, { accountEnabled: false })
  entra.change(BOB, { accountEnabled: false })
  rig.clock.advance(6100)
  const restarted = new Probing(rig.deps)
  rig.deps.refreshes.subscribe((session) => restarted.refreshed(session))
  await restarted.turn()
  expect(await world.refreshes(alice)).toEqual(GOOD)
  await restarted.turn()
  expect(await world.refreshes(alice)).toEqual(REJECTED)
  expect(await world.reasonOf(bob)).toBe('live')
})

test('one that was to be looked at while the store did not answer is looked at in the next turn', async () => {
  const world = await openWorld({ signals: { probeEverySeconds: 6000 } })
  const { rig, entra } = world
  const alice = await world.signIn(ALICE)
  entra.change(ALICE, { accountEnabled: false })
  rig.clock.advance(6100)
  const store = { ...rig.store }
  const restarted = new Probing({ ...rig.deps, store })
  rig.deps.refreshes.subscribe((session) => restarted.refreshed(session))
  await restarted.turn()
  expect(await world.refreshes(alice)).toEqual(GOOD)
  for (const act of ['findProbe', 'takeProbes'] as const) {
    Object.assign(store, {
      [act]: () => Promise.reject(new StoreUnavailable('The database did not answer.')),
    })
    await expect(restarted.turn()).rejects.toThrow(StoreUnavailable)
    Object.assign(store, { [act]: rig.store[act] })
  }
  await restarted.turn()
  expect(await world.refreshes(alice)).toEqual(REJECTED)
})
