import { beforeEach, describe, expect, test } from 'vitest'
import { StoreUnavailable } from '../../db/types.ts'
import { type Browser, browserAt } from '../browser.ts'
import { createRig, ISSUER, type RegisteredClient, type Rig } from '../rig.ts'
import { linkOf } from '../signin/browser.ts'

/**
 * "Your apps": a user sees where they are signed in to each app, and signs out of one of them.
 */

let rig: Rig
let sydney: RegisteredClient
let melbourne: RegisteredClient
let laptop: Awaited<ReturnType<Rig['openSession']>>
let phone: typeof laptop
let browser: Browser

beforeEach(async () => {
  rig = await createRig()
  sydney = await rig.register('Sydney')
  melbourne = await rig.register('Melbourne')
  laptop = await rig.openSession({ device: 'Firefox on Windows' })
  phone = await rig.openSession({ device: 'Safari on iPhone' })
  browser = browserAt(rig, { cookies: laptop.cookieHeader })
})

const formOf = (page: { forms: { fields: Record<string, string> }[] }, clientId: string) =>
  page.forms.findIndex(({ fields }) => fields.client === clientId)
const isGood = async (token: string) =>
  (await rig.app.request('/userinfo', { headers: { authorization: `Bearer ${token}` } })).status ===
  200

describe('your apps', () => {
  test('lists each app once, with the devices, since when, and what the user agreed to', async () => {
    for (const { session } of [laptop, phone]) await rig.signInAt(session.sid, sydney)
    await rig.store.recordConsent({
      sub: laptop.session.sub,
      clientId: 'melbourne',
      scope: 'openid email',
      now: rig.clock.now(),
    })
    const { text, html } = await browser.get('/')
    expect(text).toMatch(
      /Case Manager Melbourne melbourne\.case-manager\.example Agreed on Tuesday 24 November.* It may .*See your email address/,
    )
    expect(text).toMatch(
      /Case Manager Sydney sydney\.case-manager\.example Signed in on 2 devices since Tuesday 24 November/,
    )
    expect(html).toContain('<a href="https://sydney.case-manager.example/">Case Manager Sydney</a>')
  })

  test('opens an app where it begins a sign-in, since its home would tell a browser that was signed out only so', async () => {
    await rig.register('Perth', {
      initiateLoginUri: 'https://perth.case-manager.example/sign-in',
    })
    const { html } = await browser.get('/')
    const opens = `https://perth.case-manager.example/sign-in?iss=${encodeURIComponent(ISSUER)}`
    expect(html).toContain(`<a href="${opens}">Case Manager Perth</a>`)
  })

  test('ending one app revokes its grants on every device and the consent; other apps and the user’s own sessions stay', async () => {
    const here = await rig.signInAt(laptop.session.sid, sydney)
    const there = await rig.signInAt(phone.session.sid, sydney)
    const other = await rig.signInAt(phone.session.sid, melbourne)
    const { sub } = laptop.session
    await rig.store.recordConsent({
      sub,
      clientId: 'sydney',
      scope: 'openid',
      now: rig.clock.now(),
    })
    const page = await browser.get('/')
    const after = await browser.submit(page, {}, formOf(page, 'sydney'))
    expect(after.text).toContain('You are signed out of Case Manager Sydney')
    expect(formOf(after, 'sydney')).toBe(-1)
    expect(
      await Promise.all([here, there, other].map(({ access_token }) => isGood(access_token))),
    ).toEqual([false, false, true])
    expect(await rig.store.hasConsent({ sub, clientId: 'sydney', scope: 'openid' })).toBe(false)
    expect((await rig.store.liveSessionsOf(sub, rig.clock.now())).length).toBe(2)
    // The open page of each device says whether the user signed out there or from elsewhere.
    const actor = { kind: 'user', id: sub }
    const logged = (await rig.store.listRevocations({ limit: 5 })).map((revocation) => ({
      ...revocation.selector,
      reason: revocation.reason,
      actor: revocation.actor,
    }))
    const of = (sid: string, reason: string) => ({
      kind: 'grant',
      sid,
      clientId: 'sydney',
      reason,
      actor,
    })
    expect(logged).toHaveLength(2)
    expect(logged).toEqual(
      expect.arrayContaining([
        of(laptop.session.sid, 'signed_out'),
        of(phone.session.sid, 'signed_out_remotely'),
      ]),
    )
  })

  test('from a phone, the history of each device says that another one was used, and the hint speaks of no computer', async () => {
    const there = await rig.signInAt(laptop.session.sid, sydney)
    const onPhone = browserAt(rig, { cookies: phone.cookieHeader })
    await rig.signInAt(phone.session.sid, sydney)
    const page = await onPhone.get('/')
    const after = await onPhone.submit(page, {}, formOf(page, 'sydney'))
    expect(after.text).toContain(
      'the app opens again without asking. If a device is lost, or others',
    )
    expect(linkOf(after.html, 'Where you are signed in')).toBe(`${ISSUER}/account`)
    const devices = await onPhone.get('/account')
    expect(devices.text).not.toContain('Case Manager Sydney')
    expect(devices.text).toContain('Signed in to no app')
    expect(await isGood(there.access_token)).toBe(false)
    for (const reader of [onPhone, browser]) {
      const { text } = await reader.get('/account/history')
      expect(text).toMatch(
        /Signed out of one app (?:This device )?Firefox on Windows · You used another device to sign out\./,
      )
    }
  })

  test('ending an app that the user agreed to takes the code that it has not redeemed yet, on every device', async () => {
    const { sub } = laptop.session
    await rig.store.recordConsent({
      sub,
      clientId: 'sydney',
      scope: 'openid',
      now: rig.clock.now(),
    })
    const redemption = async (at: typeof phone, client: RegisteredClient) => {
      const { form } = await rig.issueCode(at.session.sid, client)
      return async () => (await rig.post('/token', form, { authorization: client.basic })).status
    }
    const codes = [
      await redemption(laptop, sydney),
      await redemption(phone, sydney),
      await redemption(phone, melbourne),
    ]
    const page = await browser.get('/')
    await browser.submit(page, {}, formOf(page, 'sydney'))
    expect(await Promise.all(codes.map((redeem) => redeem()))).toEqual([400, 400, 200])
  })

  test('a forged form, a form of another page, and a form for an app that the user does not have change nothing', async () => {
    const { access_token } = await rig.signInAt(laptop.session.sid, sydney)
    const page = await browser.get('/')
    expect((await browser.submit(page, { csrf: 'made-up' }, formOf(page, 'sydney'))).status).toBe(
      403,
    )
    const devices = await browser.get('/account')
    const { csrf } = devices.forms[0]?.fields ?? {}
    expect((await browser.submit(page, { csrf: csrf ?? '' }, formOf(page, 'sydney'))).status).toBe(
      403,
    )
    expect((await browser.submit(page, { client: 'melbourne' }, formOf(page, 'sydney'))).path).toBe(
      '/',
    )
    expect(await isGood(access_token)).toBe(true)
    expect(await rig.store.listRevocations({ limit: 5 })).toEqual([])
  })

  test('another user’s grants are not shown, and without a session the user signs in first', async () => {
    const bob = await rig.openSession({
      user: { oid: '00000000-0000-4000-8000-000000000b0b', name: 'Bob Brown' },
    })
    await rig.signInAt(bob.session.sid, sydney)
    expect((await browser.get('/')).text).not.toContain('Signed in on')
    expect((await browserAt(rig).post('/', {})).path).toBe('/signin/start?return_to=/')
  })

  test('a store that cannot commit: the user reads that nothing was changed', async () => {
    await rig.signInAt(laptop.session.sid, sydney)
    const page = await browser.get('/')
    rig.store.withdrawConsent = () => Promise.reject(new StoreUnavailable('full'))
    const after = await browser.submit(page, {}, formOf(page, 'sydney'))
    expect([after.status, after.title]).toEqual([503, 'Nothing was changed'])
  })
})
