import { beforeEach, describe, expect, test } from 'vitest'
import { StoreUnavailable } from '../../db/types.ts'
import { sha256 } from '../../src/runtime/compare.ts'
import { sealForSession } from '../../src/session/sealed.ts'
import { type Browser, browserAt } from '../browser.ts'
import { createRig, ISSUER, type RegisteredClient, type Rig, TENANT } from '../rig.ts'

let rig: Rig
let sydney: RegisteredClient
let melbourne: RegisteredClient
let laptop: Awaited<ReturnType<Rig['openSession']>>
let browser: Browser
const RETURN = 'https://sydney.case-manager.example/signed-out'
const LEAVE = `/logout?${new URLSearchParams({ client_id: 'sydney', post_logout_redirect_uri: RETURN, state: 's' })}`

beforeEach(async () => {
  rig = await createRig()
  sydney = await rig.register('Sydney')
  melbourne = await rig.register('Melbourne')
  laptop = await rig.openSession({
    device: 'Firefox on Windows',
    loginHintSealed: sealForSession(
      rig.deps.sealer,
      'login_hint',
      rig.microsoft.user,
      'O.alice-hint',
    ),
  })
  await takePart(laptop.session.sid, sydney, melbourne)
  browser = browserAt(rig, { cookies: laptop.cookieHeader })
})

async function takePart(sid: string, ...clients: RegisteredClient[]): Promise<void> {
  for (const client of clients) {
    const { form } = await rig.issueCode(sid, client)
    const redeemed = await rig.store.redeemAuthorizationCode({
      codeHash: sha256(form.code),
      clientId: client.clientId,
      redirectUri: form.redirect_uri,
      verifier: form.code_verifier,
      familyId: Buffer.from(rig.deps.random(16)).toString('base64url'),
      now: rig.clock.now(),
    })
    expect(redeemed.outcome).toBe('redeemed')
  }
}
function idToken() {
  const { sid, sub } = laptop.session
  const now = rig.clock.now()
  return rig.keys.sign('RS256', 'JWT', {
    iss: ISSUER,
    sub,
    aud: 'sydney',
    sid,
    iat: now,
    exp: now + 300,
  })
}
const state = async (sid: string) => (await rig.store.statusBySid(sid, rig.clock.now())).state
const log = () => rig.store.listRevocations({ limit: 10 })

describe('signing out on this device', () => {
  test('ends this session and no other, tells every instance that took part, and clears the cookie', async () => {
    const phone = await rig.openSession({ device: 'Safari on iPhone' })
    const done = await browser.submit(await browser.get('/logout'), { scope: 'device' })
    expect(done.title).toBe('You are signed out on this device')
    expect(done.text).toContain('Case Manager Sydney')
    expect(done.text).toContain('Case Manager Melbourne')
    expect(await state(laptop.session.sid)).toBe('ended')
    expect(await state(phone.session.sid)).toBe('live')
    expect((await log())[0]).toMatchObject({
      selector: { kind: 'session', sid: laptop.session.sid },
      reason: 'signed_out',
      actor: { kind: 'user', id: laptop.session.sub },
    })
    expect(rig.queue.added).toHaveLength(2)
    expect(browser.cookies.has('__Host-cmb_session')).toBe(false)
    expect(browser.cookies.get('__Host-cmb_choose')).toBe('1')
  })

  async function deliverAll(): Promise<void> {
    for (const { id } of await rig.store.listDeliveries({ limit: 10 })) {
      const attempt = {
        attempt: 1,
        atMs: rig.clock.nowMs(),
        outcome: 'delivered',
        latencyMs: 1,
        status: 200,
      } as const
      await rig.store.leaseDelivery({
        id,
        attempt: 1,
        nowMs: rig.clock.nowMs(),
        untilMs: rig.clock.nowMs() + 10_000,
      })
      await rig.store.recordDelivery({ id, result: { outcome: 'delivered', attempt } })
    }
  }

  test('the page follows the deliveries', async () => {
    const done = await browser.submit(await browser.get('/logout'), { scope: 'device' })
    expect(done.text).toContain('Case Manager Sydney Being confirmed…')
    expect(done.html).toContain('<script data-seconds="65">')
    await deliverAll()
    const later = await browser.get(done.path)
    for (const city of ['Sydney', 'Melbourne'])
      expect(later.text).toContain(`Case Manager ${city} Session ended`)
    // Its tokens go on until they expire, because no guard judges them.
    expect(later.text).not.toContain('have confirmed that you are signed out.')
    rig.clock.advance(360)
    const last = await browser.get(done.path)
    for (const city of ['Sydney', 'Melbourne'])
      expect(last.text).toContain(`Case Manager ${city} Signed out`)
    expect(last.text).toContain('All 2 apps have confirmed that you are signed out.')
    expect(last.html).not.toContain('data-seconds')
  })

  test('access at an app whose guard is silent ends when its lease is over, and the page says that its own pages may be open', async () => {
    const { leases } = rig.feed
    const stream = leases.name('stream', 'melbourne')
    await leases.open({ stream, clientId: 'melbourne', guardId: 'web-1' })
    const minute = Math.ceil((rig.clock.nowMs() + 30_000) / 60_000)
    const until = new Date(minute * 60_000).toISOString().slice(11, 16)
    const done = await browser.submit(await browser.get('/logout'), { scope: 'device' })
    rig.clock.advance(3)
    const later = await browser.get(done.path)
    expect(later.text).toContain(
      'Case Manager Melbourne has not confirmed your sign-out. Access from your former session ends there no later than ',
    )
    expect(later.text).toContain(`${until} UTC`)
    expect(later.text).toContain('Case Manager Sydney Not confirmed yet')
    rig.clock.advance(27)
    const last = await browser.get(done.path)
    expect(last.text).toContain('Case Manager Melbourne Access ended')
    expect(last.text).toContain(
      'Its own pages may still be open until the app ends its own session.',
    )
    expect(last.text).not.toContain('Melbourne has not confirmed')
    await deliverAll()
    rig.clock.advance(330)
    const all = await browser.get(done.path)
    expect(all.text).toContain('Case Manager Sydney Signed out')
    expect(all.text).toContain('All 2 apps have confirmed that you are signed out.')
  })
})

describe('signing out everywhere', () => {
  test('ends every session of the user by one cutoff, and no other user’s', async () => {
    const phone = await rig.openSession({ device: 'Safari on iPhone' })
    const bob = await rig.openSession({
      user: { oid: '00000000-0000-4000-8000-000000000b0b', name: 'Bob' },
    })
    const asked = await browser.get('/logout')
    expect(asked.text).toContain(
      'On this device and on one other. In each browser, your next sign-in starts with your password',
    )
    const done = await browser.submit(asked, { scope: 'everywhere' })
    expect(done.title).toBe('You are signed out of Case Manager everywhere')
    expect(await state(laptop.session.sid)).toBe('ended')
    expect(await state(phone.session.sid)).toBe('ended')
    expect(await state(bob.session.sid)).toBe('live')
    expect((await log())[0]).toMatchObject({
      selector: { kind: 'subject', sub: laptop.session.sub },
      reason: 'signed_out_everywhere',
    })
  })

  test('a form that is sent again after a new sign-in ends nothing', async () => {
    const asked = await browser.get('/logout')
    await browser.submit(asked, { scope: 'everywhere' })
    const anew = await rig.openSession()
    const replayed = await browser.submit(asked, { scope: 'everywhere' })
    expect(replayed.status).toBe(200)
    expect(await state(anew.session.sid)).toBe('live')
    expect(await log()).toHaveLength(1)
    expect(replayed.text).toContain('You are still signed in on another device')
  })
})

describe('with Microsoft 365 too', () => {
  test('goes on to Microsoft by itself with its own hint, comes back to a page that confirms both, and leads to the registered address', async () => {
    const leaving = await browser.submit(await browser.get(LEAVE), {
      scope: 'device',
      microsoft: 'yes',
    })
    expect(await state(laptop.session.sid)).toBe('ended')
    expect(leaving.title).toBe('Signing out of Microsoft 365…')
    const onward = leaving.link('Sign out of Microsoft 365')
    expect(leaving.html).toContain(
      `<meta http-equiv="refresh" content="0; url=${onward.slice(ISSUER.length)}"/>`,
    )
    const gone = await browser.get(onward)
    expect(gone.headers.get('referrer-policy')).toBe('no-referrer')
    const url = new URL(gone.location ?? '')
    expect(url.pathname).toBe(`/${TENANT}/oauth2/v2.0/logout`)
    expect(url.searchParams.get('logout_hint')).toBe('O.alice-hint')
    expect(url.searchParams.get('post_logout_redirect_uri')).toBe(`${ISSUER}/logout/return`)
    const back = await browser.get('/logout/return')
    expect(back.title).toBe('You are signed out on this device')
    expect(back.text).toContain('You are signed out of Microsoft 365 in this browser too.')
    expect(back.html).not.toContain('http-equiv="refresh"')
    expect(back.link('Back to Case Manager Sydney')).toBe(`${RETURN}?state=s`)
    const linked = await browser.get('/logout/done')
    expect(linked.title).toBe('You are signed out on this device')
    expect(linked.text).toContain('You are signed out of Microsoft 365 in this browser too.')
    expect((await browser.get('/logout/microsoft')).path).toBe('/logout/done')
  })

  test('the form may lead to the registered address, and nowhere else (CSP form-action)', async () => {
    const asked = await browser.get(LEAVE)
    expect(asked.response.headers.get('content-security-policy')).toContain(
      "form-action 'self' https://sydney.case-manager.example;",
    )
  })

  test('without an address to return to ends at the signed-out page, which says so', async () => {
    const asked = await browser.submit(await browser.get('/logout'), {
      scope: 'everywhere',
      microsoft: 'yes',
    })
    await browser.press(asked, 'Sign out of Microsoft 365')
    const done = await browser.get('/logout/return')
    expect(done.title).toBe('You are signed out of Case Manager everywhere')
    expect(done.text).toContain('You are signed out of Microsoft 365 in this browser too.')
    expect(done.text).toContain('Your next sign-in in each browser starts with your password')
  })

  test('Microsoft cannot be reached: signed out here all the same, and the page says which', async () => {
    rig.microsoft.logoutUrl = () => Promise.reject(new Error('no metadata'))
    const asked = await browser.submit(await browser.get(LEAVE), {
      scope: 'device',
      microsoft: 'yes',
    })
    const done = await browser.press(asked, 'Sign out of Microsoft 365')
    expect(done.title).toBe('You are signed out on this device')
    expect(done.text).toContain('Microsoft could not be reached.')
    expect(done.html).toContain(`href="${RETURN}?state=s"`)
    expect(await state(laptop.session.sid)).toBe('ended')
  })

  test('without it, the signed-out page says that Microsoft may still be open, and has the button', async () => {
    const done = await browser.submit(await browser.get('/logout'), { scope: 'device' })
    expect(done.text).toContain('Microsoft 365 may still be open')
    expect(done.text).not.toContain('close this window')
    const gone = await browser.press(done, 'Sign out of Microsoft 365')
    expect(gone.location).toContain('/oauth2/v2.0/logout?')
    expect((await browser.get('/logout/return')).text).toContain(
      'You are signed out of Microsoft 365 in this browser too. You can close this window.',
    )
  })

  test('an app that was gone back to links to that page: this browser’s latest sign-out, and no other browser’s', async () => {
    const left = await browser.submit(await browser.get(LEAVE), { scope: 'device' })
    expect(left.location).toBe(`${RETURN}?state=s`)
    const done = await browser.get('/logout/done')
    expect(done.text).toContain('Case Manager Melbourne')
    expect(done.link('Sign out of Microsoft 365')).toContain('/logout/microsoft?about=')
    expect((await browserAt(rig).get('/logout/done')).title).toBe('You are not signed in here')
  })

  test('such an app can also link to Microsoft’s sign-out, of no other browser and of none that signed in again', async () => {
    await browser.submit(await browser.get(LEAVE), { scope: 'device' })
    expect((await browser.get('/logout/microsoft')).location).toContain('/oauth2/v2.0/logout?')
    expect((await browserAt(rig).get('/logout/microsoft')).title).toBe('You are not signed in here')
    browser.addCookies((await rig.openSession()).cookieHeader)
    expect((await browser.get('/logout/microsoft')).title).toBe('You are signed in')
  })

  test('everywhere from the list of devices, it is ticked there', async () => {
    const devices = await browser.get('/account')
    expect(devices.text).not.toContain('Lost, stolen or not me')
    expect(devices.text).toContain('No other device is signed in.')
    const asked = await browser.press(devices, 'Sign out everywhere')
    expect(asked.forms[0]?.fields.scope).toBe('everywhere')
    const done = await browser.submit(asked, { microsoft: 'yes' })
    expect((await log())[0]?.reason).toBe('signed_out_everywhere')
    expect(done.title).toBe('Signing out of Microsoft 365…')
  })

  test('Back from a page of Microsoft’s that failed: the step that is left can be taken again', async () => {
    const asked = await browser.submit(await browser.get(LEAVE), {
      scope: 'device',
      microsoft: 'yes',
    })
    await browser.press(asked, 'Sign out of Microsoft 365')
    const again = await browser.press(await browser.get(asked.path), 'Sign out of Microsoft 365')
    expect(again.location).toContain('/oauth2/v2.0/logout')
  })

  test('an address that was made up leads to no page of Microsoft', async () => {
    for (const about of ['', 'made-up']) {
      const shown = await browserAt(rig).get(`/logout/microsoft?about=${about}`)
      expect([shown.status, shown.title]).toEqual([200, 'You are not signed in here'])
    }
  })

  test('the way back is one browser’s and cannot be made up', async () => {
    const shown = await browserAt(rig, { cookies: '__Host-cmb_after_logout=bm90LXNlYWxlZA' }).get(
      '/logout/return',
    )
    expect(shown.location).toBeNull()
    expect(shown.title).toBe('You are not signed in here')
  })
})

describe('an address that the client has lost meanwhile', () => {
  const lost = () => rig.register('Sydney', { postLogoutRedirectUris: [] })

  test('is not gone back to: neither after the form, nor from Microsoft, nor by a request that came by POST', async () => {
    const [asked, withMicrosoft] = [await browser.get(LEAVE), await browser.get(LEAVE)]
    const stranger = browserAt(rig)
    const posted = await rig.post('/logout', {
      id_token_hint: idToken(),
      client_id: 'sydney',
      post_logout_redirect_uri: RETURN,
    })
    const left = await browser.submit(withMicrosoft, { scope: 'device', microsoft: 'yes' })
    await browser.press(left, 'Sign out of Microsoft 365')
    await lost()
    expect((await browser.get('/logout/return')).html).not.toContain(RETURN)
    expect((await browser.submit(asked, { scope: 'device' })).html).not.toContain(RETURN)
    expect((await stranger.get(posted.headers.get('location') ?? '')).html).not.toContain(RETURN)
    expect((await browser.get(left.url)).html).not.toContain(RETURN)
  })
})

describe('the form', () => {
  test('sent twice at once signs out once', async () => {
    const asked = await browser.get(LEAVE)
    const [first, second] = await Promise.all([browser.submit(asked), browser.submit(asked)])
    expect([first?.location, second?.location]).toEqual([`${RETURN}?state=s`, `${RETURN}?state=s`])
    expect(await log()).toHaveLength(1)
  })

  test('of another browser is rejected, and nothing is changed', async () => {
    const asked = await browser.get('/logout')
    const other = browserAt(rig, { cookies: laptop.cookieHeader })
    const rejected = await other.submit(asked)
    expect(rejected.status).toBe(403)
    expect(rejected.text).toContain('Nothing was changed')
    expect(await state(laptop.session.sid)).toBe('live')
    expect(other.cookies.has('__Host-cmb_session')).toBe(true)
  })

  test.each([
    ['from another site', { headers: { 'sec-fetch-site': 'cross-site' } }],
    ['from a neighbouring site', { headers: { 'sec-fetch-site': 'same-site' } }],
    ['with another origin', { headers: { origin: 'https://evil.example' } }],
    ['with the origin null', { headers: { origin: 'null' } }],
  ])('%s is rejected', async (_, options) => {
    const asked = await browser.get('/logout')
    const rejected = await browser.post('/logout/confirm', asked.forms[0]?.fields ?? {}, options)
    expect(rejected.status).toBe(403)
    expect(await state(laptop.session.sid)).toBe('live')
  })

  test('with its request exchanged for that of another page is rejected', async () => {
    const [first, second] = [await browser.get('/logout'), await browser.get(LEAVE)]
    const rejected = await browser.submit(first, { request: second.forms[0]?.fields.request ?? '' })
    expect(rejected.status).toBe(403)
  })

  test('for a session that another user’s has replaced ends neither', async () => {
    const asked = await browser.get('/logout')
    const bob = await rig.openSession({
      user: { oid: '00000000-0000-4000-8000-000000000b0b', name: 'Bob Brown' },
    })
    browser.addCookies(bob.cookieHeader)
    const rejected = await browser.submit(asked)
    expect(rejected.status).toBe(409)
    expect(rejected.text).toContain('Bob Brown')
    expect(await state(bob.session.sid)).toBe('live')
  })

  test.each(['', 'nowhere'])('without a choice (%j) asks again', async (scope) => {
    const rejected = await browser.submit(await browser.get('/logout'), { scope })
    expect(rejected.status).toBe(400)
    expect(await state(laptop.session.sid)).toBe('live')
  })

  test('that is an hour old, or not ours, is rejected', async () => {
    const asked = await browser.get('/logout')
    rig.clock.advance(3601)
    expect((await browser.submit(asked)).status).toBe(400)
    expect((await browser.submit(asked, { request: 'made-up' })).status).toBe(400)
    expect(await state(laptop.session.sid)).toBe('live')
  })

  test('a store that cannot commit: an honest page, still signed in, nothing half done', async () => {
    const asked = await browser.get(LEAVE)
    const revoke = rig.store.revoke.bind(rig.store)
    rig.store.revoke = () => Promise.reject(new StoreUnavailable('disk full'))
    const failed = await browser.submit(asked, { microsoft: 'yes' })
    expect(failed.status).toBe(503)
    expect(failed.title).toBe('You are still signed in')
    expect(failed.location).toBeNull()
    expect(browser.cookies.has('__Host-cmb_session')).toBe(true)
    expect(browser.cookies.has('__Host-cmb_after_logout')).toBe(false)
    expect(await state(laptop.session.sid)).toBe('live')
    rig.store.revoke = revoke
    expect((await browser.submit(asked)).location).toBe(`${RETURN}?state=s`)
  })
})

describe('the signed-out page comes before the way back where it says what the app cannot know', () => {
  test('signed out everywhere: the page says so, and leads back', async () => {
    const done = await browser.submit(await browser.get(LEAVE), { scope: 'everywhere' })
    expect(done.title).toBe('You are signed out of Case Manager everywhere')
    expect(done.link('Back to Case Manager Sydney')).toBe(`${RETURN}?state=s`)
  })

  test.each([
    ['administrator', 'An administrator signed you out.'],
    ['reported_by_user', 'You were signed out from elsewhere.'],
    ['microsoft_account_disabled', 'Your organization has switched off your account'],
  ] as const)(
    'a session that %s had ended: before the question, and after it',
    async (reason, words) => {
      const [form, hint] = [await browser.get(LEAVE), idToken()]
      const selector = { kind: 'session', sid: laptop.session.sid } as const
      await rig.store.revoke({
        selector,
        reason,
        actor: { kind: 'operator', id: 'olga' },
        now: rig.clock.now(),
      })
      for (const page of [
        await browser.get(`${LEAVE}&id_token_hint=${hint}`),
        await browser.submit(form, { scope: 'device' }),
      ]) {
        expect(page.text).toContain(words)
        expect(page.link('Back to Case Manager Sydney')).toBe(`${RETURN}?state=s`)
      }
    },
  )

  test('an expired session: the browser goes back at once', async () => {
    const hint = idToken()
    rig.clock.advance(9 * 3600)
    expect((await browser.get(`${LEAVE}&id_token_hint=${hint}`)).location).toBe(`${RETURN}?state=s`)
  })
})

describe('a session that had ended before its user signs out', () => {
  test.each([
    ['administrator', 'An administrator signed you out.'],
    ['refresh_token_reuse', 'You were signed out from elsewhere.'],
    ['microsoft_account_disabled', 'Your organization has switched off your account'],
  ] as const)('%s: the result page says so, by its class alone', async (reason, words) => {
    const form = await browser.get('/logout')
    const selector = { kind: 'session', sid: laptop.session.sid } as const
    await rig.store.revoke({
      selector,
      reason,
      actor: { kind: 'operator', id: 'olga' },
      now: rig.clock.now(),
    })
    expect((await browser.get('/logout')).text).toContain(words)
    const late = await browser.submit(form, { scope: 'device' })
    expect(late.title).toBe('You are signed out on this device')
    expect(late.text).toContain(words)
    expect(late.text).not.toMatch(/olga|token/)
  })

  test('of an expired session, it says the same', async () => {
    rig.clock.advance(9 * 3600)
    expect((await browser.get('/logout')).text).toContain('You were signed out automatically')
  })
})

describe('what a GET does', () => {
  test.each(['/logout', LEAVE, '/logout/ask', '/logout/done', '/logout/return', '/logout/confirm'])(
    '%s changes nothing',
    async (path) => {
      await browser.get(path)
      expect(await state(laptop.session.sid)).toBe('live')
      expect(await log()).toHaveLength(0)
    },
  )

  test('the signed-out page does not say so to a user who is signed in', async () => {
    expect((await browser.get('/logout/done')).title).toBe('You are signed in')
  })
})

test('names are escaped wherever they are shown', async () => {
  const hostile = '<img src=x onerror=alert(1)>"\''
  const mallory = await rig.openSession({
    user: { oid: '00000000-0000-4000-8000-0000000000e1', name: hostile, username: hostile },
    device: hostile,
  })
  const shown = await browserAt(rig, { cookies: mallory.cookieHeader }).get('/logout')
  expect(shown.html).not.toContain('<img')
  expect(shown.text).toContain('onerror=alert(1)')
})
