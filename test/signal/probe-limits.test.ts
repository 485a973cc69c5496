import { describe, expect, test } from 'vitest'
import type { User } from '../../db/types.ts'
import { MicrosoftRejection } from '../../src/microsoft/interface.ts'
import { pauseProbe, resumeProbe } from '../../src/microsoft/probe-pause.ts'
import { sha256 } from '../../src/runtime/compare.ts'
import { sealForSession } from '../../src/clients/session/sealed.ts'
import { Probing } from '../../workers/probe-microsoft.ts'
import { OTHER_TENANT, TENANT } from '../rig.ts'
import { openMany, rejection, ROUND, STEP, VOUCHED } from './many.ts'

describe('limits and alarms', () => {
  test('no more probes a second than the limit; late sessions are probed in the end', async () => {
    const world = await openMany(300, 1)
    const load = await world.pass(600)
    expect(Math.max(...load)).toBeLessThanOrEqual(STEP)
    await world.pass(900)
    expect(new Set(world.asked.map(({ oid }) => oid)).size).toBe(300)
  })

  test('Retry-After is waited for', async () => {
    const world = await openMany(500)
    world.answers(
      () => new MicrosoftRejection('outage', { effect: 'nothing', retryAfterSeconds: 240 }),
    )
    await world.pass(STEP)
    const asked = world.asked.length
    expect(asked).toBeGreaterThan(0)
    await world.pass(220)
    expect(world.asked).toHaveLength(asked)
  })

  test('more than 5 % of a tenant within ten minutes, five users at least: it is paused with an alert, and no further user is signed out', async () => {
    const world = await openMany(500)
    world.answers(() => rejection('not_assigned', 50105, 'session'))
    await world.pass(ROUND)
    expect(await world.live()).toBe(496)
    expect(await world.rig.store.setting(`probe_paused/${TENANT}`)).toContain('50105')
    expect(world.rig.lines.join('\n')).toContain('probe_paused')
    const asked = world.asked.length
    await world.pass(300)
    expect(world.asked).toHaveLength(asked)
    // After an operator has resumed the probe, it continues at the current time and counts from
    // zero.
    const status = async () =>
      (await world.rig.opsApp.request('http://localhost:7401/readyz')).text()
    expect(await status()).toContain(`cmb tenants resume-probe ${TENANT}`)
    expect(await resumeProbe(world.rig.store, TENANT)).toBe(true)
    expect(await status()).not.toContain('resume-probe')
    world.answers(() => VOUCHED)
    await world.pass(ROUND)
    expect(world.asked.length - asked).toBeGreaterThan(490)
    expect(await world.live()).toBe(496)
  })

  test('sessions whose answers make the probe back off hide no others: all are asked about within two rounds', async () => {
    const { rig, asked, answers } = await openMany(300)
    const probing = new Probing(rig.deps)
    answers((oid) =>
      /(?:010|050|200)$/.test(oid)
        ? new MicrosoftRejection('app_missing', { code: 7000112, effect: 'nothing' })
        : VOUCHED,
    )
    for (let second = 0; second < 2 * ROUND; second++) {
      rig.clock.advance(1)
      await probing.turn()
    }
    expect(new Set(asked.map(({ oid }) => oid)).size).toBe(300)
  })

  test('two brokers ask about each session once a round, whichever of them is faster', async () => {
    const { rig, asked, pass } = await openMany(300)
    const other = new Probing(rig.deps)
    for (let passed = 0; passed < ROUND; passed += 10) {
      const [first, second] =
        passed % 20 === 0 ? [other.turn(), pass(10)] : [pass(10), other.turn()]
      await Promise.all([first, second])
    }
    expect(asked).toHaveLength(300)
    expect(new Set(asked.map(({ oid }) => oid)).size).toBe(300)
  })

  test.each([
    [50034, 'another_account', 'microsoft_account_deleted'],
    [50105, 'not_assigned', 'microsoft_access_removed'],
    [16000, 'another_account', 'microsoft_session_revoked'],
  ])('AADSTS%i ends the session as what it is', async (code, guidance, reason) => {
    const world = await openMany(1)
    world.answers(() => rejection(guidance, code, 'session'))
    await world.pass(ROUND)
    expect((await world.rig.store.listRevocations({ limit: 2 })).map((one) => one.reason)).toEqual([
      reason,
    ])
  })

  test('a few of many are signed out without an alarm', async () => {
    const world = await openMany(500)
    await world.pass(ROUND)
    world.answers((oid) =>
      oid.endsWith('50') ? rejection('another_account', 50034, 'session') : VOUCHED,
    )
    await world.pass(ROUND)
    expect(await world.live()).toBe(495)
    expect(await world.rig.store.setting(`probe_paused/${TENANT}`)).toBeUndefined()
  })

  test.each([
    [50173, 'sign_in_again'],
    [50057, 'account_disabled'],
  ])(
    'AADSTS%i is Microsoft’s answer about each user: however many they are, they are signed out, and it is logged',
    async (code, guidance) => {
      const world = await openMany(100)
      world.answers(() => rejection(guidance, code, 'subject'))
      await world.pass(ROUND)
      while ((await world.rig.store.fanOutPending({ limit: 500 })).more);
      expect(await world.live()).toBe(0)
      expect(world.rig.lines.join('\n')).toContain('probe_many_ended')
      expect(await world.rig.store.setting(`probe_paused/${TENANT}`)).toBeUndefined()
    },
  )

  test('a tenant that is paused does not keep users of another from being probed', async () => {
    const { rig, asked } = await openMany(1)
    const probing = new Probing(rig.deps)
    await rig.store.putTenant({ tid: OTHER_TENANT, mfaProof: 'amr', connectedAt: rig.clock.now() })
    await rig.deps.connection.reload()
    await pauseProbe(rig.store, { tid: OTHER_TENANT, at: rig.clock.now(), code: undefined })
    const status = await rig.store.statusBySid('s_0', rig.clock.now())
    const session = status.state === 'live' ? status.session : expect.unreachable()
    await probing.turn()
    const long = { probedAt: rig.clock.now() - 2 * ROUND }
    for (let i = 0; i < 6000; i++)
      probing.refreshed({
        ...session,
        ...long,
        sid: `s_${i}`,
        user: { ...session.user, tid: OTHER_TENANT },
      })
    probing.refreshed({ ...session, ...long })
    rig.clock.advance(1)
    await probing.turn()
    expect(asked.map(({ oid }) => oid)).toContain(session.user.oid)
  })

  test('a result of old tokens is ignored for a session that was signed in again meanwhile', async () => {
    const world = await openMany(1)
    const { store, clock, deps } = world.rig
    let renewed: Promise<unknown> | undefined
    world.answers(() => {
      const user: User = { tid: TENANT, oid: '00000000-0000-4000-8000-000000000000' }
      const now = clock.now()
      renewed = store.signIn({
        session: {
          user,
          authTime: now,
          visitStartedAt: now,
          idleSeconds: 900,
          absoluteAt: now + 9000,
          roles: [],
          staySignedIn: false,
          microsoftCacheSealed: sealForSession(
            deps.sealer,
            'microsoft_cache',
            user,
            'fresh tokens',
          ),
          device: 'Firefox on Linux',
          cookieHash: sha256('another'),
        },
        browserCookieHash: sha256('cookie 0'),
        provenSeq: Number.MAX_SAFE_INTEGER,
        ids: { sub: 'u_x', sid: 's_x' },
        now,
      })
      return rejection('account_disabled', 50057, 'subject')
    })
    await world.pass(ROUND)
    expect(await renewed).toMatchObject({ renewed: true, session: { sid: 's_0' } })
    expect(await world.live()).toBe(1)
    expect(world.asked).toHaveLength(1)
  })
})
