import { Hono } from 'hono'
import { describe, expect, test, vi } from 'vitest'
import { createApp } from '../../src/app.ts'
import { openClientRegistry } from '../../src/clients/registry.ts'
import type { ClientMetadata } from '../../src/protocol/client-metadata.ts'
import { createRig, ISSUER, type Rig } from '../rig.ts'
import { authorizePath, createBrowser, linkOf, location } from './browser.ts'

/**
 * The sign-in page shows what a client's registration has for it, and the broker works without that
 * page.
 */

const PNG = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(64, 0xe9)])
const WEBP = Buffer.concat([
  Buffer.from('RIFF\x40\0\0\0WEBPVP8 ', 'latin1'),
  Buffer.alloc(32, 0x80),
])

const open = async (changes: Partial<ClientMetadata>) => {
  const rig = await createRig()
  return { rig, sydney: await rig.register('Sydney', changes), browser: createBrowser(rig) }
}

/** Waits for the logo on the sign-in page, and returns its address. */
async function logoOf(rig: Rig, path: string): Promise<string> {
  return vi.waitFor(async () => {
    const page = await (await rig.app.request(`${ISSUER}${path}`)).text()
    return /<img src="(\/assets\/apps\/[^"]+)"/.exec(page)?.[1] ?? expect.unreachable()
  }, 20_000)
}

describe('logo_uri (RFC 7591 §2)', () => {
  test.each([
    ['image/png', PNG],
    ['image/webp', WEBP],
  ])(
    '%s is fetched once, by its bytes, and served by the broker with nosniff',
    async (type, bytes) => {
      let fetches = 0
      const { rig, sydney } = await open({})
      const instance = await rig.serve(
        new Hono().get('/logo', (c) => {
          fetches++
          return c.body(new Uint8Array(bytes), 200, { 'content-type': 'text/html' })
        }),
      )
      await rig.register('Sydney', { logoUri: `${instance}/logo` })
      const logo = await logoOf(rig, authorizePath(sydney))
      const answer = await rig.app.request(`${ISSUER}${logo}`)
      expect([
        answer.status,
        answer.headers.get('content-type'),
        answer.headers.get('x-content-type-options'),
      ]).toEqual([200, type, 'nosniff'])
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(bytes)
      await logoOf(rig, authorizePath(sydney))
      expect(fetches).toBe(1)
      // Another broker of the store, or this one after a restart, has the logo while the instance
      // is down.
      await expect.poll(() => rig.store.setting('client_logo/sydney')).toBeDefined()
      const outbound = {
        ...rig.deps.outbound,
        request: () => Promise.reject(new Error('The instance is away.')),
      }
      const { app } = createApp({
        ...rig.deps,
        clients: await openClientRegistry(rig.store),
        outbound,
      })
      expect(await (await app.request(`${ISSUER}${authorizePath(sydney)}`)).text()).toContain(
        '<img src="/assets/apps/sydney?',
      )
    },
  )

  test.each([
    ['is neither PNG nor WebP', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')],
    ['has 101 kB', Buffer.concat([PNG, Buffer.alloc(100_001 - 72)])],
  ])('an answer that %s leaves the page without a logo', async (problem, bytes) => {
    const { rig, sydney } = await open({})
    const instance = await rig.serve(new Hono().get('/logo', (c) => c.body(new Uint8Array(bytes))))
    await rig.register('Sydney', { logoUri: `${instance}/logo` })
    expect((await rig.app.request(`${ISSUER}${authorizePath(sydney)}`)).status).toBe(200)
    await expect.poll(() => rig.lines.join('\n')).toContain(problem)
    expect(await (await rig.app.request(`${ISSUER}${authorizePath(sydney)}`)).text()).not.toContain(
      '<img',
    )
    expect((await rig.app.request(`${ISSUER}/assets/apps/sydney`)).status).toBe(404)
  })

  test('goes with the registration', async () => {
    const { rig, sydney } = await open({})
    const instance = await rig.serve(new Hono().get('/logo', (c) => c.body(new Uint8Array(PNG))))
    await rig.register('Sydney', { logoUri: `${instance}/logo` })
    await logoOf(rig, authorizePath(sydney))
    await expect.poll(() => rig.store.setting('client_logo/sydney')).toBeDefined()
    await rig.store.removeClient({
      clientId: 'sydney',
      source: 'any',
      actor: { kind: 'operator', id: 'olga' },
      now: rig.clock.now(),
    })
    expect(await rig.store.setting('client_logo/sydney')).toBeUndefined()
  })
})

test('the page links the app’s privacy statement, terms and support', async () => {
  const { browser, sydney } = await open({
    policyUri: 'https://sydney.case-manager.example/privacy',
    tosUri: 'https://sydney.case-manager.example/terms',
    contacts: ['support@case-manager.example'],
  })
  const { html } = await browser.get(authorizePath(sydney))
  expect(linkOf(html, 'Privacy')).toBe('https://sydney.case-manager.example/privacy')
  expect(linkOf(html, 'Terms of use')).toBe('https://sydney.case-manager.example/terms')
  expect(linkOf(html, 'support@case-manager.example')).toBe('mailto:support@case-manager.example')
})

describe('skip_sign_in_page', () => {
  const SKIPS = { skipSignInPage: true } as const

  test('a sign-in goes straight to Microsoft, which shows its account chooser, and comes back with a code', async () => {
    const { rig, browser, sydney } = await open(SKIPS)
    const url = location(await browser.get(authorizePath(sydney)))
    expect(url.origin).toBe('https://login.microsoftonline.com')
    expect(rig.microsoft.started).toMatchObject([{ prompt: 'select_account' }])
    const back = await browser.get(
      `/signin/callback?${new URLSearchParams({ code: 'x', state: url.searchParams.get('state') ?? '' })}`,
    )
    expect(location(back).searchParams.get('code')).toBeTruthy()
  })

  test('no request parameter asks for it', async () => {
    const { browser, sydney } = await open({})
    for (const name of ['skip_sign_in_page', 'skipSignInPage', 'auto'])
      expect((await browser.get(authorizePath(sydney, { [name]: 'true' }))).status).toBe(200)
  })

  test('a request of a public client that names the user shows the page, also where it was pushed: any site can push it', async () => {
    const { rig, browser, sydney } = await open({ ...SKIPS, authMethod: 'none' })
    const asked = Object.fromEntries(
      new URL(authorizePath(sydney, { login_hint: 'alice@contoso.example' }), ISSUER).searchParams,
    )
    const pushed = (await (await rig.post('/par', asked)).json()) as { request_uri: string }
    const path = `/authorize?${new URLSearchParams({ client_id: sydney.clientId, request_uri: pushed.request_uri })}`
    expect((await browser.get(path)).status).toBe(200)
    expect(rig.microsoft.started).toEqual([])
  })

  test('a request that names the user shows the page, unless the client has pushed it', async () => {
    const { rig, browser, sydney } = await open(SKIPS)
    expect(
      (await browser.get(authorizePath(sydney, { login_hint: 'alice@contoso.example' }))).status,
    ).toBe(200)
    expect(rig.microsoft.started).toEqual([])
    const asked = Object.fromEntries(
      new URL(authorizePath(sydney, { login_hint: 'alice@contoso.example' }), ISSUER).searchParams,
    )
    const pushed = (await (
      await rig.post('/par', asked, { authorization: sydney.basic })
    ).json()) as { request_uri: string }
    const path = `/authorize?${new URLSearchParams({ client_id: sydney.clientId, request_uri: pushed.request_uri })}`
    expect(location(await browser.get(path)).origin).toBe('https://login.microsoftonline.com')
    expect(rig.microsoft.started).toMatchObject([{ loginHint: 'alice@contoso.example' }])
    // RFC 9126 §4: the request was used.
    expect((await createBrowser(rig).get(path)).status).toBe(400)
  })

  test('a callback of that sign-in is valid in the browser that began it alone', async () => {
    const { rig, browser, sydney } = await open(SKIPS)
    const state = location(await browser.get(authorizePath(sydney))).searchParams.get('state') ?? ''
    const victim = createBrowser(rig)
    expect(
      (await victim.get(`/signin/callback?${new URLSearchParams({ code: 'x', state })}`)).status,
    ).toBe(400)
    expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(0)
  })

  test('after an end from elsewhere the page says so, and Microsoft asks for the password', async () => {
    const { rig, browser, sydney } = await open(SKIPS)
    const began = location(await browser.get(authorizePath(sydney))).searchParams.get('state') ?? ''
    await browser.get(`/signin/callback?${new URLSearchParams({ code: 'x', state: began })}`)
    const now = rig.clock.now()
    await rig.store.revoke({
      selector: { kind: 'everything' },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'olga' },
      now,
    })
    const page = await browser.get(authorizePath(sydney))
    expect(page.text).toContain('An administrator signed you out.')
    await browser.press(page, 'Sign in with Microsoft')
    expect(rig.microsoft.started.at(-1)).toMatchObject({ prompt: 'login' })
  })
})
