import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { sha256 } from '../../src/runtime/compare.ts'
import { watchClientsFile } from '../../src/clients/clients-file.ts'
import { fingerprintOf, readClientsFile } from '../../src/clients/read-clients-file.ts'
import { createRig, type Rig } from '../rig.ts'

const HASH = sha256('cms_a-secret-that-is-random-enough-for-a-test')
const CLIENT = (id: string, name = id) => `  - client_id: ${id}
    client_name: ${name}
    redirect_uris: [https://${id}.example/callback]
    client_secret_hash: ${HASH}
`
const GOOD = `clients:\n${CLIENT('sydney')}${CLIENT('melbourne')}`

let rig: Rig
let file: string

beforeEach(async () => {
  rig = await createRig({ config: { allowLoopbackTargets: false } })
  file = join(rig.dir, 'clients.yaml')
})

const read = (text: string) => {
  writeFileSync(file, text)
  return readClientsFile(file, { allowLoopback: false })
}
const problems = async (text: string): Promise<string[]> => {
  const answer = await read(text)
  return answer.ok ? [] : answer.problems
}

async function watchIt(): Promise<void> {
  const watcher = await watchClientsFile(rig.deps, file, { pollMs: 50 })
  onTestFinished(() => watcher.close())
}
const registered = () =>
  rig.clients
    .list()
    .map((client) => `${client.clientId}: ${client.metadata.name}`)
    .toSorted()
const logged = (event: string): string[] =>
  rig.lines.filter((line) => line.includes(`"event":"${event}"`))
const become = async (expected: string[]) =>
  vi.waitFor(() => expect(registered()).toEqual(expected), { timeout: 60_000, interval: 20 })

describe('the clients file is read', () => {
  test('with the hash of a secret, or the file of one', async () => {
    writeFileSync(join(rig.dir, 'secret'), 'a-secret-of-more-than-32-characters-in-a-file\n')
    const answer = await read(
      `clients:\n${CLIENT('sydney')}${CLIENT('melbourne').replace(/client_secret_hash: .*/, 'client_secret_file: secret')}`,
    )
    expect(answer).toMatchObject({
      ok: true,
      clients: [
        { clientId: 'sydney', secretHashes: [HASH] },
        {
          clientId: 'melbourne',
          secretHashes: [sha256('a-secret-of-more-than-32-characters-in-a-file')],
        },
      ],
    })
  })

  test('every problem at once, each with its line', async () => {
    const found = await problems(`clients:
  - client_id: sydney
    client_name: Sydney
    redirect_uris:
      - http://sydney.example/callback
    colour: red
    client_secret_hash: short
  - client_id: "not an id"
    client_name: Perth
    redirect_uris: [https://perth.example/callback]
    client_secret_hash: ${HASH}
  - just a word
`)
    expect(found.map((problem) => problem.slice(0, 8)).toSorted()).toEqual([
      'line 12:',
      'line 4: ',
      'line 6: ',
      'line 7: ',
      'line 8: ',
    ])
    expect(found.join('\n')).toMatch(/sydney: redirect_uris.*https/)
  })

  test('what is not YAML, holds no list, names a client twice, or lacks a secret', async () => {
    expect((await problems('clients: [')).join()).toMatch(/line \d/)
    expect((await problems('customers: []')).join()).toContain('"clients:"')
    expect((await problems(`clients:\n${CLIENT('sydney')}${CLIENT('sydney')}`)).join()).toContain(
      'in the file twice',
    )
    expect((await problems(GOOD.replaceAll(/ +client_secret_hash: .*\n/g, ''))).join()).toContain(
      'needs client_secret_hash',
    )
    expect((await problems(`${GOOD}    token_endpoint_auth_method: none\n`)).join()).toContain(
      'uses no secret',
    )
    writeFileSync(join(rig.dir, 'weak'), 'hunter2')
    expect(
      (await problems(GOOD.replace(/client_secret_hash: .*/, 'client_secret_file: weak'))).join(),
    ).toContain('fewer than 32')
    expect(
      (
        await problems(GOOD.replace(/client_secret_hash: .*/, 'client_secret_file: nowhere'))
      ).join(),
    ).toContain('cannot be read')
    expect((await problems('clients: []\nmore: 1\n')).join()).toContain('line 2')
  })
})

describe('a clients file that was read before', () => {
  test('is recognized while neither the file nor a secret changes, also where it cannot be read', async () => {
    const same = async (secretFiles: string[]) =>
      (await readClientsFile(file, { allowLoopback: false })).fingerprint ===
      (await fingerprintOf(file, secretFiles))
    expect(await same([])).toBe(true)
    const secret = join(rig.dir, 'secret')
    writeFileSync(
      file,
      `clients:\n${CLIENT('sydney').replace(/client_secret_hash: .*/, 'client_secret_file: secret')}`,
    )
    expect(await same([secret])).toBe(true)
    const { fingerprint } = await readClientsFile(file, { allowLoopback: false })
    writeFileSync(secret, 'the-first-secret-of-more-than-32-characters')
    expect(await fingerprintOf(file, [secret])).not.toBe(fingerprint)
    expect(await same([secret])).toBe(true)
  })
})

describe('the clients file is followed', () => {
  test('clients are registered at start, and change when it does', async () => {
    writeFileSync(file, GOOD)
    await watchIt()
    expect(registered()).toEqual(['melbourne: melbourne', 'sydney: sydney'])
    expect(rig.clients.find('sydney')).toMatchObject({ source: 'file', secrets: [{ hash: HASH }] })
    writeFileSync(file, GOOD.replace('client_name: sydney', 'client_name: Sydney 2'))
    await become(['melbourne: melbourne', 'sydney: Sydney 2'])
    const audited = async (act: string) =>
      (await rig.store.listAudit({ act, target: 'client sydney', limit: 1 }))[0]?.details
    expect(await audited('client.add')).toMatchObject({
      registration: { client_name: 'sydney', secrets: [expect.any(String) as string] },
    })
    expect(await audited('client.change')).toEqual({
      changed: { client_name: { before: 'sydney', after: 'Sydney 2' } },
    })
    expect(JSON.stringify(await rig.store.listAudit({ limit: 10 }))).not.toContain(HASH)
  })

  test('a file that is replaced by renaming, as editors and config maps do, is followed too', async () => {
    writeFileSync(file, GOOD)
    await watchIt()
    for (const name of ['Once', 'Twice']) {
      writeFileSync(`${file}.new`, GOOD.replace('client_name: sydney', `client_name: ${name}`))
      renameSync(`${file}.new`, file)
      await become(['melbourne: melbourne', `sydney: ${name}`])
    }
  })

  test('an invalid file changes nothing and is reported; fixed, it counts again', async () => {
    writeFileSync(file, GOOD)
    await watchIt()
    writeFileSync(file, `clients:\n${CLIENT('sydney', 'Changed')}  - client_id: perth\n`)
    await vi.waitFor(() => expect(logged('clients_file_rejected').join()).toContain('perth'), {
      timeout: 60_000,
      interval: 20,
    })
    expect(registered()).toEqual(['melbourne: melbourne', 'sydney: sydney'])
    writeFileSync(file, `clients:\n${CLIENT('sydney', 'Changed')}${CLIENT('melbourne')}`)
    await become(['melbourne: melbourne', 'sydney: Changed'])
  })

  test('an invalid or missing file at start leaves what was registered before', async () => {
    await watchIt()
    expect(logged('clients_file_rejected').join()).toContain('cannot be read')
    writeFileSync(file, GOOD)
    await become(['melbourne: melbourne', 'sydney: sydney'])
  })

  test('absence from the file disables nothing, and warns', async () => {
    writeFileSync(file, GOOD)
    await watchIt()
    writeFileSync(file, `clients:\n${CLIENT('sydney', 'Alone')}`)
    await become(['melbourne: melbourne', 'sydney: Alone'])
    await vi.waitFor(() => expect(logged('clients_file_lacks').join()).toContain('melbourne'), {
      timeout: 60_000,
      interval: 20,
    })
    expect((await rig.store.listRevocations({ limit: 1 })).length).toBe(0)
  })

  test('what it changes is written to the audit log, once, and what it does not change is not', async () => {
    writeFileSync(file, GOOD)
    await watchIt()
    await become(['melbourne: melbourne', 'sydney: sydney'])
    writeFileSync(file, `clients:\n${CLIENT('sydney', 'Sydney Harbour')}${CLIENT('melbourne')}`)
    await become(['melbourne: melbourne', 'sydney: Sydney Harbour'])
    await watchIt()
    const entries = await rig.store.listAudit({ after: 0, limit: 10 })
    expect(entries.map(({ act, target, ended }) => `${act} ${target}: ${ended?.outcome}`)).toEqual([
      'client.add client sydney: done',
      'client.add client melbourne: done',
      'client.change client sydney: done',
    ])
    for (const entry of entries)
      expect(entry).toMatchObject({ actor: { kind: 'broker', id: 'clients-file' }, via: 'file' })
    expect(JSON.stringify(entries)).not.toContain(HASH)
  })

  test('a client that another source has registered stays as it is', async () => {
    await rig.register('Sydney')
    writeFileSync(file, GOOD)
    await watchIt()
    expect(registered()).toEqual(['melbourne: melbourne', 'sydney: Case Manager Sydney'])
    expect(logged('clients_file_foreign').join()).toContain('"source":"command"')
  })

  test('a client that another source removes is then registered by the file, as the log says', async () => {
    await rig.register('Sydney')
    writeFileSync(file, GOOD)
    await watchIt()
    await rig.store.removeClient({
      clientId: 'sydney',
      source: 'command',
      actor: { kind: 'operator', id: 'olga' },
      now: rig.clock.now(),
    })
    await rig.clients.reload()
    await become(['melbourne: melbourne', 'sydney: sydney'])
    expect(logged('clients_file_foreign')).toHaveLength(1)
  })

  test('a new secret in its file is valid, the same one keeps its age', async () => {
    const secret = join(rig.dir, 'secret')
    writeFileSync(secret, 'the-first-secret-of-more-than-32-characters')
    writeFileSync(
      file,
      `clients:\n${CLIENT('sydney').replace(/client_secret_hash: .*/, 'client_secret_file: secret')}`,
    )
    await watchIt()
    const [before] = rig.clients.find('sydney')?.secrets ?? []
    rig.clock.advance(60)
    writeFileSync(
      file,
      `clients:\n${CLIENT('sydney', 'Renamed').replace(/client_secret_hash: .*/, 'client_secret_file: secret')}`,
    )
    await become(['sydney: Renamed'])
    expect(rig.clients.find('sydney')?.secrets).toEqual([before])
    writeFileSync(secret, 'the-second-secret-of-more-than-32-characters')
    await vi.waitFor(
      () =>
        expect(rig.clients.find('sydney')?.secrets.map((secretHash) => secretHash.hash)).toEqual([
          sha256('the-second-secret-of-more-than-32-characters'),
        ]),
      { timeout: 60_000, interval: 20 },
    )
  })
})
