import { describe, expect, test } from 'vitest'
import type { Reason } from '../../src/protocol/revocation.ts'
import type { Browser, Page } from '../browser.ts'
import { createRig, OTHER_TENANT, type Rig, TENANT } from '../rig.ts'
import { atMicrosoft, authorizePath, createBrowser, delivered } from './browser.ts'

/**
 * BROKER_FRESH_CONTEXT: after a revocation for a security reason a fresh sign-in also brings the
 * tenant's authentication context. MFA is proved by c1.
 */

interface Says {
  /** Microsoft answers without asking for the password. */
  silent?: boolean
  /** The contexts of each ID token. Default: the requested one. */
  acrs?: string[]
}

/** Signs in with all visits to Microsoft. Returns the prompt and the context of each visit. */
async function signIn(
  rig: Rig,
  browser: Browser,
  path: string,
  says: Says = {},
): Promise<{ page: Page; asked: string[] }> {
  const asked: string[] = []
  let back = await atMicrosoft(rig, browser, await browser.get(path))
  for (;;) {
    const { prompt = '-', authContext = '-' } = rig.microsoft.started.at(-1) ?? expect.unreachable()
    asked.push(`${prompt} ${authContext}`)
    const authTime = says.silent ? rig.clock.now() - 3600 : rig.clock.now()
    rig.microsoft.next = { authTime, acrs: says.acrs ?? [authContext] }
    const page = await browser.get(back)
    if (page.left?.host !== 'login.microsoftonline.com') return { page, asked }
    back = `/signin/callback?${new URLSearchParams({ code: 'c', state: page.left.searchParams.get('state') ?? '' })}`
  }
}

type Setting = Rig['config']['freshContext']

/** Alice signed in on a phone an hour ago, and was revoked since. */
async function revoked(freshContext: Setting, reason: Reason = 'reported_by_user') {
  const rig = await createRig({ config: { freshContext } })
  const client = await rig.register('Sydney')
  const path = authorizePath(client)
  const phone = createBrowser(rig)
  expect(delivered((await signIn(rig, phone, path)).page)).toHaveProperty('code')
  rig.clock.advance(3600)
  const revoke = async (why: Reason) => {
    const { tid, oid } = rig.microsoft.user
    const { sub } = (await rig.store.findSubjectByUser(tid, oid)) ?? expect.unreachable()
    const actor = { kind: 'broker', id: 'test' } as const
    expect(
      await rig.store.revoke({
        selector: { kind: 'subject', sub },
        reason: why,
        actor,
        now: rig.clock.now(),
      }),
    ).toMatchObject({
      outcome: 'revoked',
    })
  }
  await revoke(reason)
  return {
    rig,
    client,
    path,
    phone,
    revoke,
    signIn: (browser: Browser, says?: Says) => signIn(rig, browser, path, says),
  }
}

const NONE: Setting = { byTenant: {} }
const C2: Setting = { all: 'c2' }

describe('after a revocation for a security reason', () => {
  test.each([
    ['every tenant', C2],
    ['this tenant', { byTenant: { [TENANT]: 'c2' } }],
  ])(
    'a context that the setting names for %s is asked for with prompt=login, beside the one that proves MFA',
    async (_for, setting) => {
      const { rig, signIn, phone } = await revoked(setting)
      const known = await signIn(phone)
      expect(known.asked).toEqual(['login c2', '- c1'])
      expect(delivered(known.page)).toHaveProperty('code')
      const fresh = await signIn(createBrowser(rig))
      expect(fresh.asked).toEqual(['select_account c1', 'login c2'])
      expect(delivered(fresh.page)).toHaveProperty('code')
    },
  )

  test.each([
    ['none', NONE],
    ['one of another tenant', { byTenant: { [OTHER_TENANT]: 'c2' } }],
  ])('where the setting names %s, the password alone is demanded', async (_which, setting) => {
    const { rig, signIn, phone } = await revoked(setting)
    expect((await signIn(phone)).asked).toEqual(['login c1'])
    const { asked, page } = await signIn(createBrowser(rig))
    expect(asked).toEqual(['select_account c1', 'login c1'])
    expect(delivered(page)).toHaveProperty('code')
  })

  test.each([[['c1']], [['c1', 'c3']]])(
    'with ID tokens that have %j, however often, no session opens; each context is asked for once more at most',
    async (acrs) => {
      const { rig, signIn, phone } = await revoked(C2)
      for (const browser of [phone, createBrowser(rig)]) {
        const { page, asked } = await signIn(browser, { acrs })
        expect([page.status, page.title]).toEqual([403, 'Please sign in again'])
        expect(asked.length).toBeLessThanOrEqual(3)
      }
      expect(await rig.store.liveSessionsOf((await subjectOf(rig)).sub, rig.clock.now())).toEqual(
        [],
      )
    },
  )

  test('the context without the password does not serve, nor does the context without MFA', async () => {
    const { rig, signIn, phone } = await revoked(C2)
    for (const browser of [phone, createBrowser(rig)]) {
      expect((await signIn(browser, { silent: true })).page.status).toBe(403)
      expect((await signIn(browser, { acrs: ['c2'] })).page.title).not.toBe('Please sign in again')
    }
    expect(await rig.store.liveSessionsOf((await subjectOf(rig)).sub, rig.clock.now())).toEqual([])
  })

  test('a context in a token of a visit that did not ask for it does not serve: it may be of an earlier sign-in', async () => {
    const { rig, client } = await revoked(C2)
    const { asked, page } = await signIn(
      rig,
      createBrowser(rig),
      authorizePath(client, { prompt: 'login' }),
      { acrs: ['c1', 'c2'] },
    )
    expect(asked).toEqual(['login c1', 'login c2'])
    expect(delivered(page)).toHaveProperty('code')
  })

  test('the MFA that one user proved in the visit before does not count for another', async () => {
    const { rig, path } = await revoked(C2)
    const browser = createBrowser(rig)
    const back = await atMicrosoft(rig, browser, await browser.get(path))
    rig.microsoft.next = { authTime: rig.clock.now(), acrs: ['c1'] }
    const { left } = await browser.get(back)
    expect(rig.microsoft.started.at(-1)).toMatchObject({ prompt: 'login', authContext: 'c2' })
    // Bob, for whom no context is demanded, answers instead of Alice.
    rig.microsoft.user = { ...rig.microsoft.user, oid: '00000000-0000-4000-8000-000000000b0b' }
    rig.microsoft.next = { authTime: rig.clock.now(), acrs: ['c2'] }
    const bob = await browser.get(
      `/signin/callback?${new URLSearchParams({ code: 'c', state: left?.searchParams.get('state') ?? '' })}`,
    )
    expect(bob.left?.host).toBe('login.microsoftonline.com')
    expect(rig.microsoft.started.at(-1)).toMatchObject({ authContext: 'c1' })
  })

  test('one context may prove both: one visit is enough in a browser that knows its user', async () => {
    const { signIn, phone } = await revoked({ all: 'c1' })
    const { asked, page } = await signIn(phone)
    expect(asked).toEqual(['login c1'])
    expect(delivered(page)).toHaveProperty('code')
  })
})

test('after a sign-out everywhere by the user the context is not asked for', async () => {
  const { rig, signIn, phone } = await revoked(C2, 'signed_out_everywhere')
  expect((await signIn(phone)).asked).toEqual(['login c1'])
  const { asked, page } = await signIn(createBrowser(rig))
  expect(asked).toEqual(['select_account c1', 'login c1'])
  expect(delivered(page)).toHaveProperty('code')
})

describe('the proof in the browser', () => {
  test('of a visit with the context serves the next time; a later revocation of the user’s own leaves it, a later one for security does not', async () => {
    const { rig, signIn, phone, revoke } = await revoked(C2)
    await signIn(phone)
    rig.clock.advance(13 * 3600)
    expect((await signIn(phone)).asked).toEqual(['select_account c1'])
    await revoke('signed_out_everywhere')
    rig.clock.advance(60)
    expect((await signIn(phone)).asked).toEqual(['login c1'])
    await revoke('administrator')
    rig.clock.advance(60)
    expect((await signIn(phone)).asked).toEqual(['login c2', '- c1'])
  })

  test('of a visit without the context, or with another one, does not serve once the context is demanded', async () => {
    const { rig, signIn, phone } = await revoked(NONE)
    await signIn(phone)
    for (const id of ['c2', 'c3']) {
      rig.config.freshContext = { all: id }
      rig.clock.advance(13 * 3600)
      expect((await signIn(phone, { acrs: ['c1'] })).page.status).toBe(403)
      const { asked, page } = await signIn(phone)
      expect(asked).toEqual([`login ${id}`, '- c1'])
      expect(delivered(page)).toHaveProperty('code')
    }
  })
})

const subjectOf = async (rig: Rig) =>
  (await rig.store.findSubjectByUser(rig.microsoft.user.tid, rig.microsoft.user.oid)) ??
  expect.unreachable()
