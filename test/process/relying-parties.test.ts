import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startEntra, type Entra } from '../../demo/entra/entra.ts'
import { APP_CLIENT_ID, APP_CLIENT_SECRET, CONTOSO } from '../../demo/entra/users.ts'
import { newClientSecret } from '../../src/clients/secret.ts'
import { loadConfig } from '../../src/config/config.ts'
import { createLog } from '../../src/runtime/log.ts'
import { type Broker, startBroker } from '../../src/start.ts'
import { cityMetadata } from '../rig.ts'
import { until } from './broker-process.ts'
import { Browser } from '../browser.ts'
import {
  expressRelyingParty,
  honoRelyingParty,
  type RelyingParty,
  type Upstream,
} from './relying-parties.ts'

/**
 * express-openid-connect and @auth0/auth0-hono as they come, against a whole broker with its queue:
 * they sign in, refresh, and are signed out by the back channel. The broker's issuer is an https
 * host, as they want it; what ends TLS in front of it is stood in for by their own documented
 * option for another `fetch`.
 */

const ISSUER = 'https://login.case-manager.example'

let broker: Broker
let entra: Entra
const parties: Record<string, RelyingParty> = {}
const dir = mkdtempSync(join(tmpdir(), 'cmbr-'))
const route = (url: string): string =>
  url.replace(ISSUER, `http://127.0.0.1:${broker.listen?.port}`)

async function register(
  name: string,
  make: (upstream: Upstream) => Promise<RelyingParty>,
): Promise<void> {
  const { store, clients, random, clock } = broker.deps
  const { secret, hash } = newClientSecret(random, clock.now())
  const reached: typeof fetch = (input, init) =>
    fetch(
      typeof input === 'string'
        ? route(input)
        : new URL(route(input instanceof URL ? input.href : input.url)),
      init,
    )
  const party = await make({ issuer: ISSUER, clientId: name, clientSecret: secret, fetch: reached })
  const metadata = cityMetadata(name, {
    redirectUris: [party.redirectUri],
    logoutUris: [party.logoutUri],
    uri: party.baseUrl,
  })
  await store.putClient({
    clientId: name,
    source: 'command',
    metadata,
    secrets: [hash],
    now: clock.now(),
  })
  await clients.reload()
  parties[name] = party
}

beforeAll(async () => {
  entra = await startEntra({
    port: 0,
    apps: [{ redirectUris: [`${ISSUER}/signin/callback`, `${ISSUER}/logout/return`] }],
  })
  const config = loadConfig({
    BROKER_ISSUER: ISSUER,
    BROKER_LISTEN: '127.0.0.1:0',
    BROKER_OPS_LISTEN: '127.0.0.1:0',
    BROKER_SECRET: randomBytes(32).toString('hex'),
    BROKER_DATA_DIR: join(dir, 'data'),
    BROKER_ALLOW_LOOPBACK_TARGETS: 'yes',
    BROKER_ENTRA_SIMULATED: 'yes',
    BROKER_ENTRA_AUTHORITY: entra.authority,
    BROKER_ENTRA_TENANT: CONTOSO.tid,
    BROKER_ENTRA_CLIENT_ID: APP_CLIENT_ID,
    BROKER_ENTRA_CLIENT_SECRET: APP_CLIENT_SECRET,
  })
  broker = await startBroker(
    config,
    createLog(() => {}, Date.now),
  )
  entra.world.auto = 'alice@contoso.example'
  await register('express', expressRelyingParty)
  await register('hono', honoRelyingParty)
})
afterAll(async () => {
  for (const party of Object.values(parties)) await party.close()
  await broker?.stop()
  await entra?.close()
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
})

const newBrowser = () => new Browser({ fetch: (address, init) => fetch(route(address), init) })

/** Signs in at the relying party's own login address, through the broker's page if there is one. */
async function signIn(browser: Browser, party: RelyingParty): Promise<Record<string, unknown>> {
  let page = await browser.get(party.login)
  if (page.html.includes('Sign in with Microsoft'))
    page = await browser.press(page, 'Sign in with Microsoft')
  const me = await browser.get(party.me)
  expect([me.status, me.html]).toEqual([200, expect.stringContaining('Alice')])
  return JSON.parse(me.html) as Record<string, unknown>
}
const signOut = async (browser: Browser, scope: 'device' | 'everywhere') => {
  const done = await browser.submit(await browser.get(`${ISSUER}/logout`), { scope }, 'Sign out')
  expect([done.status, done.url]).toEqual([200, expect.stringContaining('/logout/done')])
}
const isSignedIn = async (browser: Browser, party: RelyingParty) =>
  (await browser.get(party.me)).status === 200
const refreshes = async (browser: Browser, party: RelyingParty) =>
  (await browser.get(party.refresh)).status === 200

test('express-openid-connect ends its own session by session_expiry, half a minute before the broker', async () => {
  const browser = newBrowser()
  const party = parties.express ?? expect.fail('not started')
  const { session_expiry: endsAt, sid } = await signIn(browser, party)
  const status = await broker.deps.store.statusBySid(String(sid), broker.deps.clock.now())
  expect(status).toMatchObject({ state: 'live', session: { absoluteAt: endsAt } })
  const now = vi.spyOn(Date, 'now')
  now.mockReturnValue((Number(endsAt) - 31) * 1000)
  expect(await isSignedIn(browser, party)).toBe(true)
  now.mockReturnValue((Number(endsAt) - 30) * 1000)
  expect(await isSignedIn(browser, party)).toBe(false)
  now.mockRestore()
})

describe.each(['express', 'hono'])('an instance made with %s’s middleware, unmodified', (name) => {
  const party = (): RelyingParty => parties[name] ?? expect.fail('not started')

  test('signs in by the broker, and refreshes', async () => {
    const browser = newBrowser()
    expect(await signIn(browser, party())).toMatchObject({
      sub: expect.stringMatching(/^u_/),
      name: 'Alice Adams',
    })
    expect(await refreshes(browser, party())).toBe(true)
    expect(await refreshes(browser, party())).toBe(true)
    expect(await isSignedIn(browser, party())).toBe(true)
  })

  test('is signed out by session: this browser at once, and no other', async () => {
    const [here, elsewhere] = [newBrowser(), newBrowser()]
    await signIn(here, party())
    await signIn(elsewhere, party())
    await signOut(here, 'device')
    await until(
      'the instance has signed this browser out',
      async () => !(await isSignedIn(here, party())),
    )
    expect(await isSignedIn(elsewhere, party())).toBe(true)
    expect(await refreshes(elsewhere, party())).toBe(true)
  })

  test('is signed out by user: every browser', async () => {
    const [here, elsewhere] = [newBrowser(), newBrowser()]
    await signIn(here, party())
    await signIn(elsewhere, party())
    await signOut(here, 'everywhere')
    for (const browser of [here, elsewhere])
      await until(
        'the instance has signed both out',
        async () => !(await isSignedIn(browser, party())),
      )
    const again = newBrowser()
    await signIn(again, party())
    expect(await isSignedIn(again, party())).toBe(true)
    // A cookie from before the sign-out does not become valid with the next sign-in.
    expect(await isSignedIn(elsewhere, party())).toBe(false)
  })

  test('a browser that signed out signs in again, and stays', async () => {
    const browser = newBrowser()
    await signIn(browser, party())
    await signOut(browser, 'everywhere')
    await until('the instance has signed it out', async () => !(await isSignedIn(browser, party())))
    await signIn(browser, party())
    expect(await refreshes(browser, party())).toBe(true)
  })
})

test('signed in at both by one sign-in, out at both by one sign-out', async () => {
  const browser = newBrowser()
  const [first, second] = [parties.express ?? expect.fail(), parties.hono ?? expect.fail()]
  const { sub } = await signIn(browser, first)
  expect(await signIn(browser, second)).toMatchObject({ sub })
  await signOut(browser, 'device')
  for (const party of [first, second])
    await until('both have signed the user out', async () => !(await isSignedIn(browser, party)))
})
