import { beforeEach, describe, expect, test } from 'vitest'
import { StoreUnavailable } from '../../db/types.ts'
import { sha256 } from '../../src/runtime/compare.ts'
import { type Browser, browserAt } from '../browser.ts'
import { ROLE } from '../../src/protocol/names.ts'
import { createRig, ISSUER, OTHER_TENANT, type RegisteredClient, type Rig, TENANT } from '../rig.ts'

let rig: Rig
let sydney: RegisteredClient
let laptop: Awaited<ReturnType<Rig['openSession']>>
let phone: Awaited<ReturnType<Rig['openSession']>>
let bob: Awaited<ReturnType<Rig['openSession']>>
let browser: Browser

beforeEach(async () => {
  rig = await createRig()
  sydney = await rig.register('Sydney')
  laptop = await rig.openSession({ device: 'Firefox on Windows' })
  phone = await rig.openSession({ device: 'Safari on iPhone' })
  bob = await rig.openSession({
    user: { oid: '00000000-0000-4000-8000-000000000b0b', name: 'Bob Brown' },
    device: 'Chrome on Linux',
  })
  const { form } = await rig.issueCode(laptop.session.sid, sydney)
  await rig.store.redeemAuthorizationCode({
    codeHash: sha256(form.code),
    clientId: sydney.clientId,
    redirectUri: form.redirect_uri,
    verifier: form.code_verifier,
    familyId: rig.deps.random(16).toString('base64url'),
    now: rig.clock.now(),
  })
  browser = browserAt(rig, { cookies: laptop.cookieHeader })
})

const state = async (device: typeof laptop) =>
  (await rig.store.statusBySid(device.session.sid, rig.clock.now())).state
const formOf = (shown: { forms: { fields: Record<string, string> }[] }, sid: string) =>
  shown.forms.findIndex((form) => form.fields.sid === sid)

describe('the list of devices at /account', () => {
  test('lists a user’s own devices with instance, since and last used, this one first, and no other user’s', async () => {
    rig.clock.advance(3 * 3600)
    const shown = await browser.get('/account')
    expect(shown.status).toBe(200)
    expect(shown.text).toMatch(
      /Firefox on Windows This device Case Manager Sydney Last used 3 hours ago Signed in Tuesday 24 November, 09:00 UTC .*Safari on iPhone/,
    )
    expect(shown.link('Case Manager Sydney')).toBe('https://sydney.case-manager.example/')
    expect(shown.text).not.toContain('Chrome on Linux')
    expect(shown.html).not.toContain(bob.session.sid)
  })

  test('learns from /account/live whether its session is live, which does not prolong it', async () => {
    const live = async (cookie: string) => {
      const { status, headers } = await rig.app.request('/account/live', { headers: { cookie } })
      expect(headers.get('cache-control')).toBe('no-store')
      return status
    }
    const before = await rig.store.statusBySid(laptop.session.sid, rig.clock.now())
    rig.clock.advance(3600)
    expect(await live(laptop.cookieHeader)).toBe(204)
    expect(await rig.store.statusBySid(laptop.session.sid, rig.clock.now())).toEqual(before)
    await rig.store.revoke({
      selector: { kind: 'session', sid: laptop.session.sid },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'olga' },
      now: rig.clock.now(),
    })
    expect(await live(laptop.cookieHeader)).toBe(403)
    expect(await live('')).toBe(403)
    rig.clock.advance(8 * 3600)
    expect(await live(phone.cookieHeader)).toBe(403)
  })

  test('leads the administrator of a tenant to its console, and no other user', async () => {
    await rig.store.changeTenant({ tid: OTHER_TENANT, change: { administrators: 'app_role' } })
    const accountOf = async (tid: string, roles: string[]) => {
      const { cookieHeader } = await rig.openSession({
        user: { tid, oid: '00000000-0000-4000-8000-0000000000c1' },
        roles,
      })
      return browserAt(rig, { cookies: cookieHeader }).get('/account')
    }
    const administrator = await accountOf(OTHER_TENANT, [ROLE.tenantAdministrator])
    expect(administrator.link('Administer your organization’s users')).toBe(`${ISSUER}/tenant`)
    for (const [tid, role] of [
      [OTHER_TENANT, ROLE.administrator],
      [TENANT, ROLE.tenantAdministrator],
    ] as const)
      expect([tid, (await accountOf(tid, [role])).links.includes('/tenant')]).toEqual([tid, false])
  })

  test('without a session goes to sign in and comes back', async () => {
    const shown = await browserAt(rig).get('/account')
    expect([shown.status, shown.path]).toEqual([200, '/signin/start?return_to=/account'])
  })

  test('signs out another device and stays here', async () => {
    const page = await browser.get('/account')
    const after = await browser.submit(page, {}, formOf(page, phone.session.sid))
    expect(after.text).toContain('Signed out: Safari on iPhone')
    // The result is the first thing that a screen reader reads.
    expect(after.html).toContain(
      '<title>Signed out: Safari on iPhone · Where you are signed in · Case Manager</title>',
    )
    expect(after.html).toMatch(
      /<div class="notice good" role="status" tabindex="-1" autofocus=""><strong>Signed out: Safari on iPhone/,
    )
    expect([await state(laptop), await state(phone)]).toEqual(['live', 'ended'])
    expect((await rig.store.listRevocations({ limit: 1 }))[0]).toMatchObject({
      reason: 'signed_out_remotely',
      actor: { kind: 'user', id: laptop.session.sub },
    })
  })

  test('the same form sent twice changes nothing more', async () => {
    const page = await browser.get('/account')
    await browser.submit(page, {}, formOf(page, phone.session.sid))
    const again = await browser.submit(page, {}, formOf(page, phone.session.sid))
    expect(again.title).toBe('Where you are signed in')
    expect(await rig.store.listRevocations({ limit: 10 })).toHaveLength(1)
  })

  test('signs out this device: its cookie goes, and the next sign-in chooses the account', async () => {
    const page = await browser.get('/account')
    const asked = await browser.press(page, 'Sign out')
    const after = await browser.submit(asked, {}, 'Sign out')
    expect(after.title).toBe('You are signed out on this device')
    expect([await state(laptop), await state(phone)]).toEqual(['ended', 'live'])
    expect(browser.cookies.has('__Host-cmb_session')).toBe(false)
    expect(browser.cookies.get('__Host-cmb_choose')).toBe('1')
  })

  test('signs out everywhere, after a question in which it is chosen', async () => {
    const page = await browser.press(await browser.get('/account'), 'Sign out everywhere')
    expect([page.title, await state(laptop)]).toEqual(['Sign out?', 'live'])
    expect(page.text).toContain('On this device and on one other.')
    expect(page.text).toContain('Sign out of Microsoft 365 too')
    expect(page.link('Stay signed in')).toMatch(/\/account$/)
    const after = await browser.submit(page, {}, 'Sign out')
    expect(after.title).toBe('You are signed out of Case Manager everywhere')
    expect([await state(laptop), await state(phone), await state(bob)]).toEqual([
      'ended',
      'ended',
      'live',
    ])
  })

  test('another user’s session id does nothing', async () => {
    const page = await browser.get('/account')
    const after = await browser.submit(
      page,
      { sid: bob.session.sid },
      formOf(page, phone.session.sid),
    )
    expect(after.title).toBe('Where you are signed in')
    expect(await state(bob)).toBe('live')
    expect(await rig.store.listRevocations({ limit: 10 })).toHaveLength(0)
  })

  test.each([
    ['without its token', { csrf: '' }, {}],
    ['with a token made up', { csrf: 'A'.repeat(43) }, {}],
    ['from another site', {}, { 'sec-fetch-site': 'cross-site' }],
    ['with another origin', {}, { origin: 'https://evil.example' }],
  ])('a form %s is rejected and changes nothing', async (_, fields, headers) => {
    const page = await browser.get('/account')
    const form = page.forms.at(-1)
    const rejected = await browser.post(
      form?.action ?? '',
      { ...form?.fields, ...fields },
      { headers },
    )
    expect(rejected.status).toBe(403)
    expect(await state(laptop)).toBe('live')
  })

  test('a store that cannot commit: still signed in, and the page says so', async () => {
    const page = await browser.get('/account')
    rig.store.revoke = () => Promise.reject(new StoreUnavailable('disk full'))
    const failed = await browser.submit(page, {}, formOf(page, phone.session.sid))
    expect(failed.status).toBe(503)
    expect(failed.title).toBe('You are still signed in')
    expect(browser.cookies.has('__Host-cmb_session')).toBe(true)
  })

  test('names of devices and users are escaped', async () => {
    const hostile = '"><script>alert(1)</script>'
    const mallory = await rig.openSession({
      user: { oid: '00000000-0000-4000-8000-0000000000e1', name: hostile },
      device: hostile,
    })
    const shown = await browserAt(rig, { cookies: mallory.cookieHeader }).get('/account')
    expect(shown.html).not.toContain('<script>alert')
  })
})

describe('the page that checks whether a user is ready', () => {
  test('without a session explains and offers to sign in, and says nothing about any user', async () => {
    await rig.register('Melbourne', { appRole: 'CaseManager.Melbourne' })
    const shown = await browserAt(rig).get('/account/ready')
    expect(shown.status).toBe(200)
    expect(shown.html).toContain('href="/signin/start?return_to=/account/ready"')
    expect(shown.text).toContain('Sign in with Microsoft')
    for (const word of ['Sydney', 'Melbourne', 'contoso', 'Alice'])
      expect(shown.text).not.toContain(word)
  })

  test('before Microsoft is connected says that sign-in is not available, and not what is missing', async () => {
    rig.microsoft.connected = false
    const shown = await browserAt(rig).get('/account/ready')
    expect(shown.text).toContain('Sign-in is not available yet')
    expect(shown.html).not.toContain('BROKER_')
    expect(shown.html).not.toContain('/signin/start')
  })

  test('answers three times yes to a user who is ready', async () => {
    const shown = await browser.get('/account/ready')
    expect(shown.text).toContain('You are ready to use Case Manager.')
    expect(shown.text.match(/Yes\./g)).toHaveLength(3)
    expect(shown.text).toContain('Case Manager Sydney')
  })

  test('names the instances of the user’s own organization only, and the role that an instance requires', async () => {
    await rig.register('Melbourne', { appRole: 'CaseManager.Melbourne' })
    await rig.register('Perth', { tenants: [OTHER_TENANT] })
    const shown = await browser.get('/account/ready')
    expect(shown.text).toContain('Not open to you: Case Manager Melbourne.')
    expect(shown.text).toContain('CaseManager.Melbourne')
    expect(shown.text).not.toContain('Perth')
  })

  test('with no instance open to them says no, and what to ask for', async () => {
    await rig.register('Sydney', { appRole: 'CaseManager.Sydney' })
    const shown = await browser.get('/account/ready')
    expect(shown.text).toMatch(/Is your account connected to Case Manager\? No\./)
    expect(shown.text).toContain('ask your IT administrator to assign you')
  })

  test('where the tenant’s administrator asserts that MFA is required, says so and claims no more', async () => {
    const bare = await rig.openSession({
      acr: undefined,
      user: { oid: '00000000-0000-4000-8000-00000000ba4e' },
    })
    const shown = await browserAt(rig, { cookies: bare.cookieHeader }).get('/account/ready')
    expect(shown.text).toMatch(/two-step verification \(authenticator app\)\? Yes\./)
    expect(shown.text).toContain('Your organization requires two-step verification')
  })
})
