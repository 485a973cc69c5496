import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { sha256 } from '../../src/runtime/compare.ts'
import { createRig, type Rig } from '../rig.ts'
import { startCmb } from './cmb.ts'

let rig: Rig
let type: Awaited<ReturnType<typeof startCmb>>['type']

beforeEach(async () => {
  rig = await createRig()
  ;({ type } = await startCmb(rig))
})

const ADD = [
  'clients',
  'add',
  'sydney',
  '--name',
  'Case Manager Sydney',
  '--redirect-uri',
  'https://sydney.example/callback',
  '--logout-uri',
  'https://sydney.example/logout',
]

describe('cmb clients', () => {
  test('adds a client: its secret is printed once, kept as a hash, and valid', async () => {
    const added = await type([...ADD, '--json'])
    expect(added).toMatchObject({ code: 0, err: '' })
    const { client_secret: secret } = added.json<{ client_secret: string }>()
    expect(secret).toMatch(/^cms_[\w-]{43}$/)
    expect(rig.clients.find('sydney')?.secrets.map((secretHash) => secretHash.hash)).toEqual([
      sha256(secret),
    ])
    const shown = await type(['clients', 'show', 'sydney', '--json'])
    expect(shown.out).not.toContain(secret)
    expect(shown.json()).toMatchObject({
      client_id: 'sydney',
      source: 'command',
      backchannel_logout_uris: ['https://sydney.example/logout'],
      secrets: [{ id: expect.any(String) as string }],
    })
    expect((await type(['clients', 'list'])).out).toContain('Case Manager Sydney')
    expect(rig.lines.join('\n')).not.toContain(secret)
  })

  test('words for users say that the secret is shown only this once', async () => {
    const { out } = await type(ADD)
    expect(out).toContain('shown only this once')
    expect(out).toMatch(/cms_[\w-]{43}/)
  })

  test('a client_id that is taken is rejected and changes nothing', async () => {
    await type(ADD)
    const before = rig.clients.find('sydney')
    const again = await type(ADD)
    expect(again.code).toBe(1)
    expect(again.err).toContain('sydney is already registered')
    expect(rig.clients.find('sydney')).toEqual(before)
  })

  test('every problem of a registration is reported at once', async () => {
    const rejected = await type([
      'clients',
      'add',
      'sydney',
      '--name',
      'Sydney',
      '--redirect-uri',
      'http://sydney.example/',
      '--logout-uri',
      'ftp://sydney.example/',
      '--grant',
      'authorization_code',
    ])
    expect(rejected.code).toBe(1)
    expect(rejected.err).toContain('redirect_uris')
    expect(rejected.err).toContain('backchannel_logout_uris')
  })

  test('a registration is read from a file or standard input, options win over it', async () => {
    const yaml = 'client_name: From a file\nredirect_uris: [https://reports.example/callback]\n'
    const file = join(rig.dir, 'reports.yaml')
    writeFileSync(file, yaml)
    expect(
      (
        await type(['clients', 'add', 'reports', '--metadata', file, '--name', 'Reports', '--json'])
      ).json(),
    ).toMatchObject({
      client_name: 'Reports',
      redirect_uris: ['https://reports.example/callback'],
    })
    expect(
      (
        await type(['clients', 'add', 'reports2', '--metadata', '-', '--json'], { input: yaml })
      ).json(),
    ).toMatchObject({
      client_name: 'From a file',
    })
    expect(
      await type(['clients', 'add', 'reports3', '--metadata', join(rig.dir, 'nowhere')]),
    ).toMatchObject({
      code: 2,
      err: expect.stringContaining('cannot be read') as string,
    })
  })

  test('update changes what is named and keeps the rest', async () => {
    await type(ADD)
    const { secrets } = rig.clients.find('sydney') ?? { secrets: [] }
    expect(await type(['clients', 'update', 'sydney', '--name', 'Sydney 2'])).toMatchObject({
      code: 0,
    })
    expect(rig.clients.find('sydney')).toMatchObject({
      metadata: { name: 'Sydney 2', redirectUris: ['https://sydney.example/callback'] },
      secrets,
    })
    expect(await type(['clients', 'update', 'sydney'])).toMatchObject({ code: 2 })
  })

  test('update asks before a lower max_authentication_age ends grants; --dry-run changes nothing, and --yes does not ask', async () => {
    const sydney = await rig.register('Sydney')
    const { session } = await rig.openSession({ authTime: rig.clock.now() - 7200 })
    await rig.signInAt(session.sid, sydney)
    const limit = () => rig.clients.find('sydney')?.metadata.maxAuthenticationSeconds
    const update = (age: string, args: string[] = [], answer?: string) =>
      type(['clients', 'update', 'sydney', '--metadata', '-', ...args], {
        input: `max_authentication_age: ${age}`,
        ...(answer !== undefined && { answer }),
      })
    const ends = '1 session(s) of 1 user(s), at 1 client(s); 1 logout token(s)'
    const rejected = await update('3600')
    expect([rejected.code, rejected.err]).toEqual([
      2,
      expect.stringContaining(`This would end ${ends}`),
    ])
    const declined = await update('3600', [], 'no')
    expect([declined.code, declined.err]).toEqual([
      1,
      expect.stringContaining(`This would end ${ends}`),
    ])
    expect((await update('3600', ['--dry-run'])).out).toContain(`This would end ${ends}`)
    expect([limit(), await rig.store.listAudit({ act: 'client.change', limit: 2 })]).toEqual([
      undefined,
      [],
    ])
    expect((await update('86400')).code).toBe(0)
    expect((await update('3600', [], 'yes')).code).toBe(0)
    expect(limit()).toBe(3600)
    expect((await update('null')).code).toBe(0)
    expect((await update('3600', ['--yes'])).code).toBe(0)
    expect(limit()).toBe(3600)
  })

  test('rotate-secret: two are valid at a time, a third ends the first', async () => {
    const first = (await type([...ADD, '--json'])).json<{ client_secret: string }>().client_secret
    rig.clock.advance(1)
    const second = (await type(['clients', 'rotate-secret', 'sydney', '--json'])).json<{
      client_secret: string
    }>().client_secret
    const hashes = () =>
      rig.clients
        .find('sydney')
        ?.secrets.map((secret) => secret.hash)
        .toSorted()
    expect(hashes()).toEqual([sha256(first), sha256(second)].toSorted())
    rig.clock.advance(1)
    const third = (await type(['clients', 'rotate-secret', 'sydney', '--json'])).json<{
      client_secret: string
    }>().client_secret
    expect(hashes()).toEqual([sha256(second), sha256(third)].toSorted())
  })

  test('rotate-secret and remove-secret are in the audit log with the ids of the secrets before and after, and no secret', async () => {
    const first = (await type([...ADD, '--json'])).json<{
      client_secret: string
      secrets: { id: string }[]
    }>()
    const [old] = first.secrets
    rig.clock.advance(1)
    const { client_secret: secret, secrets } = (
      await type(['clients', 'rotate-secret', 'sydney', '--json'])
    ).json<typeof first>()
    const ids = secrets.map(({ id }) => id)
    const audited = async (act: string) =>
      (await rig.store.listAudit({ act, limit: 1 }))[0]?.ended?.result
    expect(await audited('client.rotate_secret')).toEqual({
      changed: { secrets: { before: [old?.id], after: ids } },
    })
    await type(['clients', 'remove-secret', 'sydney', old?.id ?? ''])
    expect(await audited('client.remove_secret')).toEqual({
      changed: { secrets: { before: ids, after: ids.filter((id) => id !== old?.id) } },
    })
    const log = JSON.stringify(await rig.store.listAudit({ limit: 100 }))
    for (const value of [first.client_secret, secret]) expect(log).not.toContain(value)
  })

  test('rotate-secret replaces the secret of a client that another interface registered', async () => {
    const { metadata } = rig.clients.find((await rig.register('Sydney')).clientId) ?? {}
    if (metadata === undefined) return expect.unreachable()
    await rig.store.putClient({
      clientId: 'perth',
      source: 'api',
      metadata: { ...metadata, audience: 'https://perth.example' },
      secrets: [],
      now: rig.clock.now(),
    })
    await rig.clients.reload()
    const { client_secret: secret, secrets } = (
      await type(['clients', 'rotate-secret', 'perth', '--json'])
    ).json<{ client_secret: string; secrets: { id: string }[] }>()
    expect(rig.clients.find('perth')?.secrets.map(({ hash }) => hash)).toEqual([sha256(secret)])
    await type(['clients', 'remove-secret', 'perth', secrets[0]?.id ?? ''])
    expect(rig.clients.find('perth')?.secrets).toEqual([])
    expect((await type(['clients', 'update', 'perth', '--name', 'Mine'])).code).toBe(1)
  })

  test('remove asks for the name, revokes what the client holds, and names the revocation', async () => {
    await type(ADD)
    expect(await type(['clients', 'remove', 'sydney'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--yes') as string,
    })
    expect(await type(['clients', 'remove', 'sydney'], { answer: 'melbourne' })).toMatchObject({
      code: 1,
      err: expect.stringContaining('Nothing was done') as string,
    })
    expect(rig.clients.find('sydney')).toBeDefined()
    expect((await type(['clients', 'remove', 'sydney'], { answer: 'sydney' })).out).toMatch(
      /removed +yes\nseq +\d+/,
    )
    expect(rig.clients.find('sydney')).toBeUndefined()
    const [revocation] = await rig.store.listRevocations({ limit: 1 })
    expect(revocation).toMatchObject({
      selector: { kind: 'client', clientId: 'sydney' },
      reason: 'client_removed',
      actor: { kind: 'operator', id: 'cmb@olga (unverified)' },
    })
    expect(await type(['clients', 'remove', 'sydney', '--yes'])).toMatchObject({ code: 1 })
  })

  test('what another source has registered is not touched, except for an explicit removal', async () => {
    Object.assign(rig.config, { clientsFile: '/etc/broker/clients.yaml' })
    const sydney = await rig.register('Sydney')
    await rig.store.putClient({
      clientId: 'perth',
      source: 'file',
      metadata: { ...sydney.metadata, name: 'Perth' },
      secrets: [],
      now: rig.clock.now(),
    })
    await rig.clients.reload()
    for (const args of [
      ['update', 'perth', '--name', 'Mine'],
      ['rotate-secret', 'perth'],
      ['remove', 'perth', '--yes'],
    ]) {
      expect(await type(['clients', ...args])).toMatchObject({
        code: 1,
        err: expect.stringContaining('clients file') as string,
      })
    }
    expect((await type(['clients', 'rotate-secret', 'perth'])).err).toMatch(
      /Run cmb clients new-secret\..*Edit \/etc\/broker\/clients\.yaml: at client_id: perth,.*both secrets work/s,
    )
    expect(rig.clients.find('perth')?.metadata.name).toBe('Perth')
    const removed = await type(['clients', 'remove', 'perth', '--source', 'file', '--yes'])
    expect(removed.out).toContain('Remove it from the file too')
    expect(rig.clients.find('perth')).toBeUndefined()
  })

  test('new-secret needs no broker', async () => {
    const { client_secret: secret, client_secret_hash: hash } = (
      await type(['clients', 'new-secret', '--json'])
    ).json<{
      client_secret: string
      client_secret_hash: string
    }>()
    expect(hash).toBe(sha256(secret))
  })
})
