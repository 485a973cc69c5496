import { describe, expect, test } from 'vitest'
import { ISSUER, TENANT } from '../rig.ts'
import {
  ALICE,
  APP_CLIENT_ID,
  APP_CLIENT_SECRET,
  connect,
  CONTOSO,
  createWorld,
  enter,
  OPS,
  tenantPath,
} from './world.ts'

const acts = async (world: Awaited<ReturnType<typeof createWorld>>): Promise<string[]> =>
  (await world.rig.store.listAudit({ after: 0, limit: 100 })).map(
    (entry) => `${entry.act} ${entry.ended?.outcome ?? 'unfinished'}`,
  )

describe('the application and the first tenant', () => {
  test('are entered once, sealed, and count at once', async () => {
    const world = await createWorld()
    const { rig } = world
    const page = await connect(world)
    expect(page.url).toBe(`${OPS}${tenantPath()}`)
    expect((await world.browser.get('/setup')).links).toContain('/setup/add-tenant')
    expect(rig.deps.connection.current()).toMatchObject({
      tenants: [TENANT],
      clientId: APP_CLIENT_ID,
      credentialFrom: 'store',
      operatorTenant: TENANT,
    })
    expect(rig.deps.microsoft.readiness()).toEqual({ connected: true })
    expect(await rig.store.setting('entra/credential')).not.toContain('simulated')
    expect((await world.browser.get('/setup/connect')).html).not.toContain('simulated~secret')
    expect(rig.lines.join()).not.toContain('simulated~secret')
    expect(JSON.stringify(await rig.store.listAudit({ limit: 100 }))).not.toContain(
      'simulated~secret',
    )
    expect(await acts(world)).toEqual([
      'setup.enter done',
      'connection.change done',
      'tenant.add done',
      'connection.operators done',
    ])
  })

  test.each([
    [{ client_id: 'no guid' }, 'client) id is a GUID'],
    [{ tid: 'contoso' }, 'tenant id is a GUID'],
    [{ tid: '9188040d-6c67-4c5b-b112-36a304b66dad' }, 'personal accounts'],
    [{ client_secret: '' }, 'value of the client secret'],
    [{ secret_expires: 'next spring' }, 'like 2027-03-31'],
    [{ client_secret: '44444444-4444-4444-8444-444444444444' }, '“Secret ID”'],
    [{ kind: 'pem', certificate: 'nonsense' }, 'in PEM'],
  ])('%j is said in words, and nothing is kept', async (changes, words) => {
    const world = await createWorld()
    await enter(world)
    const filled = {
      client_id: APP_CLIENT_ID,
      client_secret: 'secret',
      tid: CONTOSO.tid,
      ...changes,
    }
    const answer = await world.browser.submitTo(
      await world.browser.get('/setup/connect'),
      '/setup/connect',
      filled,
    )
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(words)])
    expect(world.rig.deps.connection.current()).toMatchObject({
      tenants: [],
      clientId: undefined,
      credential: undefined,
    })
  })

  test('sent twice, they are connected once, and both answers lead to the tenant', async () => {
    const world = await createWorld()
    await enter(world)
    const form = await world.browser.get('/setup/connect')
    const filled = { client_id: APP_CLIENT_ID, client_secret: APP_CLIENT_SECRET, tid: CONTOSO.tid }
    const send = () => world.browser.submitTo(form, '/setup/connect', filled)
    const { microsoft } = world.rig.deps
    const { tryConnection } = microsoft
    let asked = 0
    microsoft.tryConnection = async (...given) => {
      if (++asked === 2) await first
      return tryConnection(...given)
    }
    const first = send()
    const answers = await Promise.all([first, send()])
    for (const { status, url } of answers)
      expect([status, url]).toEqual([200, `${OPS}${tenantPath()}`])
    expect((await acts(world)).filter((act) => act.startsWith('tenant.add'))).toEqual([
      'tenant.add done',
      'tenant.add rejected',
    ])
  })

  test('the day on which the secret expires is asked for, shown and changed without the secret', async () => {
    const world = await createWorld()
    await connect(world)
    const { browser, rig } = world
    const save = async (filled: Record<string, string>) =>
      browser.submitTo(await browser.get('/setup/connect'), '/setup/connect', filled)
    expect(await rig.deps.microsoft.credentialEnd()).toBeUndefined()
    for (const day of ['2027-03-31', '2027-05-01']) {
      await save({ kind: 'keep', secret_expires: day })
      const end = (await rig.deps.microsoft.credentialEnd()) ?? 0
      expect(new Date(end * 1000).toISOString().slice(0, 10)).toBe(day)
      // The field is for the next secret, so it is empty, and the day is beside the present one.
      const page = await browser.get('/setup/connect')
      const form = page.forms.find(({ action }) => action === '/setup/connect')
      expect(form?.fields.secret_expires).toBe('')
      expect(page.text).toContain(`It expires on ${day}.`)
      await save({ kind: 'keep', secret_expires: '' })
      expect(await rig.deps.microsoft.credentialEnd()).toBe(end)
    }
    expect(rig.deps.connection.current().credential).toMatchObject({ secret: APP_CLIENT_SECRET })
    await save({ kind: 'secret', client_secret: APP_CLIENT_SECRET, secret_expires: '' })
    expect(await rig.deps.microsoft.credentialEnd()).toBeUndefined()
  })

  test('a tenant that is connected and not yet ready admits no user, though Entra would', async () => {
    const world = await createWorld()
    const { rig, entra, browser } = world
    await connect(world)
    entra.set({ consent: {} })
    entra.auto(ALICE)
    const page = await browser.get(`${ISSUER}/signin/start?return_to=/account`)
    const rejected = await browser.press(page, 'Sign in with Microsoft')
    expect(rejected.status).toBe(403)
    expect(await rig.store.liveSessionCount(world.clock.now())).toBe(0)
  })
})
