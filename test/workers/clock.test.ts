import { describe, expect, test } from 'vitest'
import { sha256 } from '../../src/runtime/compare.ts'
import { SESSION_COOKIE } from '../../src/session/cookie.ts'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { sweepingExpired } from '../../workers/expiry.ts'
import { startCmb } from '../command/cmb.ts'
import { createRig, type Rig } from '../rig.ts'
import { atMicrosoft, authorizePath, createBrowser, delivered, signIn } from '../signin/browser.ts'

/** The clock of the machine is wrong (invariant 5: a fault of ours signs no user out). */

const HOURS = 3600

/** Returns a session with tokens at an instance, the sweep, and the answers to the instance. */
async function world() {
  const rig = await createRig()
  const sydney = await rig.register('Sydney')
  const { session } = await rig.openSession()
  const first = await rig.signInAt(session.sid, sydney)
  let refreshToken = first.refresh_token ?? expect.unreachable()
  const auth = { authorization: sydney.basic }
  const answered = ({ status, headers }: Response) =>
    status === 503 ? `503, again in ${headers.get('retry-after') ?? 'an unknown time'}` : status
  const refresh = async () => {
    const response = await rig.post(
      '/token',
      { grant_type: 'refresh_token', refresh_token: refreshToken },
      auth,
    )
    const body = (await response.json()) as { refresh_token?: string }
    refreshToken = body.refresh_token ?? refreshToken
    return answered(response)
  }
  const introspect = async () =>
    answered(await rig.post('/introspect', { token: first.access_token }, auth))
  const userinfo = async () =>
    answered(
      await rig.app.request('/userinfo', {
        headers: { authorization: `Bearer ${first.access_token}` },
      }),
    )
  const checks = createChecks(rig.deps)
  const state = async () => (await rig.store.statusBySid(session.sid, rig.clock.now())).state
  return {
    rig,
    refresh,
    introspect,
    userinfo,
    sweep: sweepingExpired(rig.deps, checks),
    state,
    sid: session.sid,
    checks,
  }
}

const ended = async (rig: Rig) =>
  (await rig.store.listRevocations({ limit: 10 })).map(({ reason }) => reason)

describe('a step of the clock', () => {
  test.each([
    ['forward', 100 * HOURS],
    ['back', -100 * HOURS],
  ])(
    '%s ends no session, answers 503 to checks by time, and is over when the clock is set right',
    async (_, seconds) => {
      const { rig, refresh, introspect, userinfo, sweep, state } = await world()
      rig.microsoft.examined = {
        metadata: { ok: false, problem: 'It does not answer.' },
        authorize: undefined,
        credential: undefined,
      }
      await sweep()
      rig.clock.step(seconds)
      await sweep()
      expect(await ended(rig)).toEqual([])
      expect([await refresh(), await introspect(), await userinfo()]).toEqual(
        Array(3).fill('503, again in 20'),
      )
      rig.clock.step(-seconds)
      await sweep()
      expect([await state(), await refresh(), await introspect(), await userinfo()]).toEqual([
        'live',
        200,
        200,
        200,
      ])
      expect(await ended(rig)).toEqual([])
    },
  )

  test.each([
    ['forward', 2 * HOURS],
    ['back', -2 * HOURS],
  ])(
    '%s keeps the sign-in callback from opening a session, with a page that says to try again; then the same address goes on',
    async (_, seconds) => {
      const { rig, state } = await world()
      const melbourne = await rig.register('Melbourne')
      const browser = createBrowser(rig)
      const back = await atMicrosoft(rig, browser, await browser.get(authorizePath(melbourne)))
      rig.clock.step(seconds)
      const page = await browser.get(back)
      expect([page.status, page.headers.get('retry-after')]).toEqual([503, '20'])
      expect(page.html).toContain('clock of Case Manager is wrong')
      expect(page.html).toContain('Try again')
      rig.clock.step(-seconds)
      expect([
        await rig.store.liveSessionCount(rig.clock.now()),
        await state(),
        await ended(rig),
      ]).toEqual([1, 'live', []])
      expect(delivered(await browser.get(back)).code).toBeDefined()
      expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(2)
    },
  )

  test('is confirmed by Microsoft’s clock at the next sweep: after a suspension what has expired ends', async () => {
    const { rig, sweep, refresh } = await world()
    await sweep()
    rig.clock.advance(2)
    rig.clock.step(100 * HOURS)
    await sweep()
    expect(await ended(rig)).toEqual(['idle'])
    expect(await refresh()).toBe(400)
  })

  test('is a failed check, a metric and an age of deliveries that is not less than it was', async () => {
    const { rig, sid } = await world()
    rig.microsoft.examined = {
      metadata: { ok: false, problem: 'It does not answer.' },
      authorize: undefined,
      credential: undefined,
    }
    await rig.store.revoke({
      selector: { kind: 'session', sid },
      reason: 'signed_out',
      actor: { kind: 'broker', id: 'test' },
      now: rig.clock.now(),
    })
    rig.clock.advance(120)
    rig.clock.step(-1 * HOURS)
    const metrics = await (await rig.opsApp.request('/metrics')).text()
    expect(metrics).toContain('broker_check_findings{check="clock",state="failed"} 1\n')
    expect(metrics).toContain('broker_clock_ahead_seconds -3600\n')
    expect(metrics).toContain('broker_oldest_pending_delivery_seconds{client="sydney"} 120\n')
    const { checks } = (await (await rig.opsApp.request('/readyz')).json()) as {
      checks: { check: string; found: string }[]
    }
    expect(checks.find(({ check }) => check === 'clock')?.found).toContain('3600 s behind')
  })

  test('back does not keep the checks from looking again', async () => {
    const { rig, checks } = await world()
    const microsoft = async () =>
      (await checks.look({ which: ({ id }) => id === 'microsoft' })).map(({ state }) => state)
    expect(await microsoft()).toEqual(['ok', 'ok'])
    rig.clock.step(-1 * HOURS)
    rig.microsoft.examined = {
      metadata: { ok: false, problem: 'It does not answer.' },
      authorize: undefined,
      credential: undefined,
    }
    rig.clock.advance(20)
    expect(await microsoft()).toEqual(['failed', 'failed'])
  })
})

describe('what is written while the clock is wrong', () => {
  test.each([
    ['ahead', 100 * HOURS],
    ['behind', -100 * HOURS],
  ])(
    '%s is right when the clock is right again: a revocation stays in the feed for guards that connect later',
    async (_, seconds) => {
      const { rig, sid } = await world()
      const melbourne = await rig.register('Melbourne')
      rig.clock.step(seconds)
      await (await startCmb(rig)).type(['revoke', '--session', sid])
      rig.clock.step(-seconds)
      const page = await (
        await rig.app.request('/revocations', { headers: { authorization: melbourne.basic } })
      ).json()
      expect(JSON.stringify(page)).toContain(sid)
    },
  )

  test('a user signs out while the clock is past every limit of the session', async () => {
    const { rig } = await world()
    const sydney = await rig.register('Melbourne')
    const browser = createBrowser(rig)
    await signIn(rig, browser, authorizePath(sydney))
    const cookieHash = sha256(browser.cookies.get(SESSION_COOKIE) ?? '')
    rig.clock.step(100 * HOURS)
    await browser.submit(await browser.get('/logout'), { scope: 'device' }, 'Sign out')
    rig.clock.step(-100 * HOURS)
    expect(await rig.store.statusByCookie(cookieHash, rig.clock.now())).toMatchObject({
      state: 'ended',
      session: { ended: { reason: 'signed_out' } },
    })
  })
})

describe('a clock that is wrong from the start', () => {
  test('is compared with Microsoft’s before the first sweep: it ends no session; set right, all goes on', async () => {
    const { rig, sweep, refresh, state } = await world()
    rig.clock.advance(100 * HOURS)
    rig.microsoft.examined = {
      ...rig.microsoft.examined,
      metadata: { ok: true, skewSeconds: -100 * HOURS },
    }
    await sweep()
    expect([await ended(rig), await refresh()]).toEqual([[], '503, again in 20'])
    rig.clock.step(-100 * HOURS)
    rig.microsoft.examined = { ...rig.microsoft.examined, metadata: { ok: true, skewSeconds: 0 } }
    await sweep()
    expect([await ended(rig), await state(), await refresh()]).toEqual([[], 'live', 200])
  })

  test('where Microsoft does not answer, its silence stops no sweep', async () => {
    const { rig, sweep } = await world()
    rig.microsoft.examined = {
      metadata: { ok: false, problem: 'It does not answer.' },
      authorize: undefined,
      credential: undefined,
    }
    rig.clock.advance(100 * HOURS)
    await sweep()
    expect(await ended(rig)).toEqual(['idle'])
  })
})
