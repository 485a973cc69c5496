import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import { createRig, type Rig } from '../rig.ts'
import { cmb, startCmb } from './cmb.ts'

let rig: Rig
let type: Awaited<ReturnType<typeof startCmb>>['type']
let alice: Awaited<ReturnType<Rig['openSession']>>
let dir: string

beforeEach(async () => {
  rig = await createRig()
  ;({ type } = await startCmb(rig))
  alice = await rig.openSession()
  const made = mkdtempSync(join(tmpdir(), 'cmb-backup-'))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  dir = made
})

const audit = async () => (await rig.store.listAudit({ limit: 1 }))[0]

/**
 * Returns true if the system lets no user make that folder, root included. A kernel, or a chroot,
 * may answer otherwise.
 */
function rejectsRoot(path: string): boolean {
  try {
    mkdirSync(path, { recursive: true })
    return false
  } catch (error) {
    return /^E(ACCES|PERM|ROFS):/.test((error as Error).message)
  }
}

describe('cmb backup and restore', () => {
  test('a backup of the running broker, written down; a second of the same name is rejected', async () => {
    const file = join(dir, 'broker.db')
    expect(await type(['backup', file])).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringMatching(
        new RegExp(`^path +${file}\nbytes +${statSync(file).size}\nlog +\\S+ 0\n$`),
      ) as string,
    })
    expect(await audit()).toMatchObject({
      act: 'backup',
      target: `file ${file}`,
      actor: { id: 'cmb@olga (unverified)' },
      ended: { outcome: 'done' },
    })
    const scraped = await (await rig.opsApp.request('/metrics')).text()
    expect(scraped).toContain(`broker_last_backup_at_seconds ${rig.clock.now()}\n`)
    const again = await type(['backup', file])
    expect(again.code).toBe(1)
    expect(again.err).toContain('overwrites no file')
    for (const unwritable of [join(dir, 'nowhere', 'broker.db'), '/sys/broker.db']) {
      const rejected = await type(['backup', unwritable])
      expect([rejected.code, rejected.err]).toEqual([
        1,
        expect.stringMatching(
          /: E[A-Z]+\. Its directory must exist[^]* a path on a mounted volume/,
        ),
      ])
    }
  })

  test('restored on another machine: every user is signed out, and it says so', async () => {
    const file = join(dir, 'broker.db')
    await type(['backup', file])
    const dataDir = join(dir, 'data')
    const ran = await cmb(['restore', file], { dataDir, answer: 'yes' })
    expect(ran).toMatchObject({ code: 0 })
    expect(ran.out).toContain('Every user is signed out')
    expect(ran.err).toContain('signs every user out')
    const store = await openSqliteStore({ file: join(dataDir, 'broker.db') })
    expect(await store.statusBySid(alice.session.sid, rig.clock.now())).toMatchObject({
      state: 'ended',
      session: { ended: { reason: 'restored' } },
    })
    await store.close()
  })

  test('by root: every file has the owner of the data directory, and cmb doctor names one that has another', async ({
    skip,
  }) => {
    skip(process.getuid?.() !== 0, 'Only root can give files to another user.')
    const file = join(dir, 'broker.db')
    await type(['backup', file])
    const dataDir = join(dir, 'data')
    mkdirSync(dataDir, { mode: 0o700 })
    chownSync(dataDir, 65_534, 65_534)
    expect(await cmb(['restore', file, '--yes'], { dataDir })).toMatchObject({ code: 0 })
    const files = readdirSync(dataDir)
    expect(files).toContain('broker.db.mark')
    expect(files.filter((candidate) => statSync(join(dataDir, candidate)).uid !== 65_534)).toEqual(
      [],
    )
    expect((await cmb(['doctor'], { dataDir })).out).not.toMatch(/^Act .*data-directory/m)
    chownSync(join(dataDir, 'broker.db.mark'), 0, 0)
    expect((await cmb(['doctor'], { dataDir })).out).toContain(
      `-> chown 65534 ${join(dataDir, 'broker.db.mark')}\n`,
    )
  })

  test('asks; without a terminal it needs --yes', async () => {
    const file = join(dir, 'broker.db')
    await type(['backup', file])
    const dataDir = join(dir, 'data')
    expect(await cmb(['restore', file], { dataDir, answer: 'no' })).toMatchObject({
      code: 1,
      err: expect.stringContaining('Nothing was done') as string,
    })
    expect(await cmb(['restore', file], { dataDir })).toMatchObject({
      code: 2,
      err: expect.stringContaining('--yes') as string,
    })
    expect(await cmb(['restore', file, '--yes', '--json'], { dataDir })).toMatchObject({ code: 0 })
  })

  test('a backup that cannot be read, or a data directory that cannot be written, is named, with the user who needs the right', async () => {
    const file = join(dir, 'broker.db')
    await type(['backup', file])
    const right = `This command runs with the user id ${process.getuid?.()}. Let that user read`
    if (rejectsRoot('/sys/broker')) {
      const unwritable = await cmb(['restore', file, '--yes'], { dataDir: '/sys/broker' })
      expect(unwritable).toMatchObject({
        code: 1,
        err: expect.stringMatching(/^E[A-Z]+: .*'\/sys\/broker'\.\n/) as string,
      })
      expect(unwritable.err).toContain(right)
    }
    // Root may read every file, but no directory as one.
    const isRoot = process.getuid?.() === 0
    chmodSync(file, 0)
    const unread = await cmb(['restore', isRoot ? dir : file, '--yes'], {
      dataDir: join(dir, 'data'),
    })
    expect(unread).toMatchObject({ code: 1, err: expect.stringMatching(/^E[A-Z]+: /) as string })
    expect(unread.err.includes(right)).toBe(!isRoot)
    expect(unread.err).toContain(isRoot ? dir : file)
  })

  test('is rejected while a broker runs on that data', async () => {
    const file = join(dir, 'broker.db')
    await type(['backup', file])
    const ran = await type(['restore', file, '--yes'])
    expect(ran.code).toBe(1)
    expect(ran.err).toContain('Another broker has')
    expect((await rig.store.statusBySid(alice.session.sid, rig.clock.now())).state).toBe('live')
  })
})

describe('cmb users erase', () => {
  test('asks with the user and the number of sessions, then signs out and erases; the audit entry has no name', async () => {
    const sub = alice.session.sub
    const ran = await type(['users', 'erase', '--subject', sub, '--case', 'DSR-1'], {
      answer: 'yes',
    })
    expect(ran).toMatchObject({ code: 0 })
    expect(ran.err).toContain(`ends 1 session(s) of ${alice.session.user.name} (${sub})`)
    expect((await rig.store.statusBySid(alice.session.sid, rig.clock.now())).state).toBe('ended')
    expect(await rig.store.findSubject(sub)).toMatchObject({ name: undefined, username: undefined })
    const entry = await audit()
    expect(entry).toMatchObject({
      act: 'users.erase',
      target: `subject ${sub}`,
      caseReference: 'DSR-1',
      ended: { outcome: 'done' },
    })
    expect(JSON.stringify(entry)).not.toContain('alice')
    // Listeners of the feed and instances get an ordinary revocation.
    expect(rig.lines.join('\n')).toContain('"event":"revoked"')
  })

  test('names the user whom a few words have found, before it asks', async () => {
    const { sub, user } = alice.session
    const ran = await type(['users', 'erase', '--user', 'ali'], { answer: 'no' })
    expect([ran.code, ran.err]).toEqual([
      1,
      expect.stringContaining(`ends 1 session(s) of ${user.name} (${sub})`),
    ])
    expect(await rig.store.findSubject(sub)).toMatchObject({ name: user.name })
  })

  test('by tenant and object id; an unknown name, and half a name, are rejected', async () => {
    const { tid, oid } = rig.microsoft.user
    expect(await type(['users', 'erase', '--tid', tid, '--oid', oid, '--yes'])).toMatchObject({
      code: 0,
    })
    expect(await type(['users', 'erase', '--subject', 'u_nobody', '--yes'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('No such user') as string,
    })
    expect(await type(['users', 'erase', '--tid', tid])).toMatchObject({ code: 2 })
    expect(await type(['users', 'erase', '--subject', alice.session.sub])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--yes') as string,
    })
  })
})

describe('cmb users export', () => {
  test('prints one JSON document of what is held about a user, and the audit log has who asked', async () => {
    const { sub, user } = alice.session
    const bob = await rig.openSession({
      user: { oid: '00000000-0000-4000-8000-000000000b0b', username: 'bob@contoso.example' },
    })
    const ran = await type([
      'users',
      'export',
      '--tid',
      user.tid,
      '--oid',
      user.oid,
      '--case',
      'DSR-2',
    ])
    expect(ran).toMatchObject({ code: 0, err: '' })
    const held = ran.json<Record<string, Record<string, unknown>[]>>()
    expect(held).toMatchObject({
      sub,
      user: [{ username: user.username }],
      session: [{ sid: alice.session.sid }],
      history: [{ kind: 'signed_in' }],
    })
    expect(ran.out).not.toContain(bob.session.sub)
    const entry = await audit()
    expect(entry).toMatchObject({
      act: 'users.export',
      target: `subject ${sub}`,
      caseReference: 'DSR-2',
      ended: { outcome: 'done' },
    })
    expect((await type(['users', 'export', '--subject', sub])).json()).toMatchObject({ sub })
  })

  test('a user that is not there, half a name, and two names are rejected', async () => {
    expect(await type(['users', 'export', '--subject', 'u_nobody'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('No such user') as string,
    })
    for (const args of [[], ['--tid', 'x'], ['--user', 'a', '--subject', 'u_1']])
      expect((await type(['users', 'export', ...args])).code).toBe(2)
  })
})

describe('by the admin API over HTTP', () => {
  test('an export is for administrators, and each page but the first needs the next that the page before it had', async () => {
    const ask = async (scope: string, body: unknown) => {
      const client = await rig.register(scope.replace(':', '-'), {
        grants: ['client_credentials'],
        scopes: [scope],
        redirectUris: [],
      })
      const answer = await rig.post(
        '/token',
        { grant_type: 'client_credentials', scope },
        { authorization: client.basic },
      )
      const headers = {
        authorization: `Bearer ${((await answer.json()) as { access_token: string }).access_token}`,
        'content-type': 'application/json',
      }
      return rig.opsApp.request('http://localhost:7401/admin/v1/users/export', {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      })
    }
    const { sub } = alice.session
    expect((await ask('broker:operate', { sub })).status).toBe(403)
    expect((await ask('broker:administer', { sub })).status).toBe(200)
    expect((await ask('broker:administer', { next: '6:' })).status).toBe(404)
    expect((await ask('broker:administer', { sub, next: '6:' })).status).toBe(400)
  })

  test('no backup is made: its path would be one of this machine; and only an administrator erases', async () => {
    const bearer = async (scope: string) => {
      const client = await rig.register(scope.replace(':', '-'), {
        grants: ['client_credentials'],
        scopes: [scope],
        redirectUris: [],
      })
      const answer = await rig.post(
        '/token',
        { grant_type: 'client_credentials', scope },
        { authorization: client.basic },
      )
      return `Bearer ${((await answer.json()) as { access_token: string }).access_token}`
    }
    const send = async (path: string, scope: string, body: unknown) =>
      rig.opsApp.request(`http://localhost:7401/admin/v1${path}`, {
        method: 'POST',
        headers: { authorization: await bearer(scope), 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    expect((await send('/backup', 'broker:administer', { path: join(dir, 'b.db') })).status).toBe(
      403,
    )
    expect((await send('/users/erase', 'broker:operate', { sub: alice.session.sub })).status).toBe(
      403,
    )
    expect((await rig.store.statusBySid(alice.session.sid, rig.clock.now())).state).toBe('live')
  })
})
