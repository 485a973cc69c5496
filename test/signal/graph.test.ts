import { describe, expect, test, vi } from 'vitest'
import { APP_CLIENT_ID } from '../../demo/entra/users.ts'
import { createChecks } from '../../src/operations/checks/checks.ts'
import type { Deps } from '../../src/deps.ts'
import { openKeyRing } from '../../src/keys/ring.ts'
import { createSealer } from '../../src/keys/sealer.ts'
import { StoreUnavailable } from '../../db/types.ts'
import { clientStateOf, tendSubscription } from '../../src/signals/received/subscription.ts'
import { subscriptionCare } from '../../workers/ask-microsoft.ts'
import { TENANT } from '../rig.ts'
import { ALICE, BOB, GOOD, openWorld, REJECTED } from './world.ts'

/**
 * Microsoft Graph, simulated, over real sockets: subscription, notifications, what is read after
 * them, and what is read after a gap.
 */

async function listening(options: Parameters<typeof openWorld>[0] = {}) {
  const world = await openWorld({ graph: true, ...options })
  await world.tend()
  await world.ask()
  const [subscription] = world.entra.subscriptions.live()
  if (subscription === undefined) return expect.unreachable('no subscription')
  const [alice, bob] = [await world.signIn(ALICE), await world.signIn(BOB)]
  // Microsoft's times are whole seconds. They must be later than the sign-ins.
  world.rig.clock.advance(5)
  /** Waits until all notifications are processed, so that the session ended for this reason. */
  const settled = (reason: string) =>
    vi.waitFor(
      async () => {
        await world.ask()
        expect(await world.reasonOf(alice)).toBe(reason)
      },
      { timeout: 60_000, interval: 20 },
    )
  const notify = (body: unknown, url = `${world.rig.config.issuer}/signal/microsoft/graph`) =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  const about = (oid: string, clientState = subscription.clientState) => ({
    value: [
      {
        subscriptionId: subscription.id,
        clientState,
        tenantId: TENANT,
        changeType: 'updated',
        resourceData: { id: oid },
      },
    ],
  })
  const pending = () =>
    world.rig.store.claimMicrosoftWork({
      tid: TENANT,
      nowMs: world.rig.clock.nowMs() + 10 * 86_400_000,
      untilMs: 0,
      limit: 100,
    })
  return { ...world, subscription, alice, bob, settled, notify, about, pending }
}

describe('a change notification', () => {
  test('about users who never signed in here writes no row, however many they are and however often it is sent', async () => {
    const world = await listening()
    const strangers = Array.from(
      { length: 1_000 },
      (_, index) =>
        world.about(`00000000-0000-4000-9000-${String(index).padStart(12, '0')}`).value[0],
    )
    expect((await world.notify({ value: strangers })).status).toBe(202)
    const alice = world.about(world.alice.session.user.oid).value[0]
    for (let i = 0; i < 3; i++)
      expect((await world.notify({ value: [alice, alice] })).status).toBe(202)
    expect(
      (await world.pending()).filter(({ kind }) => kind === 'check_user').map(({ oid }) => oid),
    ).toEqual([world.alice.session.user.oid])
  })

  test.each([
    ['disabled', { accountEnabled: false }, 'microsoft_account_disabled'],
    ['deleted', { deleted: true }, 'microsoft_account_deleted'],
    ['revoked', { revokeSessions: true } as const, 'microsoft_session_revoked'],
    [
      'password changed by the user',
      { password: 'another', by: 'user' } as const,
      'microsoft_password_changed',
    ],
  ])('%s: signed out at both instances, and no other user is', async (_what, patch, reason) => {
    const world = await listening()
    world.entra.set({ revokeNotifies: true, duplicateNotifications: true })
    world.entra.change(ALICE, patch)
    await world.settled(reason)
    expect(await world.refreshes(world.alice)).toEqual(REJECTED)
    expect(await world.refreshes(world.bob)).toEqual(GOOD)
    // The same notification again appends nothing to the log.
    const head = await world.head()
    await world.notify(world.about(world.alice.session.user.oid))
    await world.ask()
    expect(await world.head()).toBe(head)
  })

  test('about a changed name ends no session', async () => {
    const world = await listening()
    world.entra.change(ALICE, { name: 'Alice Brown' })
    await vi.waitFor(
      async () => {
        await world.ask()
        expect(await world.signals('graph_user', 'good')).toBeGreaterThan(0)
      },
      { timeout: 60_000, interval: 20 },
    )
    expect(await world.refreshes(world.alice)).toEqual(GOOD)
  })

  test('a password change that Graph does not notify of is found by the probe; a sign-in with the new password stays', async () => {
    const world = await listening()
    world.entra.set({ dropNotifications: true })
    // The new password is the one that the test's browser types.
    world.entra.change(ALICE, { password: 'alice-demo', by: 'user' })
    world.rig.clock.advance(2)
    const again = await world.signIn(ALICE)
    for (let round = 0; round < 2; round++) {
      world.rig.clock.advance(61)
      await world.probing.turn()
      await world.ask()
    }
    expect(await world.refreshes(world.alice)).toEqual(REJECTED)
    expect(await world.reasonOf(world.alice)).toBe('microsoft_password_changed')
    expect(await world.refreshes(again)).toEqual(GOOD)
    expect(await world.refreshes(world.bob)).toEqual(GOOD)
  })

  test('a user at high risk is signed out where that is switched on and permitted, but not of a session signed in since', async () => {
    const world = await listening()
    world.entra.change(ALICE, { atRisk: true })
    const round = async () => {
      world.rig.clock.advance(61)
      await world.probing.turn()
      await world.ask()
    }
    await round()
    world.rig.config.signals.risk = 'all'
    await round()
    // Without the permission nothing ends, and no check of an account waits for it.
    expect(await world.refreshes(world.alice)).toEqual(GOOD)
    expect(await world.signals('graph_user', 'risk_forbidden')).toBeGreaterThan(0)
    expect(await world.pending()).toEqual([])
    world.entra.world.apps.get(APP_CLIENT_ID)?.graphRoles.push('IdentityRiskyUser.Read.All')
    const again = await world.signIn(ALICE)
    world.rig.clock.advance(3600)
    await round()
    expect(await world.reasonOf(world.alice)).toBe('microsoft_user_at_risk')
    await round()
    expect(await world.refreshes(again)).toEqual(GOOD)
    expect(await world.refreshes(world.bob)).toEqual(GOOD)
  })

  test('who signed in after the revocation stays, however late it is said and however often', async () => {
    const world = await listening()
    world.entra.change(ALICE, { revokeSessions: true })
    world.rig.clock.advance(2)
    const again = await world.signIn(ALICE)
    await world.notify(world.about(again.session.user.oid))
    await world.settled('microsoft_session_revoked')
    await world.notify(world.about(again.session.user.oid))
    await world.ask()
    expect(await world.refreshes(again)).toEqual(GOOD)
  })

  test('is answered 202 and kept, before a request to Graph; Graph’s own outage ends nothing and loses nothing', async () => {
    const world = await listening()
    world.rig.queue.up = false
    world.entra.set({ outage: ['graph'] })
    world.entra.change(ALICE, { accountEnabled: false })
    await vi.waitFor(
      async () =>
        expect(await world.pending()).toMatchObject([
          { kind: 'check_user', oid: world.alice.session.user.oid },
        ]),
      15_000,
    )
    await world.ask()
    expect(await world.refreshes(world.alice)).toEqual(GOOD)
    expect(await world.pending()).toMatchObject([{ attempts: 1 }])
    world.entra.set({ outage: [] })
    world.rig.clock.advance(10)
    await world.settled('microsoft_account_disabled')
    expect(await world.pending()).toEqual([])
  })

  test('Graph is down: what was claimed and not begun is given back at once', async () => {
    const { rig, entra, ask } = await listening()
    const nowMs = rig.clock.nowMs()
    const work = Array.from(
      { length: 20 },
      (_, i) => ({ kind: 'revoke_sessions', tid: TENANT, oid: `oid-${i}` }) as const,
    )
    await rig.store.askMicrosoft(work, nowMs)
    entra.set({ outage: ['graph'] })
    await ask()
    const due = await rig.store.claimMicrosoftWork({
      tid: TENANT,
      nowMs,
      untilMs: nowMs + 1,
      limit: 100,
    })
    // The broker asks about eight users at a time, so that twelve are left.
    expect(due).toHaveLength(12)
  })

  test('throttled: Retry-After is waited for', async () => {
    const world = await listening()
    world.entra.set({ throttle: { areas: ['graph'], retryAfterSeconds: 120 } })
    const nowMs = world.rig.clock.nowMs()
    expect((await world.notify(world.about(world.alice.session.user.oid))).status).toBe(202)
    await world.ask()
    const [work] = await world.pending()
    expect(work?.nextAtMs).toBeGreaterThanOrEqual(nowMs + 120_000)
  })

  test('with another clientState, tenant or none is ignored, with the usual answer', async () => {
    const world = await listening()
    const oid = world.alice.session.user.oid
    const [good] = world.about(oid).value
    const forged = [
      world.about(oid, 'a guess'),
      world.about(oid, ''),
      { value: [{ ...good, clientState: undefined }] },
      { value: [{ ...good, tenantId: '22222222-2222-4222-8222-222222222222' }] },
      { value: [{ ...good, resourceData: { id: '../../me' } }] },
      { value: ['nothing', null, 7] },
    ]
    for (const body of forged) expect((await world.notify(body)).status).toBe(202)
    expect(await world.pending()).toEqual([])
    expect(await world.signals('graph', 'foreign')).toBeGreaterThanOrEqual(6)
  })

  test('a malformed notification, and one that is too long, is rejected', async () => {
    const world = await listening()
    expect((await world.notify('not json')).status).toBe(400)
    expect((await world.notify({ other: [] })).status).toBe(400)
    expect((await world.notify(`{"value":["${'x'.repeat(600_000)}"]}`)).status).toBe(413)
  })

  test('a user who is not signed in here costs no call to Graph', async () => {
    const world = await listening()
    await world.notify(world.about('00000000-0000-4000-8000-0000000000ff'))
    world.entra.set({ outage: ['graph'] })
    await world.ask()
    expect(await world.pending()).toEqual([])
  })
})

describe('the validation handshake', () => {
  test('gives the decoded token back as plain text that is nothing else', async () => {
    const world = await listening()
    const url = `${world.rig.config.issuer}/signal/microsoft/graph?validationToken=${encodeURIComponent('Validation: a+b & c/d=1')}`
    const answer = await world.notify('', url)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(await answer.text()).toBe('Validation: a+b & c/d=1')
    for (const bad of ['<script>alert(1)</script>', 'x'.repeat(1025), '', 'a\nb'])
      expect(
        (await world.notify('', url.replace(/=[^=]*$/, `=${encodeURIComponent(bad)}`))).status,
      ).toBe(400)
  })

  test('has no endpoint where Graph is not used', async () => {
    const { rig } = await openWorld()
    const answer = await fetch(`${rig.config.issuer}/signal/microsoft/graph?validationToken=x`, {
      method: 'POST',
    })
    expect(answer.status).toBe(404)
  })
})

describe('the subscription', () => {
  test('is one, on /users, renewed long before its end, and its clientState is sealed', async () => {
    const world = await listening()
    const { rig, subscription } = world
    expect(subscription).toMatchObject({
      resource: 'users',
      changeTypes: ['updated', 'deleted'],
      notificationUrl: `${rig.config.issuer}/signal/microsoft/graph`,
    })
    expect(subscription.expiresAtMs - rig.clock.nowMs()).toBeLessThanOrEqual(41_760 * 60_000)
    expect(await rig.store.setting(`graph/${TENANT}/client_state`)).not.toContain(
      subscription.clientState,
    )
    const before = subscription.expiresAtMs
    rig.clock.advance(700)
    await world.tend()
    await world.ask()
    expect(world.entra.subscriptions.live()).toHaveLength(1)
    expect(world.entra.subscriptions.live()[0]).toMatchObject({ id: subscription.id })
    expect(world.entra.subscriptions.live()[0]?.expiresAtMs).toBeGreaterThan(before)
  })

  test('is made again when it was lost, and what was missed meanwhile is read', async () => {
    const world = await listening()
    world.entra.subscriptions.lose()
    world.entra.change(ALICE, { accountEnabled: false })
    world.rig.clock.advance(700)
    await world.tend()
    await world.settled('microsoft_account_disabled')
    expect(world.entra.subscriptions.live()).toHaveLength(1)
  })

  test('notifications that never came: the hourly reading of who has changed finds it', async () => {
    const world = await listening()
    world.entra.set({ dropNotifications: true })
    world.entra.change(ALICE, { accountEnabled: false })
    world.rig.clock.advance(3700)
    await world.tend()
    await world.settled('microsoft_account_disabled')
  })

  test('a reading that a clock dated two hours ahead delays the next one no longer', async () => {
    const world = await listening()
    world.rig.clock.advance(7200)
    await world.tend()
    await world.ask()
    world.entra.set({ dropNotifications: true })
    world.entra.change(ALICE, { accountEnabled: false })
    world.rig.clock.advance(-7200)
    await world.tend()
    await world.settled('microsoft_account_disabled')
  })

  test('after a restart what changed meanwhile is read; without a link from before, every signed-in user is asked about', async () => {
    const world = await listening()
    world.entra.set({ dropNotifications: true })
    world.entra.change(ALICE, { accountEnabled: false })
    await world.rig.store.setSetting(`graph/${TENANT}/delta`, undefined)
    await world.rig.store.askMicrosoft(
      [{ kind: 'tend_subscription', tid: TENANT, oid: 'start' }],
      world.rig.clock.nowMs(),
    )
    await world.settled('microsoft_account_disabled')
    expect(await world.reasonOf(world.bob)).toBe('live')
    expect(await world.rig.store.setting(`graph/${TENANT}/delta`)).toContain('deltatoken')
  })

  test('the start of a process asks for what changed meanwhile, also where the store did not take it at first', async () => {
    const { rig } = await listening()
    const store = { ...rig.store }
    const asked: string[] = []
    store.hasPendingMicrosoftWork = async () => false
    store.askMicrosoft = () => Promise.reject(new StoreUnavailable('The database did not answer.'))
    const tend = subscriptionCare({ ...rig.deps, store })
    await expect(tend()).rejects.toThrow(StoreUnavailable)
    store.askMicrosoft = async (work) => void asked.push(...work.map(({ oid }) => oid))
    await tend()
    await tend()
    expect(asked).toEqual(['start', 'timer'])
  })

  test('reauthorizationRequired renews it', async () => {
    const world = await listening()
    const before = world.subscription.expiresAtMs
    world.rig.clock.advance(60)
    world.entra.subscriptions.askToReauthorize()
    await vi.waitFor(
      async () => {
        await world.ask()
        expect(world.entra.subscriptions.live()[0]?.expiresAtMs).toBeGreaterThan(before)
      },
      { timeout: 60_000, interval: 20 },
    )
  })

  test('no permission: it is retried later and logged, and no user is signed out', async () => {
    const world = await openWorld({ graph: true })
    world.entra.set({ consent: { [TENANT]: 'admin' } })
    await world.tend()
    await world.ask()
    expect(world.entra.subscriptions.live()).toHaveLength(0)
    expect(world.rig.lines.join('\n')).toContain('application permission')
  })
})

describe('signing out everywhere goes on to Microsoft, where a tenant wants it', () => {
  const everywhere = async (tenants: 'all' | string[]) => {
    const world = await listening({ signals: { revokeAtMicrosoft: tenants } })
    const { rig, alice } = world
    const { requestRevocation: revoke } = await import('../../src/revocation/revoke.ts')
    const sub = alice.session.sub
    const out = () =>
      revoke(rig.deps, {
        selector: { kind: 'subject', sub },
        reason: 'signed_out_everywhere',
        actor: { kind: 'user', id: sub },
        now: rig.clock.now(),
      })
    const validFrom = () => world.entra.world.userOf(ALICE)?.sessionsValidFrom ?? 0
    return { ...world, out, validFrom }
  }

  test('pending in the same transaction, retried until it is done, once', async () => {
    const world = await everywhere('all')
    const before = world.validFrom()
    world.entra.set({ outage: ['graph'] })
    await world.out()
    expect(await world.pending()).toMatchObject([{ kind: 'revoke_sessions' }])
    await world.ask()
    expect(world.validFrom()).toBe(before)
    world.entra.set({ outage: [] })
    world.rig.clock.advance(60)
    await world.ask()
    expect(world.validFrom()).toBeGreaterThan(before)
    expect(await world.pending()).toEqual([])
  })

  test('not without a request; and a user who has signed in again is left alone', async () => {
    const none = await everywhere([])
    await none.out()
    expect(await none.pending()).toEqual([])
    const world = await everywhere([TENANT])
    world.entra.set({ outage: ['graph'] })
    await world.out()
    await world.ask()
    const again = await world.signIn(ALICE)
    world.entra.set({ outage: [] })
    world.rig.clock.advance(60)
    await world.ask()
    expect(await world.signals('revoke_at_microsoft', 'superseded')).toBe(1)
    expect(await world.refreshes(again)).toEqual(GOOD)
  })

  test('a sign-in that Microsoft does not date spares no session: it may be the attacker’s', async () => {
    const world = await everywhere([TENANT])
    world.entra.set({ outage: ['graph'], authTime: false })
    await world.out()
    await world.ask()
    await world.signIn(ALICE)
    world.entra.set({ outage: [] })
    world.rig.clock.advance(60)
    await world.ask()
    expect(await world.signals('revoke_at_microsoft', 'superseded')).toBe(0)
    expect(await world.signals('revoke_at_microsoft', 'asked')).toBe(1)
  })

  test('a user who reported a sign-in that was not theirs is signed out there also if a user is signed in here meanwhile: it may be the attacker', async () => {
    const world = await everywhere('all')
    const before = world.validFrom()
    const { rig, alice } = world
    const now = rig.clock.now()
    const other = await rig.openSession({ device: 'Safari on iPhone' })
    const what = { sid: other.session.sid }
    const asked = {
      sub: alice.session.sub,
      acting: alice.session.sid,
      what,
      everywhere: false,
      atMicrosoft: true,
      freshSince: 0,
      now,
    }
    expect(await rig.store.reportByUser(asked)).toMatchObject({
      outcome: 'reported',
      actingEnded: false,
    })
    expect(await world.pending()).toMatchObject([{ kind: 'revoke_reported' }])
    await world.ask()
    expect(await world.signals('revoke_at_microsoft', 'superseded')).toBe(0)
    expect(world.validFrom()).toBeGreaterThan(before)
  })

  test.each([
    [
      'signed out everywhere: what Graph and the probe say of it appends nothing, so the floor stays as it was',
      'everywhere',
    ],
    [
      'reported a sign-in: the sessions from before end with it, once; what was signed in since stays',
      'reported',
    ],
  ] as const)('the echo of the broker’s own call. The user %s', async (_title, how) => {
    const world = await everywhere('all')
    const { rig, alice } = world
    const { sub, sid } = alice.session
    const phone = await rig.openSession({ device: 'Safari on iPhone' })
    const report = {
      sub,
      acting: sid,
      what: { sid: phone.session.sid },
      everywhere: false,
      atMicrosoft: true,
      freshSince: 0,
      now: rig.clock.now(),
    }
    if (how === 'everywhere') await world.out()
    else await rig.store.reportByUser(report)
    const before = await world.head()
    await world.ask()
    expect(await world.signals('revoke_at_microsoft', 'asked')).toBe(1)
    rig.clock.advance(2)
    const again = await world.signIn(ALICE)
    for (let round = 0; round < 2; round++) {
      await world.notify(world.about(again.session.user.oid))
      rig.clock.advance(61)
      await world.probing.turn()
      await world.ask()
    }
    expect((await world.head()) - before).toBe(how === 'everywhere' ? 0 : 1)
    if (how === 'reported') expect(await world.reasonOf(alice)).toBe('microsoft_session_revoked')
    expect(await world.refreshes(again)).toEqual(GOOD)
  })

  test('after a day it fails, and is listed', async () => {
    const world = await everywhere('all')
    world.entra.set({ outage: ['graph'] })
    await world.out()
    await world.ask()
    world.rig.clock.advance(86_400)
    await world.ask()
    expect(await world.rig.store.failedMicrosoftWork(10)).toMatchObject([
      { kind: 'revoke_sessions', lastError: expect.stringContaining('503') as string },
    ])
    expect(world.rig.lines.join('\n')).toContain('microsoft_work_failed')
  })
})

describe('after a rotation of BROKER_SECRET', () => {
  const old = Buffer.from('secret of this test rig 01234567')
  const fresh = Buffer.alloc(32, 'another secret of this test 98765')
  const secretsFound = async (deps: Deps) =>
    (await createChecks(deps).look({ fresh: true, which: ({ id }) => id === 'secrets' }))
      .map(({ found }) => found)
      .join(' ')

  test('the client state is sealed again at the start, so that the old secret can go; the check says until when it cannot', async () => {
    const world = await listening()
    const config = { ...world.rig.config, secrets: [fresh, old] }
    const both = { ...world.rig.deps, config, sealer: createSealer([fresh, old]) }
    for (const alg of ['ES256', 'RS256'] as const)
      await (
        await openKeyRing({ ...both, issuer: config.issuer })
      ).rotate(alg, 'emergency', both.clock.now())
    expect(await secretsFound(both)).toContain('Graph’s notifications')
    await tendSubscription(both, TENANT, 'start')
    expect(await secretsFound(both)).not.toContain('Graph’s notifications')
    expect(await clientStateOf({ ...both, sealer: createSealer([fresh]) }, TENANT)).toBe(
      world.subscription.clientState,
    )
  })

  test('a client state that no secret opens is a lost subscription: it is made again, and notifications are accepted again', async () => {
    const world = await listening()
    const deps = { ...world.rig.deps, sealer: createSealer([fresh]) }
    await tendSubscription(deps, TENANT, 'timer')
    const [subscription] = world.entra.subscriptions.live()
    expect(world.entra.subscriptions.live()).toHaveLength(1)
    expect(subscription?.id).not.toBe(world.subscription.id)
    expect(await clientStateOf(deps, TENANT)).toBe(subscription?.clientState)
    expect(world.rig.lines.filter((line) => line.includes('graph_subscription_lost'))).toHaveLength(
      1,
    )
  })
})
