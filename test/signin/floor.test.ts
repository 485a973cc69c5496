import { describe, expect, test } from 'vitest'
import { sha256 } from '../../src/runtime/compare.ts'
import type { MicrosoftIdentity } from '../../src/microsoft/interface.ts'
import { SESSION_COOKIE } from '../../src/session/cookie.ts'
import type { Browser, Page } from '../browser.ts'
import { createRig, type Rig } from '../rig.ts'
import { atMicrosoft, authorizePath, createBrowser, location, delivered } from './browser.ts'

/**
 * A Microsoft that remembers, in each browser, when the password was entered, and asks for it only
 * where `prompt=login` was sent. The thief has the phone and no password.
 */
class Device {
  browser: Browser
  readonly #rig: Rig
  #enteredAt: number | undefined
  /** The `prompt` of each request to Microsoft, in the order of the latest sign-in's visits. */
  asked: (string | undefined)[] = []
  constructor(rig: Rig) {
    this.#rig = rig
    this.browser = createBrowser(rig)
  }
  deleteOurCookies(): void {
    this.browser = createBrowser(this.#rig)
  }
  get cookieHash(): string {
    return sha256(this.browser.cookies.get(SESSION_COOKIE) ?? '')
  }
  /**
   * Returns the page that this browser gets at the end of all visits. `password`: the user at this
   * browser knows the password.
   */
  async signIn(
    path: string,
    { password = true, says = {} }: { password?: boolean; says?: Partial<MicrosoftIdentity> } = {},
  ): Promise<Page> {
    this.asked = []
    let page = await this.browser.get(path)
    if (page.left?.host !== undefined && page.left.host !== 'login.microsoftonline.com') return page
    let back = await atMicrosoft(this.#rig, this.browser, page)
    for (;;) {
      const { prompt, authContext = 'c1' } =
        this.#rig.microsoft.started.at(-1) ?? expect.unreachable()
      this.asked.push(prompt)
      if (prompt === 'login' || this.#enteredAt === undefined) {
        // Without the password Microsoft's page cannot be answered, so the thief removes
        // prompt=login from the address instead.
        if (password) this.#enteredAt = this.#rig.clock.now()
      }
      this.#rig.microsoft.next = { authTime: this.#enteredAt, acrs: [authContext], ...says }
      page = await this.browser.get(back)
      if (page.left?.host !== 'login.microsoftonline.com') return page
      back = `/signin/callback?${new URLSearchParams({ code: 'c', state: page.left.searchParams.get('state') ?? '' })}`
    }
  }
}

async function stolenPhone() {
  const rig = await createRig()
  const client = await rig.register('Sydney')
  const path = authorizePath(client)
  const [phone, laptop] = [new Device(rig), new Device(rig)]
  await phone.signIn(path)
  rig.clock.advance(3600)
  await laptop.signIn(path)
  const status = await rig.store.statusByCookie(phone.cookieHash, rig.clock.now())
  if (status.state !== 'live') return expect.unreachable()
  const { sid, sub } = status.session
  rig.clock.advance(3600)
  return { rig, client, path, phone, laptop, sid, sub }
}

type Stolen = Awaited<ReturnType<typeof stolenPhone>>
const operator = { kind: 'operator', id: 'u_operator' } as const
const byOperator =
  (selector: (stolen: Stolen) => Parameters<Rig['store']['revoke']>[0]['selector']) =>
  async (stolen: Stolen): Promise<void> => {
    const { outcome } = await stolen.rig.store.revoke({
      selector: selector(stolen),
      reason: 'administrator',
      actor: operator,
      now: stolen.rig.clock.now(),
    })
    expect(outcome).toBe('revoked')
  }

const ENDS: [how: string, end: (stolen: Stolen) => Promise<void>][] = [
  [
    'by device, at /account of the laptop',
    async ({ laptop, sid }) => {
      const page = await laptop.browser.get('/account')
      const form = page.forms.findIndex(({ fields }) => fields.sid === sid)
      expect((await laptop.browser.submit(page, {}, form)).text).toContain('Signed out')
    },
  ],
  [
    'by "everywhere"',
    async ({ laptop }) => {
      await laptop.browser.submit(await laptop.browser.get('/logout?everywhere'), {}, 'Sign out')
    },
  ],
  ['by an operator who revokes the session', byOperator(({ sid }) => ({ kind: 'session', sid }))],
  [
    'by its thief, who signed out, and by an operator who then revoked the session',
    async ({ rig, phone, sid }) => {
      await phone.browser.submit(await phone.browser.get('/logout'), {}, 'Sign out')
      const selector = { kind: 'session', sid } as const
      const now = rig.clock.now()
      expect(
        await rig.store.revoke({ selector, reason: 'administrator', actor: operator, now }),
      ).toEqual({ outcome: 'already' })
    },
  ],
  [
    'by its thief, who signed out, and by a security event about the session',
    async ({ rig, phone, sid, sub }) => {
      await phone.browser.submit(await phone.browser.get('/logout'), {}, 'Sign out')
      const now = rig.clock.now()
      const event = { reason: 'security_event', actor: { kind: 'broker', id: 'event' } } as const
      expect(await rig.store.endAuthenticated({ sub, sid, until: now, ...event, now })).toEqual([])
    },
  ],
  ['by an operator who revokes the user', byOperator(({ sub }) => ({ kind: 'subject', sub }))],
  ['by an operator who revokes everything', byOperator(() => ({ kind: 'everything' }))],
]

describe.each(ENDS)('a phone that was stolen, and ended %s', (_how, end) => {
  test('gets no session by an old sign-in at Microsoft, however it comes back; a fresh one gets one, once for each browser', async () => {
    const stolen = await stolenPhone()
    const { rig, path, phone, laptop } = stolen
    await end(stolen)
    for (const way of [path, '/signin/start?return_to=/account']) {
      const thief = await phone.signIn(way, { password: false })
      expect(phone.asked).toContain('login')
      expect([thief.status, thief.title]).toEqual([403, 'Please sign in again'])
    }
    // Without the broker's cookies Microsoft is asked as if the phone were new, and a second time
    // with prompt=login.
    phone.deleteOurCookies()
    expect((await phone.signIn(path, { password: false })).status).toBe(403)
    expect(phone.asked).toEqual(['select_account', 'login'])
    // The owner's fresh sign-in elsewhere opens nothing for the phone.
    rig.clock.advance(60)
    expect(
      delivered(
        await laptop.signIn(
          authorizePath(
            { clientId: 'sydney', metadata: stolen.client.metadata },
            { prompt: 'login' },
          ),
        ),
      ),
    ).toHaveProperty('code')
    expect((await phone.signIn(path, { password: false })).status).toBe(403)
    rig.clock.advance(31 * 86_400)
    for (const kind of ['sessions', 'revocations'] as const)
      await rig.store.purge({ kind, now: rig.clock.now(), limit: 1000 })
    expect((await phone.signIn(path, { password: false })).status).toBe(403)
    // The password opens the phone. The next time the browser's proof is enough.
    expect(delivered(await phone.signIn(path))).toHaveProperty('code')
    expect(phone.asked).toContain('login')
    rig.clock.advance(13 * 3600)
    expect(delivered(await phone.signIn(path, { password: false }))).toHaveProperty('code')
    expect(phone.asked).toEqual(['select_account'])
  })
})

describe('what a fresh sign-in is', () => {
  async function demanded() {
    const stolen = await stolenPhone()
    await byOperator(({ sub }) => ({ kind: 'subject', sub }))(stolen)
    return stolen
  }

  test('a device that its own user signed out is asked for no password', async () => {
    const { rig, phone, path, sid, sub } = await stolenPhone()
    await phone.browser.submit(await phone.browser.get('/logout'), {}, 'Sign out')
    await rig.store.revoke({
      selector: { kind: 'session', sid },
      reason: 'signed_out',
      now: rig.clock.now(),
      actor: { kind: 'user', id: sub },
    })
    expect(delivered(await phone.signIn(path, { password: false }))).toHaveProperty('code')
    expect(phone.asked).toEqual(['select_account'])
  })

  test('a session that was revoked demands nothing more when it is revoked again', async () => {
    const stolen = await stolenPhone()
    const { rig, phone, path, sid } = stolen
    const selector = { kind: 'session', sid } as const
    await byOperator(() => selector)(stolen)
    rig.clock.advance(60)
    expect(delivered(await phone.signIn(path))).toHaveProperty('code')
    rig.clock.advance(60)
    const again = { selector, reason: 'administrator', actor: operator } as const
    expect(await rig.store.revoke({ ...again, now: rig.clock.now() })).toEqual({
      outcome: 'already',
    })
    rig.clock.advance(13 * 3600)
    expect(delivered(await phone.signIn(path, { password: false }))).toHaveProperty('code')
    expect(phone.asked).toEqual(['select_account'])
  })

  test('sessions that the revocation does not cover stay, and single sign-on goes on', async () => {
    const { rig, laptop, path, sid } = await stolenPhone()
    await byOperator(() => ({ kind: 'session', sid }))({ rig, sid } as Stolen)
    expect(delivered(await laptop.browser.get(path))).toHaveProperty('code')
  })

  test('a visit that began before the revocation does not count, whatever it brings', async () => {
    const stolen = await stolenPhone()
    const { rig, laptop, client } = stolen
    const back = await atMicrosoft(
      rig,
      laptop.browser,
      await laptop.browser.get(authorizePath(client, { prompt: 'login' })),
    )
    await byOperator(({ sub }) => ({ kind: 'subject', sub }))(stolen)
    rig.clock.advance(30)
    rig.microsoft.next = { authTime: rig.clock.now() }
    expect(location(await laptop.browser.get(back)).host).toBe('login.microsoftonline.com')
    expect(rig.microsoft.started.at(-1)).toMatchObject({ prompt: 'login' })
  })

  test('credentials that were entered elsewhere 40 s before it do not count: a kiosk', async () => {
    const { rig, phone, path } = await demanded()
    const says = { authTime: rig.clock.now() - 40 }
    expect((await phone.signIn(path, { says })).status).toBe(403)
    expect(
      delivered(await phone.signIn(path, { says: { authTime: rig.clock.now() - 5 } })),
    ).toHaveProperty('code')
  })

  test.each([-50, 50])(
    'the clocks differ by %i s: auth_time is read by the offset that Microsoft’s Date shows',
    async (clockOffsetSeconds) => {
      const { rig, phone, path } = await demanded()
      const entered = rig.clock.now() + clockOffsetSeconds
      expect(
        (await phone.signIn(path, { says: { clockOffsetSeconds, authTime: entered - 10 } })).status,
      ).toBe(403)
      expect(
        delivered(await phone.signIn(path, { says: { clockOffsetSeconds, authTime: entered } })),
      ).toHaveProperty('code')
    },
  )

  test('Microsoft does not say what its clock shows: it is asked again, and then the user sees a page', async () => {
    const { phone, path } = await demanded()
    expect((await phone.signIn(path, { says: { clockOffsetSeconds: undefined } })).status).toBe(403)
    expect(phone.asked).toEqual(['login', 'login'])
  })

  test('without auth_time, where the tenant sends it, nothing is fresh', async () => {
    const { phone, path } = await demanded()
    expect((await phone.signIn(path, { says: { authTime: undefined } })).status).toBe(403)
  })

  test('a floor that is found after the visit for MFA leads to one further visit, without a page', async () => {
    const stolen = await demanded()
    const { rig, phone, path } = stolen
    phone.deleteOurCookies()
    await rig.store.putTenant({
      tid: rig.microsoft.user.tid,
      mfaProof: 'auth_context:c7',
      connectedAt: rig.clock.now(),
    })
    expect(delivered(await phone.signIn(path))).toHaveProperty('code')
    expect(phone.asked).toEqual(['select_account', undefined, 'login'])
  })

  test('the user reads one sentence, and Microsoft is asked for the password at once', async () => {
    const { phone, path } = await demanded()
    const page = await phone.browser.get(path)
    expect(page.text).toContain('An administrator signed you out.')
    expect(page.text).not.toMatch(/operator|stolen/)
    await phone.signIn(path)
    expect(phone.asked).toEqual(['login'])
  })

  test('a browser that knows its user asks Microsoft for the password at once, so that it is entered once', async () => {
    const { rig, phone, laptop, path } = await stolenPhone()
    await laptop.browser.submit(await laptop.browser.get('/logout?everywhere'), {}, 'Sign out')
    for (const device of [laptop, phone]) {
      expect(delivered(await device.signIn(path))).toHaveProperty('code')
      expect(device.asked).toEqual(['login'])
      rig.clock.advance(13 * 3600)
      await device.signIn(path)
      expect(device.asked).toEqual(['select_account'])
    }
  })

  test('a proof is of one user and of this broker: another user’s, or a forged one, meets nothing', async () => {
    const { rig, phone, path } = await demanded()
    await phone.signIn(path)
    const owner = rig.microsoft.user
    const proof = phone.browser.cookies.get('__Host-cmb_fresh') ?? expect.unreachable()
    rig.microsoft.user = { ...owner, oid: '00000000-0000-4000-8000-000000000b0b' }
    const bob = new Device(rig)
    await bob.signIn(path)
    await rig.store.revoke({
      selector: { kind: 'everything' },
      reason: 'administrator',
      actor: operator,
      now: rig.clock.now(),
    })
    rig.clock.advance(60)
    await bob.signIn(path)
    const bobs = bob.browser.cookies.get('__Host-cmb_fresh') ?? expect.unreachable()
    rig.microsoft.user = owner
    for (const value of [proof, bobs, `${proof}x`]) {
      const thief = new Device(rig)
      thief.browser.addCookies(`__Host-cmb_fresh=${value}`)
      expect(
        (await thief.signIn(path, { password: false, says: { authTime: rig.clock.now() - 3600 } }))
          .status,
      ).toBe(403)
    }
  })
})
