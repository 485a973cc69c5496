import { describe, expect, test } from 'vitest'
import { ISSUER } from '../rig.ts'
import {
  APP_CLIENT_ID,
  connected,
  CONTOSO,
  createBrowser,
  createWorld,
  enter,
  OPS,
  tenantPath,
} from './world.ts'

describe('the entrance of /setup', () => {
  test('every page and form is closed to an anonymous caller, who sees only the entrance', async () => {
    const { rig, browser } = await createWorld()
    for (const path of [
      '/setup',
      '/setup/register',
      '/setup/register/script',
      '/setup/connect',
      '/setup/add-tenant',
      tenantPath(),
    ]) {
      const shown = await browser.get(path)
      expect([path, shown.status, shown.forms.map((form) => form.action)]).toEqual([
        path,
        401,
        ['/setup/token'],
      ])
    }
    for (const path of [
      '/setup/connect',
      '/setup/add-tenant',
      '/setup/branding',
      `${tenantPath()}/proof`,
      `${tenantPath()}/operators`,
    ])
      expect(
        (await browser.post(OPS + path, new URLSearchParams({ tid: CONTOSO.tid }))).status,
      ).toBe(401)
    expect((await rig.app.request(`${ISSUER}/setup`)).status).toBe(404)
    expect(rig.deps.connection.current().tenants).toEqual([])
  })

  test('wrong tokens are limited by address and logged with it; the right one opens all the same', async () => {
    const world = await createWorld()
    const { rig, browser } = world
    const door = await browser.get('/setup')
    const guess = (token: string) => browser.submitTo(door, '/setup/token', { token })
    const statuses: number[] = []
    for (let i = 0; i < 12; i++)
      statuses.push((await guess('AAAAA-AAAAA-AAAAA-AAAAA-AAAAA')).status)
    expect(statuses.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 403))
    expect(statuses.at(-1)).toBe(429)
    expect(rig.lines.filter((line) => line.includes('setup_token_rejected'))).toHaveLength(12)
    await guess(await world.token())
    expect((await browser.get('/setup/connect')).status).toBe(200)
  })

  test('the token opens it once, within 15 minutes, and is kept as a hash', async () => {
    const world = await createWorld()
    const { rig, entra, browser, clock } = world
    const token = await world.token()
    expect(await rig.store.setting('setup/token')).not.toContain(token.slice(0, 5))
    const door = await browser.get('/setup')
    expect(
      (await browser.submitTo(door, '/setup/token', { token: 'AAAAA-AAAAA-AAAAA-AAAAA-AAAAA' }))
        .status,
    ).toBe(403)
    const typed = token.toLowerCase().replaceAll('-', ' ').replaceAll('0', 'o').replaceAll('1', 'l')
    expect((await browser.submitTo(door, '/setup/token', { token: typed })).title).toBe(
      'Setting up the connection to Microsoft',
    )
    expect((await browser.get('/setup/connect')).status).toBe(200)
    const other = createBrowser(rig, entra)
    expect(
      (await other.submitTo(await other.get('/setup'), '/setup/token', { token })).status,
    ).toBe(403)
    const late = await world.token()
    clock.ahead = 901
    expect(
      (await other.submitTo(await other.get('/setup'), '/setup/token', { token: late })).status,
    ).toBe(403)
  })

  test('of two browsers with one token at once one gets in', async () => {
    const world = await createWorld()
    const token = await world.token()
    const browsers = [createBrowser(world.rig, world.entra), createBrowser(world.rig, world.entra)]
    const doors = await Promise.all(browsers.map((browser) => browser.get('/setup')))
    const answers = await Promise.all(
      browsers.map((browser, index) =>
        browser.submitTo(doors[index] ?? expect.unreachable(), '/setup/token', { token }),
      ),
    )
    expect(answers.map((answer) => answer.status).toSorted()).toEqual([200, 403])
  })

  test('forms of another site, of another browser, or without a session change nothing', async () => {
    const world = await createWorld()
    const { rig, browser } = world
    await enter(world)
    const page = await browser.get('/setup/connect')
    const filled = { client_id: APP_CLIENT_ID, client_secret: 'x', tid: CONTOSO.tid }
    expect(
      (await browser.submitTo(page, '/setup/connect', { ...filled, csrf: 'made-up' })).status,
    ).toBe(403)
    expect(
      (await browser.submitTo(page, '/setup/connect', filled, { origin: ISSUER })).status,
    ).toBe(403)
    expect(
      (await browser.submitTo(page, '/setup/connect', filled, { 'sec-fetch-site': 'cross-site' }))
        .status,
    ).toBe(403)
    expect(rig.deps.connection.current().tenants).toEqual([])
  })

  test('once an administrator has been at the broker, tokens no longer work: neither new ones, nor one that was made before, nor a pass', async () => {
    const world = await createWorld()
    const before = await world.token()
    const unused = createBrowser(world.rig, world.entra)
    const door = await unused.get('/setup')
    await connected(world)
    await world.token()
    expect(await world.token()).toBe('there is an operator')
    expect((await unused.submitTo(door, '/setup/token', { token: before })).status).toBe(403)
    const page = await world.browser.get('/setup')
    expect(page.status).toBe(401)
    expect(page.text).toContain('Broker.Administrator')
  })
})

describe('what to register', () => {
  test('every value is on the page and in the script to download', async () => {
    const world = await createWorld()
    await enter(world)
    const page = await world.browser.get('/setup/register')
    const script = (await world.browser.press(page, 'Script for one tenant')).html
    for (const value of [
      `${ISSUER}/signin/callback`,
      `${ISSUER}/logout/return`,
      `${ISSUER}/signal/microsoft/front-channel-logout`,
      'Broker.Operator',
      'Broker.Auditor',
      'Broker.Administrator',
      'CaseManager.User',
    ])
      expect([page.text, script]).toEqual([
        expect.stringContaining(value),
        expect.stringContaining(value),
      ])
    for (const value of ['sid, login_hint, auth_time, acrs, email', 'User.Read.All'])
      expect(page.text).toContain(value)
    expect(page.text).toContain('offline_access')
    expect(script).toContain('AzureADMyOrg')
    const several = await world.browser.press(page, 'Script for several tenants')
    expect([several.headers.get('content-disposition'), several.html]).toEqual([
      'attachment; filename="register-case-manager.sh"',
      expect.stringContaining('AzureADMultipleOrgs'),
    ])
  })
})
