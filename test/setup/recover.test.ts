import { describe, expect, test } from 'vitest'
import { createSealer } from '../../src/keys/sealer.ts'
import { openConnection } from '../../src/microsoft/connection.ts'
import { startCmb } from '../command/cmb.ts'
import {
  APP_CLIENT_ID,
  APP_CLIENT_SECRET,
  connect,
  connected,
  CONTOSO,
  createBrowser,
  createWorld,
  enter,
  OPS,
  signInAsAdam,
  type World,
} from './world.ts'

/**
 * The connection to Microsoft can lock no administrator out, and a form loses nothing that was
 * typed.
 */

async function recoveryToken({ rig }: World): Promise<string> {
  const { type } = await startCmb(rig)
  return (await type(['setup', '--recover', '--json'])).json<{ token: string }>().token
}

const current = ({ rig }: World) => rig.deps.connection.current()

async function signedIn(world: World): Promise<void> {
  await connected(world)
  await signInAsAdam(world)
}

describe('cmb setup --recover', () => {
  test('gives a one-time token although there is an administrator: with it the credential is entered again', async () => {
    const world = await createWorld()
    const { rig, entra } = world
    await connected(world)
    await rig.deps.connection.change({
      credential: { kind: 'secret', secret: 'a secret that has expired' },
    })
    const token = await recoveryToken(world)
    const browser = createBrowser(rig, entra)
    const door = await browser.get('/setup')
    expect(
      (await browser.submitTo(door, '/setup/token', { token: 'AAAAA-AAAAA-AAAAA-AAAAA-AAAAA' }))
        .status,
    ).toBe(403)
    expect((await browser.submitTo(door, '/setup/token', { token })).status).toBe(200)
    await browser.submitTo(await browser.get('/setup/connect'), '/setup/connect', {
      kind: 'secret',
      client_secret: APP_CLIENT_SECRET,
    })
    expect(current(world).credential).toEqual({ kind: 'secret', secret: APP_CLIENT_SECRET })
    const other = createBrowser(rig, entra)
    expect(
      (
        await other.post(
          `${OPS}/setup/token`,
          new URLSearchParams({ ...door.forms[0]?.fields, token }),
        )
      ).status,
    ).toBe(403)
    expect((await other.get('/setup')).forms).toEqual([])
    const acts = (await rig.store.listAudit({ limit: 20 })).map(
      (entry) => `${entry.actor.id} ${entry.act} ${entry.ended?.outcome ?? ''}`,
    )
    expect(acts).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^cmb@.* setup\.token done$/),
        'setup-token setup.enter done',
      ]),
    )
    expect(rig.lines.join()).not.toContain(token)
  })

  test('a credential that no current BROKER_SECRET opens is entered again with it', async () => {
    const world = await createWorld()
    const { rig, browser } = world
    await connected(world)
    const sealer = createSealer([Buffer.alloc(32, 'another secret')])
    await rig.store.setSetting('entra/credential', sealer.seal('settings/entra/credential', '{}'))
    await rig.deps.connection.reload()
    expect(rig.deps.connection.current().credential).toBeUndefined()
    const token = await recoveryToken(world)
    await browser.submitTo(await browser.get('/setup'), '/setup/token', { token })
    await browser.submitTo(await browser.get('/setup/connect'), '/setup/connect', {
      client_secret: APP_CLIENT_SECRET,
    })
    expect(
      (await openConnection({ ...rig.deps, config: rig.config })).current().credential,
    ).toMatchObject({ secret: APP_CLIENT_SECRET })
  })

  test('is not for the admin API: only the socket of the machine gives it', async () => {
    const world = await createWorld()
    const { rig } = world
    const client = await rig.register('Ops', {
      grants: ['client_credentials'],
      scopes: ['broker:administer'],
    })
    const asked = await rig.post(
      '/token',
      { grant_type: 'client_credentials', scope: 'broker:administer' },
      { authorization: client.basic },
    )
    const { access_token: bearer } = (await asked.json()) as { access_token: string }
    const answer = await rig.opsApp.request('/admin/v1/setup/token', {
      method: 'POST',
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      body: JSON.stringify({ recover: true }),
    })
    expect(answer.status).toBe(403)
  })
})

describe('what is entered at /setup', () => {
  test('is saved only if Entra gives a token with it; what was typed is kept, the secret out of sight', async () => {
    const world = await createWorld()
    const { browser, rig } = world
    await connected(world)
    const token = await recoveryToken(world)
    await browser.submitTo(await browser.get('/setup'), '/setup/token', { token })
    const filled = { kind: 'secret', client_secret: 'mistyped' }
    const answer = await browser.submitTo(
      await browser.get('/setup/connect'),
      '/setup/connect',
      filled,
    )
    expect([answer.status, answer.text]).toEqual([
      400,
      expect.stringMatching(/Nothing was saved\. .*AADSTS7000215/),
    ])
    const wrongId = await browser.submitTo(answer, '/setup/connect', {
      client_id: '99999999-9999-4999-8999-999999999999',
      kind: 'keep',
    })
    expect([wrongId.status, wrongId.text]).toEqual([
      400,
      expect.stringContaining('Nothing was saved'),
    ])
    expect(current(world)).toMatchObject({
      clientId: APP_CLIENT_ID,
      credential: { secret: APP_CLIENT_SECRET },
    })
    expect(answer.html).toContain('What you typed is kept')
    expect(
      answer.html + rig.lines.join() + JSON.stringify(await rig.store.listAudit({ limit: 50 })),
    ).not.toContain('mistyped')
  })

  test('an error in one field loses no other: the first tenant’s id is corrected, and the rest is still there', async () => {
    const world = await createWorld()
    const { browser } = world
    await enter(world)
    const filled = {
      client_id: APP_CLIENT_ID,
      client_secret: APP_CLIENT_SECRET,
      tid: 'contoso',
      name: 'Contoso',
    }
    const answer = await browser.submitTo(
      await browser.get('/setup/connect'),
      '/setup/connect',
      filled,
    )
    const [form] = answer.forms
    expect(form?.fields).toMatchObject({
      client_id: APP_CLIENT_ID,
      client_secret: '',
      tid: 'contoso',
      name: 'Contoso',
    })
    await browser.submitTo(answer, '/setup/connect', { tid: CONTOSO.tid })
    expect(current(world)).toMatchObject({
      tenants: [CONTOSO.tid],
      clientId: APP_CLIENT_ID,
      credential: { secret: APP_CLIENT_SECRET },
    })
    expect((await browser.get('/setup/connect')).forms[0]?.fields.name).toBeUndefined()
  })

  test('a secret that is typed with a stale sign-in is still there after the new sign-in, for no other visitor', async () => {
    const world = await createWorld()
    const { browser, clock, rig } = world
    await signedIn(world)
    await rig.deps.connection.change({
      credential: { kind: 'secret', secret: 'a secret that has expired' },
    })
    const page = await browser.get('/setup/connect')
    clock.ahead = 400
    const stale = await browser.submitTo(page, '/setup/connect', {
      kind: 'secret',
      client_secret: APP_CLIENT_SECRET,
    })
    expect([stale.status, stale.text]).toEqual([
      403,
      expect.stringContaining('What you typed is kept for 15 minutes'),
    ])
    expect(stale.html).not.toContain(APP_CLIENT_SECRET)
    expect(stale.link('Sign in again (in a new tab)')).toContain('return_to=%2Fops%2Ffresh')
    clock.ahead = 0
    const typed = stale.forms[0]?.fields.typed_before ?? expect.unreachable()
    const other = createBrowser(rig, world.entra)
    const token = await recoveryToken(world)
    await other.submitTo(await other.get('/setup'), '/setup/token', { token })
    const empty = await other.submitTo(await other.get('/setup/connect'), '/setup/connect', {
      kind: 'secret',
      typed_before: typed,
    })
    expect(empty.text).toContain('Enter the value of the client secret')
    await browser.submit(stale, {}, 'Go on')
    expect(current(world).credential).toEqual({ kind: 'secret', secret: APP_CLIENT_SECRET })
  })

  test('a first tenant whose id was mistyped can be removed while it has shown nothing, and the next one is the operators’', async () => {
    const world = await createWorld()
    const { browser, rig } = world
    await connect(world)
    const { type } = await startCmb(rig)
    expect(await type(['tenants', 'remove', CONTOSO.tid, '--yes'])).toMatchObject({ code: 0 })
    expect(current(world).tenants).toEqual([])
    const other = '22222222-2222-4222-8222-222222222222'
    await browser.submitTo(await browser.get('/setup/connect'), '/setup/connect', { tid: other })
    expect(current(world)).toMatchObject({ tenants: [other], operatorTenant: other })
  })
})
