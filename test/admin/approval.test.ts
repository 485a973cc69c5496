import { beforeEach, describe, expect, test } from 'vitest'
import { createRig, type RegisteredClient, type Rig } from '../rig.ts'
import { cmb, startCmb, type Ran } from '../command/cmb.ts'

/** A revocation that ends more sessions than BROKER_APPROVAL_SESSIONS, by the admin API and by cmb. */

let rig: Rig
beforeEach(async () => {
  rig = await createRig({ config: { approvalSessions: 1 } })
  for (const end of ['01', '02']) await rig.openSession({ user: { oid: `00000000-0000-4000-8000-0000000000${end}` } })
})

const robot = (name: string) =>
  rig.register(name, { grants: ['client_credentials'], redirectUris: [], scopes: ['broker:operate', 'broker:administer'] })

async function call(client: RegisteredClient, path: string, body?: unknown) {
  const token = await rig.post('/token', { grant_type: 'client_credentials', scope: 'broker:administer' }, { authorization: client.basic })
  const { access_token: bearer } = (await token.json()) as { access_token: string }
  const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' }
  const init = { method: 'POST', headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
  const response = await rig.opsApp.request(`http://localhost:7401/admin/v1${path}`, init)
  return { status: response.status, body: (await response.json()) as { detail?: string; state?: string; act: { id: string; confirm_until: number } } }
}
const EVERYTHING = { selector: { kind: 'everything' }, case_reference: 'INC-7' }
const registeredBy = (id: string, { clientId }: RegisteredClient) =>
  rig.store.appendAudit({ actor: { kind: 'operator', id }, via: 'console', act: 'client.add', target: `client ${clientId}` })

describe('a revocation that needs approval', () => {
  test('is answered 202; another client approves it, unless one user registered both or it is the same client', async () => {
    const [first, second, third] = [await robot('First'), await robot('Second'), await robot('Third')]
    for (const one of [first, second]) await registeredBy('u_adam', one)
    const asked = await call(first, '/revocations', EVERYTHING)
    expect(asked).toMatchObject({ status: 202, body: { outcome: 'proposed', act: { state: 'proposed', confirm_until: rig.clock.now() + 1800 } } })
    const confirm = (client: RegisteredClient) => call(client, `/scheduled-acts/${asked.body.act.id}/confirm`)
    for (const one of [first, second]) {
      const rejected = await confirm(one)
      expect([rejected.status, rejected.body.detail]).toEqual([409, expect.stringContaining('Another administrator must confirm it.')])
    }
    expect(await rig.store.listRevocations({ limit: 1 })).toEqual([])
    expect(await confirm(third)).toMatchObject({ status: 200, body: { state: 'done' } })
    expect(await rig.store.findRevocation(1)).toMatchObject({ selector: { kind: 'everything' }, caseReference: 'INC-7' })
  })

  const signed = (how: 'add' | 'change' | 'rotate_secret', by: RegisteredClient, { clientId }: RegisteredClient, changed?: object) =>
    rig.store.appendAudit({
      actor: { kind: 'client', id: by.clientId },
      via: 'api',
      act: `client.${how}`,
      target: `client ${clientId}`,
      ...(changed && { details: { changed } }),
    })

  test('a client does not approve its own by another client that it registered', async () => {
    const first = await robot('First')
    const wanted = { client_id: 'second', client_name: 'Second', scope: 'broker:administer', grant_types: ['client_credentials'] }
    const { body } = await call(first, '/clients', { ...wanted, client_uri: 'https://second.example/', audience: 'https://second.example' })
    const { client_id: clientId, client_secret: secret } = body as unknown as { client_id: string; client_secret: string }
    const second = { ...first, clientId, secret, basic: `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}` }
    const asked = await call(first, '/revocations', EVERYTHING)
    expect(asked.status).toBe(202)
    expect((await call(second, `/scheduled-acts/${asked.body.act.id}/confirm`)).status).toBe(409)
    expect(await rig.store.listRevocations({ limit: 1 })).toEqual([])
  })

  test.each<[string, number, (by: RegisteredClient, first: RegisteredClient, second: RegisteredClient) => Promise<unknown>]>([
    [
      'registered one that registered the second',
      409,
      async (by, first, second) => [await signed('add', first, by), await signed('add', by, second)],
    ],
    ['set the keys of the second', 409, (_by, first, second) => signed('change', first, second, { jwks: {} })],
    [
      'rotated the secret of the second, which rotated its own a hundred times',
      409,
      async (_by, first, second) => {
        await signed('rotate_secret', first, second)
        for (let at = 0; at < 100; at++) await signed('rotate_secret', second, second)
      },
    ],
    ['was registered by the same client', 409, async (by, first, second) => [await signed('add', by, first), await signed('add', by, second)]],
    ['changed the name of the second', 200, (_by, first, second) => signed('change', first, second, { client_name: {} })],
  ])('the first client %s: %i', async (_what, status, before) => {
    const [by, first, second] = [await robot('By'), await robot('First'), await robot('Second')]
    await before(by, first, second)
    const asked = await call(first, '/revocations', EVERYTHING)
    expect((await call(second, `/scheduled-acts/${asked.body.act.id}/confirm`)).status).toBe(status)
  })

  test('cmb says that it waits; another administrator approves or declines it', async () => {
    await startCmb(rig)
    const type = (args: string[], user = 'olga'): Promise<Ran> => cmb(args, { dataDir: rig.config.dataDir, user })
    const ask = async (): Promise<string> => {
      const { code, out } = await type(['revoke', '--everything', '--yes'])
      expect([code, out]).toEqual([0, expect.stringContaining('Nothing is revoked yet: it ends more sessions than one administrator may end alone.')])
      return /cmb scheduled confirm (a_\S+)/.exec(out)?.[1] ?? ''
    }
    const [declined, approved] = [await ask(), await ask()]
    expect((await type(['revocations', 'approve', declined])).err).toContain('Another administrator must confirm it.')
    expect((await type(['revocations', 'decline', declined], 'erin')).out).toBe('Canceled: revoke everything.\n')
    expect((await type(['revocations', 'approve', approved], 'erin')).out).toMatch(/^Done: revoke everything \(seq 1\)/)
    const dry = await type(['revoke', '--everything', '--dry-run'])
    expect(dry.out).toMatch(/^This would end 0 session/)
  })
})
