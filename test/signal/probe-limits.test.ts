import { describe, expect, test } from 'vitest'
import type { User } from '../../db/types.ts'
import { MicrosoftRejection } from '../../src/microsoft/interface.ts'
import { pauseProbe, resumeProbe } from '../../src/microsoft/probe-pause.ts'
import { sha256 } from '../../src/runtime/compare.ts'
import { sealForSession } from '../../src/session/sealed.ts'
import { Probing } from '../../workers/probe-microsoft.ts'
import { OTHER_TENANT, type Rig, TENANT } from '../rig.ts'
import { openMany, outage, rejection, ROUND, STEP, VOUCHED } from './many.ts'

/** Sets the time of the broker, which a comparison with Microsoft’s clock confirms. */
function jump({ clock, deps }: Rig, seconds: number): void {
  clock.step(seconds)
  deps.clockWatch.comparison()(0)
}

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

  test('a withdrawn assignment of more than 5 % within ten minutes, five users at least, waits for a decision; then it ends the rest in one round', async () => {
    const world = await openMany(500)
    world.answers(() => rejection(50105))
    await world.pass(ROUND)
    expect(await world.live()).toBe(496)
    expect(world.rig.lines.join('\n')).toContain('probe_paused')
    const readyz = async () =>
      (await world.rig.opsApp.request('http://localhost:7401/readyz')).text()
    expect(await readyz()).toMatch(/application was withdrawn.*resume-probe/)
    expect(await readyz()).not.toContain('Not watched')
    // The decision is the operator's act, so the test makes it where cmb does.
    const decided = world.rig.clock.now() + 2 * ROUND
    expect(await resumeProbe(world.rig.store, TENANT, decided)).toBe(true)
    expect(await readyz()).not.toContain('resume-probe')
    await world.pass(ROUND)
    expect(await world.live()).toBe(0)
    expect(await readyz()).not.toContain('resume-probe')
  })

  test('after its decision the next withdrawal of many is held back again', async () => {
    const world = await openMany(100)
    await pauseProbe(world.rig.store, {
      tid: TENANT,
      held: 'assignment',
      at: world.rig.clock.now(),
      code: 50105,
    })
    await resumeProbe(world.rig.store, TENANT, world.rig.clock.now() + ROUND)
    await world.pass(ROUND)
    world.answers(() => rejection(50105))
    await world.pass(ROUND)
    expect(await world.live()).toBe(96)
  })

  test('a decision about assignments lets no answer take effect that a policy on the broker’s own address causes', async () => {
    const world = await openMany(100)
    const { store, clock } = world.rig
    await pauseProbe(store, { tid: TENANT, held: 'assignment', at: clock.now(), code: 50105 })
    await resumeProbe(store, TENANT, clock.now() + 2 * ROUND)
    world.answers(() => rejection(50076))
    await world.pass(ROUND + 3700)
    expect(await world.live()).toBe(96)
  })

  test('after an operator has resumed the probe, answers from before count for no alarm', async () => {
    const world = await openMany(100)
    const { store } = world.rig
    const paused = () => store.setting(`probe_paused/${TENANT}`)
    world.answers(() => rejection(50076))
    await world.pass(ROUND / 3)
    expect(await paused()).toBeDefined()
    await resumeProbe(store, TENANT, 0)
    let left = 1
    world.answers(() => (left-- > 0 ? rejection(50076) : VOUCHED))
    await world.pass(ROUND / 3)
    expect([left < 0, await paused()]).toEqual([true, undefined])
  })

  // One code of each effect; test/microsoft/aadsts.test.ts says what every code means.
  test.each([50076, 53003, 999_999])(
    'AADSTS%i from many users is a policy on the broker’s own address: the tenant is shown as not watched, asked on at the same pace, and each account that Microsoft names is signed out in that round',
    async (code) => {
      const world = await openMany(100)
      world.answers(() => rejection(code))
      await world.pass(ROUND)
      const readyz = await (await world.rig.opsApp.request('http://localhost:7401/readyz')).text()
      expect(readyz).toMatch(/Not watched since.*resume-probe/)
      const named = [50057, 50173, 50034, 50105] as const
      world.answers((oid) => rejection(named[Number(oid.slice(-2))] ?? code))
      const asked = world.asked.length
      await world.pass(ROUND)
      expect(world.asked.length - asked).toBe(100)
      const states = await Promise.all(
        named.map((_, i) => world.rig.store.statusBySid(`s_${i}`, world.rig.clock.now())),
      )
      expect(states.map(({ state }) => state)).toEqual(named.map(() => 'ended'))
      // The few marks from before the alarm are all.
      await world.pass(3700)
      expect(await world.live()).toBeGreaterThanOrEqual(100 - named.length - 4)
    },
  )

  test.each([70043])(
    'AADSTS%i is the ordinary end of Microsoft’s session of each user: however many they are, they are marked, and no alarm is raised',
    async (code) => {
      const world = await openMany(100)
      world.answers(() => rejection(code))
      await world.pass(ROUND)
      expect(await world.rig.store.setting(`probe_paused/${TENANT}`)).toBeUndefined()
      await world.pass(3700)
      expect(await world.live()).toBe(0)
    },
  )

  test.each([
    ['is set back by 10 minutes', [-600]],
    ['is set back by 2 hours', [-7200]],
    ['is set back by a day', [-86_400]],
    ['was 10 minutes ahead for a round, and is right again', [600, -600]],
    ['was 2 hours ahead for a round, and is right again', [7200, -7200]],
    ['jumps ahead by 2 hours', [7200]],
  ])(
    'when the clock %s, each session is asked about within a round, while Microsoft was unreachable before too',
    async (_how, steps) => {
      const world = await openMany(60)
      await world.pass(ROUND)
      for (const step of steps) {
        world.answers(() => outage)
        await world.pass(ROUND)
        jump(world.rig, step)
      }
      world.answers(() => VOUCHED)
      // The backoff of the outage lasts five minutes at most.
      await world.pass(300)
      const asked = world.asked.length
      await world.pass(ROUND + STEP)
      expect(new Set(world.asked.slice(asked).map(({ oid }) => oid)).size).toBe(60)
      expect(world.asked.length - asked).toBeLessThanOrEqual(130)
    },
  )

  test.each([
    ['a broker that started while the clock was 2 hours ahead', 7200],
    [
      'a broker that starts after another moved the cursor by a clock that was 10 minutes ahead',
      600,
    ],
  ])('%s asks about each session within a round of the right time', async (_who, ahead) => {
    const world = await openMany(60)
    jump(world.rig, ahead)
    world.restart()
    await world.pass(ROUND)
    jump(world.rig, -ahead)
    if (ahead === 600) world.restart()
    const asked = world.asked.length
    await world.pass(ROUND + STEP)
    expect(new Set(world.asked.slice(asked).map(({ oid }) => oid)).size).toBe(60)
  })

  test('a refresh asks no further time about a session whose answer a policy masks', async () => {
    const world = await openMany(1)
    await pauseProbe(world.rig.store, {
      tid: TENANT,
      held: 'address',
      at: world.rig.clock.now(),
      code: 53003,
    })
    world.answers(() => rejection(53003))
    await world.pass(3 * ROUND)
    const status = await world.rig.store.statusBySid('s_0', world.rig.clock.now())
    world.probing().refreshed(status.state === 'live' ? status.session : expect.unreachable())
    const asked = world.asked.length
    await world.pass(STEP)
    expect(world.asked.length - asked).toBeLessThanOrEqual(1)
    await world.pass(ROUND - STEP)
    expect(world.asked.length - asked).toBe(1)
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
    [50034, 'microsoft_account_deleted'],
    [50105, 'microsoft_access_removed'],
    [16000, 'microsoft_session_revoked'],
  ])('AADSTS%i ends the session as what it is', async (code, reason) => {
    const world = await openMany(1)
    world.answers(() => rejection(code))
    await world.pass(ROUND)
    expect(
      (await world.rig.store.listRevocations({ limit: 2 })).map((revocation) => revocation.reason),
    ).toEqual([reason])
  })

  test('a few of many are signed out without an alarm', async () => {
    const world = await openMany(500)
    await world.pass(ROUND)
    world.answers((oid) => (oid.endsWith('50') ? rejection(50034) : VOUCHED))
    await world.pass(ROUND)
    expect(await world.live()).toBe(495)
    expect(await world.rig.store.setting(`probe_paused/${TENANT}`)).toBeUndefined()
  })

  test.each([50173, 50034])(
    'AADSTS%i is Microsoft’s answer about each account: however many they are, they are signed out, and it is logged',
    async (code) => {
      const world = await openMany(100)
      world.answers(() => rejection(code))
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
    await pauseProbe(rig.store, {
      tid: OTHER_TENANT,
      held: 'address',
      at: rig.clock.now(),
      code: undefined,
    })
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
      return rejection(50057)
    })
    await world.pass(ROUND)
    expect(await renewed).toMatchObject({ renewed: true, session: { sid: 's_0' } })
    expect(await world.live()).toBe(1)
    expect(world.asked).toHaveLength(1)
  })
})
