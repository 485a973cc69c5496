import { beforeEach, describe, expect, test } from 'vitest'
import { StoreUnavailable } from '../../db/types.ts'
import { Browser, browserAt } from '../browser.ts'
import { createRig, ISSUER, OTHER_TENANT, TENANT, type RegisteredClient, type Rig } from '../rig.ts'
import { atMicrosoft, authorizePath, signIn } from '../signin/browser.ts'

const WINDOWS = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0'

let rig: Rig
let sydney: RegisteredClient
beforeEach(async () => {
  rig = await createRig()
  sydney = await rig.register('Sydney')
})

/** Returns a browser with its own network address. */
const browserFrom = (remoteAddress: string): Browser =>
  new Browser({
    fetch: (address, init) =>
      rig.app.request(address, init, { incoming: { socket: { remoteAddress } } }),
    at: ISSUER,
    nowMs: () => rig.clock.nowMs(),
    userAgent: WINDOWS,
    follows: ({ origin }) => origin === ISSUER,
  })
const signInFrom = async (address: string): Promise<Browser> => {
  const browser = browserFrom(address)
  await signIn(rig, browser, authorizePath(sydney))
  return browser
}
const state = async (signedIn: { session: { sid: string } }) =>
  (await rig.store.statusBySid(signedIn.session.sid, rig.clock.now())).state

describe('the security history of a user', () => {
  test('shows a sign-in with its time, device, instance and address; a rejected one, and why; the address goes after five minutes', async () => {
    const browser = await signInFrom('203.0.113.7')
    rig.clock.advance(60)
    rig.microsoft.next = { acrs: [] }
    await signInFrom('198.51.100.9')
    rig.microsoft.next = {}
    const shown = await browser.get('/account/history')
    expect(shown.text).toMatch(
      /Tuesday 24 November 09:01 UTC Sign-in rejected .* · Two-step verification was not completed When/,
    )
    expect(shown.text).toMatch(
      /Signed in This device Firefox on Windows When Tuesday 24 November, 09:00 UTC Device Firefox on Windows App Case Manager Sydney Internet connection The same as yours now \( ?203\.0\.113\.\*/,
    )
    expect(shown.text).toContain('198.51.100.*')
    expect(shown.text).not.toMatch(/113\.7|100\.9/)
    rig.clock.advance(301)
    const later = await browser.get('/account/history')
    expect(later.text).toContain('Signed in')
    expect(later.text).toContain('Which internet connection was used? This is hidden')
    expect(later.text).not.toMatch(/203\.0\.113|198\.51\.100/)
  })

  test('the list of devices and the report have the network of each sign-in, after a fresh one alone', async () => {
    const phone = await rig.openSession({ device: 'Safari on iPhone' })
    const tablet = await signInFrom('2001:db8:85a3:1:2:3:4:5')
    const browser = await signInFrom('203.0.113.7')
    const { sub } = phone.session
    const [other] = (await rig.store.liveSessionsOf(sub, rig.clock.now())).filter(
      ({ session }) => session.device === 'Firefox on Windows',
    )
    expect(other).toBeDefined()
    const devices = await browser.get('/account')
    for (const network of ['203.0.113.*', '2001:db8:85a3:*'])
      expect(devices.text).toContain(network)
    const report = devices.links.filter((href) => href.startsWith('/account/report'))
    const reports = await Promise.all(report.map(async (href) => (await browser.get(href)).text))
    expect(reports.join(' ')).toMatch(
      /Internet connection Not the same as yours now \( ?2001:db8:85a3:\*/,
    )
    rig.clock.advance(301)
    const later = await browser.get('/account')
    expect(later.text).not.toMatch(/203\.0\.113|2001:db8/)
    expect(later.text).toContain('Which internet connection was used? This is hidden')
    expect((await browser.press(later, 'Confirm now')).path).toBe(
      '/signin/start?return_to=/account&fresh=yes',
    )
    expect((await tablet.get(report[0] ?? '')).text).not.toContain('203.0.113')
  })

  test('one act that ended several sessions is one line, under its day', async () => {
    const laptop = await rig.openSession({ device: 'Firefox on Windows' })
    await rig.openSession({ device: 'Safari on iPhone' })
    await rig.store.revoke({
      selector: { kind: 'subject', sub: laptop.session.sub },
      reason: 'signed_out_everywhere',
      actor: { kind: 'user', id: laptop.session.sub },
      now: rig.clock.now(),
    })
    while ((await rig.store.fanOutPending({ limit: 100 })).more);
    rig.clock.advance(86_400)
    const { cookieHeader } = await rig.openSession()
    const browser = browserAt(rig, { cookies: cookieHeader })
    const { text, html } = await browser.get('/account/history')
    expect(text).toMatch(/Wednesday 25 November .* Tuesday 24 November/)
    expect(html.match(/You signed out everywhere\./g)?.length ?? 0).toBeLessThanOrEqual(2)
  })

  test('the address is shown again after a fresh sign-in: Microsoft is asked for it, and an old sign-in there does not suffice', async () => {
    const browser = await signInFrom('203.0.113.7')
    rig.clock.advance(301)
    const prove = async () => {
      const page = await browser.press(await browser.get('/account/history'), 'Confirm now')
      expect(page.path).toContain('/signin/start')
      return browser.get(await atMicrosoft(rig, browser, page))
    }
    rig.microsoft.next = { authTime: rig.clock.now() - 301 }
    await prove()
    expect(rig.microsoft.started.at(-1)?.prompt).toBe('login')
    expect((await browser.get('/account/history')).text).not.toContain('203.0.113')
    rig.microsoft.next = {}
    const shown = await prove()
    expect(shown.left?.pathname ?? shown.path).toBe('/account/history')
    expect((await browser.get('/account/history')).text).toContain('203.0.113.*')
    expect((await browser.get('/signin/start?return_to=/account/history&fresh=yes')).path).toBe(
      '/account/history',
    )
  })

  test('names what ended for a security reason as ended from elsewhere, and neither the reason nor who', async () => {
    const browser = await signInFrom('203.0.113.7')
    const phone = await rig.openSession({ device: 'Safari on iPhone' })
    const tablet = await rig.openSession({ device: 'Safari on iPad' })
    const now = rig.clock.now()
    const selector = (signedIn: typeof phone) =>
      ({ kind: 'session', sid: signedIn.session.sid }) as const
    await rig.store.revoke({
      selector: selector(phone),
      reason: 'refresh_token_reuse',
      actor: { kind: 'broker', id: 'token' },
      now,
    })
    await rig.store.revoke({
      selector: selector(tablet),
      reason: 'administrator',
      actor: { kind: 'operator', id: 'olga' },
      now,
    })
    const { text } = await browser.get('/account/history')
    expect(text).toMatch(/Signed out Safari on iPhone · You were signed out from elsewhere\. /)
    expect(text).toMatch(/Signed out Safari on iPad · An administrator signed you out\. When /)
    expect(text).not.toMatch(/olga|token|stolen|By /)
  })

  test('has pages: every entry once, the newest first', async () => {
    const browser = await signInFrom('203.0.113.7')
    for (let i = 0; i < 45; i++) {
      rig.clock.advance(i % 10 === 0 ? 1 : 0.001)
      await rig.openSession({ device: `Device ${String(i).padStart(2, '0')}` })
    }
    const seen: string[] = []
    let page = await browser.get('/account/history')
    for (;;) {
      seen.push(
        ...[...page.text.matchAll(/UTC Signed in Device (\d\d)/g)].map(([, device = '']) => device),
      )
      if (!page.text.includes('Older entries')) break
      page = await browser.press(page, 'Older entries')
    }
    expect(seen).toEqual(Array.from({ length: 45 }, (_, i) => String(44 - i).padStart(2, '0')))
  })

  test('shows a user only their own entries, and needs a session', async () => {
    const browser = await signInFrom('203.0.113.7')
    await rig.openSession({
      user: { oid: '00000000-0000-4000-8000-000000000b0b' },
      device: 'Chrome on Linux',
    })
    expect((await browser.get('/account/history')).text).not.toContain('Chrome on Linux')
    expect((await browserAt(rig).get('/account/history')).path).toBe(
      '/signin/start?return_to=/account/history',
    )
  })
})

describe('"This wasn’t me"', () => {
  let laptop: Awaited<ReturnType<Rig['openSession']>>
  let phone: Awaited<ReturnType<Rig['openSession']>>
  let browser: Browser
  beforeEach(async () => {
    laptop = await rig.openSession({ device: 'Firefox on Windows' })
    phone = await rig.openSession({ device: 'Safari on iPhone' })
    browser = browserAt(rig, { cookies: laptop.cookieHeader })
  })
  const askAbout = async (label: string) => browser.press(await browser.get('/account'), label)
  const confirm = async (filled: Record<string, string> = {}) =>
    browser.submit(await askAbout('Lost, stolen or not me'), filled)

  test('says before and after it who reads it: the administrators of the tenant, or the operator where it has none', async () => {
    const user = { tid: OTHER_TENANT, oid: '00000000-0000-4000-8000-0000000000d1', name: 'Uma' }
    const { cookieHeader } = await rig.openSession({ user, device: 'Firefox on Windows' })
    browser = browserAt(rig, { cookies: cookieHeader })
    const devices = ['Safari on iPhone', 'Safari on iPad']
    for (const device of devices) await rig.openSession({ user, device })
    const titles = async () => {
      const asked = await askAbout('Lost, stolen or not me')
      expect(asked.text).toContain('reads your report.')
      return [asked.title, (await browser.submit(asked)).title]
    }
    expect(await titles()).toEqual([
      'Report this to the operator of Case Manager?',
      'We told the operator of Case Manager',
    ])
    await rig.store.changeTenant({ tid: OTHER_TENANT, change: { administrators: 'app_role' } })
    expect(await titles()).toEqual([
      'Report this to your IT administrator?',
      'We told your IT administrator',
    ])
  })

  test('ends that session at once, tells the operators by audit log, metric and log line, and says what else to do', async () => {
    const asked = await askAbout('Lost, stolen or not me')
    expect(asked.text).toContain('Safari on iPhone')
    expect(await state(phone)).toBe('live')
    const done = await browser.submit(asked)
    expect(done.path).toBe('/account/reported')
    expect(done.link('If you use a password at Microsoft, change it.')).toBe('https://aka.ms/sspr')
    expect(done.text).not.toContain('This device is signed out too.')
    expect([await state(laptop), await state(phone)]).toEqual(['live', 'ended'])
    expect(await rig.store.listRevocations({ limit: 5 })).toMatchObject([
      {
        reason: 'reported_by_user',
        selector: { kind: 'session', sid: phone.session.sid },
        actor: { kind: 'user', id: laptop.session.sub },
      },
    ])
    expect(await rig.store.listAudit({ limit: 1 })).toMatchObject([
      {
        act: 'user.report',
        via: 'account',
        target: `subject ${laptop.session.sub}`,
        ended: { outcome: 'done', result: { sid: phone.session.sid } },
      },
    ])
    expect(await rig.metrics.registry.metrics()).toContain('broker_user_reports_total 1')
    expect(rig.lines.join('\n')).toContain('"reported_by_user"')
    const ended = async () =>
      / Signed out Safari on iPhone · (You \w+)/.exec(
        (await browser.get('/account/history')).text,
      )?.[1]
    expect(await ended()).toBe('You reported')
    rig.clock.advance(301)
    expect(await ended()).toBe('You were')
    expect((await browser.get('/account/history')).text).toContain('You reported this sign-in')
  })

  test('stays on the list of devices for a week, with the way to the next steps', async () => {
    await confirm()
    const devices = await browser.get('/account')
    expect(devices.text).toMatch(
      /You reported this sign-in Reported: Tuesday 24 November, 09:00 UTC\. Safari on iPhone is signed out of Case Manager\./,
    )
    expect(devices.link('What to do now')).toMatch(/\/account\/reported$/)
    rig.clock.advance(7 * 86_400)
    const { cookieHeader } = await rig.openSession()
    const later = await browserAt(rig, { cookies: cookieHeader }).get('/account')
    expect(later.text).not.toContain('You reported')
  })

  test('ends the acting session too where its user did not enter the password in the last five minutes: an attacker gains nothing', async () => {
    rig.clock.advance(301)
    expect((await askAbout('Lost, stolen or not me')).text).toContain('you are signed out here too')
    const done = await confirm({ everywhere: 'yes', microsoft: 'yes' })
    expect(done.path).toBe('/account/reported')
    expect(done.text).toContain('This device is signed out too.')
    expect([await state(laptop), await state(phone)]).toEqual(['ended', 'ended'])
    expect(
      (await rig.store.listRevocations({ limit: 5 })).map(({ selector, reason }) => [
        selector.kind,
        reason,
      ]),
    ).toEqual([
      ['session', 'reported_by_user'],
      ['session', 'reported_by_user'],
    ])
    expect(browser.cookies.has('__Host-cmb_session')).toBe(false)
  })

  test('with a fresh sign-in, ends every session where the user wants it; and at Microsoft only where that is configured', async () => {
    const tablet = await rig.openSession({ device: 'Safari on iPad' })
    const asked = await askAbout('Lost, stolen or not me')
    expect(asked.text).not.toContain('Microsoft 365')
    await browser.submit(asked, { everywhere: 'yes', microsoft: 'yes' })
    expect([await state(laptop), await state(phone), await state(tablet)]).toEqual([
      'ended',
      'ended',
      'ended',
    ])
    const { tid, oid } = laptop.session.user
    expect(await rig.store.hasPendingMicrosoftWork({ kind: 'revoke_reported', tid, oid })).toBe(
      false,
    )
  })

  test('offers Microsoft’s own sign-out where it is configured for the tenant', async () => {
    rig.config.signals.revokeAtMicrosoft = [TENANT]
    const asked = await askAbout('Lost, stolen or not me')
    expect(asked.text).toContain('Sign out of Microsoft 365 on every device')
    await browser.submit(asked, { microsoft: 'yes' })
    const { tid, oid } = laptop.session.user
    expect(await rig.store.hasPendingMicrosoftWork({ kind: 'revoke_reported', tid, oid })).toBe(
      true,
    )
    expect([await state(laptop), await state(phone)]).toEqual(['live', 'ended'])
  })

  test('on an entry of the history: a rejected sign-in is reported; the acting session ends, so that each new sign-in needs the password', async () => {
    const { user } = laptop.session
    rig.clock.advance(1)
    await rig.store.recordRejectedSignIn({
      user,
      why: 'mfa_not_proved',
      reference: 'BCDF-GHJK',
      device: 'Opera on Windows',
      now: rig.clock.now(),
    })
    const history = await browser.get('/account/history')
    const asked = await browser.press(history, 'This wasn’t me')
    expect(asked.text).toContain('Opera on Windows')
    expect(asked.text).toContain('you are signed out here')
    expect((await browser.submit(asked)).path).toBe('/account/reported')
    expect([await state(laptop), await state(phone)]).toEqual(['ended', 'live'])
    expect(await rig.metrics.registry.metrics()).toContain('broker_user_reports_total 1')
  })

  test('another user’s session and entry are unknown', async () => {
    const bob = await rig.openSession({
      user: { oid: '00000000-0000-4000-8000-000000000b0b' },
      device: 'Chrome on Linux',
    })
    const [entry] = await rig.store.securityHistory({ sub: bob.session.sub, limit: 1 })
    for (const address of [
      `session=${bob.session.sid}`,
      `entry=${entry?.at}.${entry?.id}`,
      'entry=x',
      '',
    ])
      expect((await browser.get(`/account/report?${address}`)).path).toBe('/account/history')
    const freshSince = rig.clock.now() - 300
    const { sub, sid } = laptop.session
    const input = {
      sub,
      acting: sid,
      everywhere: true,
      atMicrosoft: true,
      freshSince,
      now: rig.clock.now(),
    }
    expect(await rig.store.reportByUser({ ...input, what: { sid: bob.session.sid } })).toEqual({
      outcome: 'unknown',
    })
    expect(
      await rig.store.reportByUser({
        ...input,
        what: { event: { at: entry?.at ?? 0, id: entry?.id ?? '' } },
      }),
    ).toEqual({ outcome: 'unknown' })
    expect([await state(bob), await state(laptop)]).toEqual(['live', 'live'])
  })

  test('a form from another page, and a forged form, change nothing', async () => {
    const asked = await askAbout('Lost, stolen or not me')
    const [form] = asked.forms
    for (const [fields, headers] of [
      [{ csrf: '' }, {}],
      [{ csrf: 'A'.repeat(43) }, {}],
      [{ session: laptop.session.sid }, {}],
      [{}, { 'sec-fetch-site': 'cross-site' }],
    ] as const)
      expect(
        (await browser.post('/account/report', { ...form?.fields, ...fields }, { headers })).status,
      ).toBe(403)
    expect([await state(laptop), await state(phone)]).toEqual(['live', 'live'])
  })

  test('a store that cannot commit: nothing is changed, and the user reads so', async () => {
    const asked = await askAbout('Lost, stolen or not me')
    rig.store.reportByUser = () => Promise.reject(new StoreUnavailable('disk full'))
    const failed = await browser.submit(asked)
    expect([failed.status, failed.title]).toEqual([503, 'Nothing was changed'])
    expect(await state(phone)).toBe('live')
  })
})
