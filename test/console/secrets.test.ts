import { beforeEach, describe, expect, test } from 'vitest'
import { newClientSecret } from '../../src/clients/secret.ts'
import { startCmb } from '../command/cmb.ts'
import { createRig, type Rig } from '../rig.ts'
import { atConsole } from './console.ts'

/** A client's secrets at its page: which there are, and how an administrator replaces one. */

let rig: Rig
beforeEach(async () => {
  rig = await createRig()
})

const PAGE = '/ops/clients/sydney'
const SECRET = /cms_[\w-]{43}/
const idsOf = () => rig.clients.find('sydney')?.secrets.map(({ id }) => id) ?? []

/** Returns the status of a request at the token endpoint that this secret authenticates. */
const tokenStatus = async (secret: string): Promise<number> =>
  (
    await rig.app.request('/token', {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${Buffer.from(`sydney:${secret}`).toString('base64')}`,
      },
      body: 'grant_type=refresh_token&refresh_token=none',
    })
  ).status

describe('a leaked secret of a client that the store keeps', () => {
  test('is replaced at the client’s page: the new one is shown once, both work, and the leaked one is removed', async () => {
    const { secret: leaked } = await rig.register('Sydney')
    const [old = ''] = idsOf()
    const adam = await atConsole(rig, 'administrator')
    const page = await adam.get(PAGE)
    expect(page.text).toContain('It works until an administrator removes it.')
    const check = await adam.press(page, 'Replace the secret')
    expect(check.text).toContain('The present secret works until you remove it.')
    rig.clock.advance(1)
    const made = await adam.submitTo(check, `${PAGE}/secrets/replace`, { case_reference: 'INC-7' })
    const [secret = ''] = SECRET.exec(made.text) ?? []
    expect(made.text).toContain('This page shows it only once.')
    expect(idsOf()).toHaveLength(2)
    for (const value of [leaked, secret]) expect(await tokenStatus(value)).toBe(400)

    const after = await adam.get(PAGE)
    expect(after.text).not.toContain(secret)
    const removing = await adam.get(`${PAGE}/secrets/remove?secret=${old}`)
    expect(after.html).toContain(`${PAGE}/secrets/remove?secret=${old}`)
    expect(removing.text).not.toContain('It is the only secret')
    const removed = await adam.submitTo(removing, `${PAGE}/secrets/remove`)
    expect(removed.text).toContain('The secret is removed. The broker rejects it from now on.')
    expect(await tokenStatus(leaked)).toBe(401)
    expect(await tokenStatus(secret)).toBe(400)
    const log = await rig.store.listAudit({ limit: 20 })
    expect(
      log
        .filter(({ act }) => act.startsWith('client.'))
        .map(({ act, via, caseReference }) => [act, via, caseReference]),
    ).toEqual([
      ['client.remove_secret', 'console', undefined],
      ['client.rotate_secret', 'console', 'INC-7'],
    ])
    expect(JSON.stringify(log)).not.toContain(secret)
  })

  test('a form that is sent twice makes one secret, so that it never removes the one that works', async () => {
    await rig.register('Sydney')
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.get(`${PAGE}/secrets/replace`)
    rig.clock.advance(1)
    await adam.submitTo(check, `${PAGE}/secrets/replace`)
    const ids = idsOf()
    const again = await adam.submitTo(check, `${PAGE}/secrets/replace`)
    expect(again.status).toBe(422)
    expect(again.text).toContain('have changed since you opened the page')
    expect(idsOf()).toEqual(ids)
  })

  test('the page, cmb and the API say when each secret was last used; that is written at most once an hour, and by no request', async () => {
    const { secret } = await rig.register('Sydney')
    const adam = await atConsole(rig, 'administrator')
    const { type } = await startCmb(rig)
    const usedAt = async () =>
      (await type(['clients', 'show', 'sydney', '--json'])).json<{
        secrets: { used_at?: number }[]
      }>().secrets[0]?.used_at
    const written: number[] = []
    const store = {
      async recordSecretUses(uses: Parameters<Rig['store']['recordSecretUses']>[0]) {
        written.push(...uses.map(({ at }) => at))
        return rig.store.recordSecretUses(uses)
      },
    }
    const write = () => rig.clients.secretUses.write(store, rig.clock.now())
    expect((await adam.get(PAGE)).text).toMatch(/Last used .*no use was seen/)
    const first = rig.clock.now()
    for (const value of [secret, 'wrong']) await tokenStatus(value)
    expect(await usedAt()).toBeUndefined()
    await write()
    expect([await usedAt(), written]).toEqual([first, [first]])
    expect((await adam.get(PAGE)).text).not.toContain('no use was seen')

    rig.clock.advance(3599)
    await tokenStatus('wrong')
    await tokenStatus(secret)
    await write()
    expect(written).toEqual([first])
    rig.clock.advance(1)
    await write()
    expect([await usedAt(), written]).toEqual([first + 3599, [first, first + 3599]])
    // Nothing was used since, and a request that fails is no use.
    rig.clock.advance(7200)
    await tokenStatus('wrong')
    await write()
    expect(written).toHaveLength(2)
    await tokenStatus(secret)
    await write()
    expect(await usedAt()).toBe(rig.clock.now())
    const ada = await atConsole(rig, 'second')
    const removing = await ada.get(`${PAGE}/secrets/remove?secret=${idsOf()[0]}`)
    expect(removing.text).toMatch(/Last used .*UTC/)
  })

  test('the page says which secret stops at once when a third is made, and that the only one is removed', async () => {
    await rig.register('Sydney')
    const adam = await atConsole(rig, 'administrator')
    const [only = ''] = idsOf()
    expect((await adam.get(`${PAGE}/secrets/remove?secret=${only}`)).text).toContain(
      'It is the only secret of this instance.',
    )
    rig.clock.advance(1)
    await adam.submitTo(await adam.get(`${PAGE}/secrets/replace`), `${PAGE}/secrets/replace`)
    expect((await adam.get(`${PAGE}/secrets/replace`)).text).toContain(
      `${only} stops working at once`,
    )
    expect((await adam.get(`${PAGE}/secrets/remove?secret=none`)).status).toBe(404)
  })

  test('an operator and an auditor see the secrets and change none', async () => {
    await rig.register('Sydney')
    for (const who of ['operator', 'auditor'] as const) {
      const viewer = await atConsole(rig, who)
      const page = await viewer.get(PAGE)
      expect(page.text).toContain(idsOf()[0])
      expect(page.text).not.toContain('Replace the secret')
      expect((await viewer.get(`${PAGE}/secrets/replace`)).status).toBe(403)
    }
  })
})

test('of a client of the clients file, the page names the file, the entry and the command', async () => {
  rig = await createRig({ config: { clientsFile: '/etc/broker/clients.yaml' } })
  const { metadata } = rig.clients.find((await rig.register('Melbourne')).clientId) ?? {}
  if (metadata === undefined) return expect.unreachable()
  const { hash } = newClientSecret(rig.deps.random, rig.clock.now())
  await rig.store.putClient({
    clientId: 'sydney',
    source: 'file',
    metadata: { ...metadata, name: 'Sydney', audience: 'https://sydney.example' },
    secrets: [{ ...hash, id: `f_${hash.hash.slice(0, 12)}` }],
    now: rig.clock.now(),
  })
  await rig.clients.reload()
  const adam = await atConsole(rig, 'administrator')
  const page = await adam.get(PAGE)
  for (const words of [
    '/etc/broker/clients.yaml',
    'cmb clients new-secret',
    'client_id: sydney',
    `${hash.hash.slice(0, 12)}…`,
    'both secrets work until you remove the old line',
  ])
    expect(page.text).toContain(words)
  expect(page.text).not.toContain(hash.hash)
  expect(page.text).not.toContain('Replace the secret')
  const rejected = await adam.get(`${PAGE}/secrets/replace`)
  expect(rejected.status).toBe(422)
  expect(rejected.text).toContain('/etc/broker/clients.yaml')
})
