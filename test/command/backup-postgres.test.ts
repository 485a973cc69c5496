import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { Client } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { TABLES } from '../../db/postgres/tables.ts'
import { connectionConfig } from '../../db/postgres/connect.ts'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import { createDatabase, HAS_POSTGRES } from '../postgres.ts'
import { createRig, type Rig } from '../rig.ts'
import { cmb, startCmb } from './cmb.ts'

/**
 * A backup of a store on Postgres is one file, which can be restored into an empty Postgres
 * database, or as SQLite.
 */

async function databaseUrl(): Promise<string> {
  const database = await createDatabase()
  onTestFinished(() => database.drop())
  return database.url
}

async function backedUp() {
  const url = await databaseUrl()
  const rig = await createRig({ config: { databaseUrl: url } })
  const { type } = await startCmb(rig)
  const dir = mkdtempSync(join(tmpdir(), 'cmb-backup-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const client = await rig.register('Sydney')
  const alice = await rig.openSession()
  const tokens = await rig.signInAt(alice.session.sid, client)
  const file = join(dir, 'backup.db')
  return { url, rig, type, dir, client, alice, tokens, file }
}

const refresh = async (rig: Rig, basic: string, token = ''): Promise<number> =>
  (
    await rig.post(
      '/token',
      { grant_type: 'refresh_token', refresh_token: token },
      { authorization: basic },
    )
  ).status

describe.skipIf(!HAS_POSTGRES)('cmb backup and restore on Postgres', () => {
  test('a backup has every row of every table, and no other file beside it; a second of the same name is rejected', async () => {
    const { url, type, dir, file } = await backedUp()
    const made = await type(['backup', file])
    expect(made).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringMatching(
        new RegExp(`^path +${file}\nbytes +${statSync(file).size}\nlog +\\S+ 0\n$`),
      ) as string,
    })
    expect([statSync(file).mode & 0o777, readdirSync(dir)]).toEqual([0o600, ['backup.db']])
    expect((await type(['backup', file])).err).toContain('overwrites no file')
    const db = new Database(file, { readonly: true })
    const client = new Client(connectionConfig(url))
    await client.connect()
    // The tables that are written after the moment of the backup: its own audit entry and time, and
    // the second request for it.
    const later = new Set([
      'audit',
      'audit_outcomes',
      'audit_salts',
      'chain_heads',
      'settings',
      'registry',
    ])
    for (const { name, columns } of TABLES) {
      if (later.has(name)) continue
      const list = columns.map((column) => `"${column.name}"`).join(', ')
      const { rows } = await client.query<unknown[]>({
        text: `SELECT ${list} FROM "${name}"`,
        rowMode: 'array',
      })
      const copied = db.prepare(`SELECT ${list} FROM "${name}"`).raw().all()
      const sorted = (all: unknown[]): string[] => all.map((row) => JSON.stringify(row)).toSorted()
      expect([name, sorted(copied)]).toEqual([name, sorted(rows)])
    }
    expect(db.prepare('SELECT count(*) FROM sessions').pluck().get()).toBe(1)
    db.close()
    await client.end()
  })

  test('restored into an empty database it begins a new log: every user signs in again, by new keys, and clients are known', async () => {
    const { rig, type, dir, client, alice, tokens, file } = await backedUp()
    await type(['backup', file])
    const to = await databaseUrl()
    const dataDir = join(dir, 'data')
    const env = { BROKER_DATABASE_URL_FILE: join(dir, 'database_url') }
    writeFileSync(env.BROKER_DATABASE_URL_FILE, `${to}\n`)
    const ran = await cmb(['restore', file, '--yes', '--json'], { dataDir, env })
    expect(ran).toMatchObject({ code: 0 })
    expect(ran.json()).toMatchObject({
      log: { seq: expect.any(Number) as number },
      database: expect.any(String) as string,
    })
    expect(readdirSync(dataDir)).toEqual(['postgres.mark'])

    const withoutSettings = await cmb(['restore', file, '--yes'], { dataDir })
    expect(withoutSettings).toMatchObject({
      code: 2,
      err: expect.stringContaining('keeps its state in Postgres') as string,
    })
    expect(readdirSync(dataDir)).toEqual(['postgres.mark'])

    const restored = await createRig({ config: { databaseUrl: to } })
    expect(await restored.store.statusBySid(alice.session.sid, rig.clock.now())).toMatchObject({
      state: 'ended',
      session: { ended: { reason: 'restored' } },
    })
    expect(await refresh(restored, client.basic, tokens.refresh_token)).toBe(400)
    const kids = rig.keys.jwks().keys.map((key) => key['kid'])
    expect(restored.keys.jwks().keys.filter((key) => kids.includes(key['kid']))).toEqual([])
    const again = await restored.signInAt((await restored.openSession()).session.sid, client)
    expect(await refresh(restored, client.basic, again.refresh_token)).toBe(200)
    const acts = (await restored.store.listAudit({ limit: 10 })).map(({ act, ended }) => [
      act,
      ended?.outcome,
    ])
    expect(acts).toEqual(
      expect.arrayContaining([
        ['restore', 'done'],
        ['backup', 'done'],
      ]),
    )

    const used = await cmb(['restore', file, '--yes'], { dataDir, env })
    expect([used.code, used.err]).toEqual([
      1,
      expect.stringContaining('The database is in use by a broker'),
    ])
  })

  test('restored without a Postgres it is a SQLite store, and its audit log goes on', async () => {
    const { rig, type, dir, alice, file } = await backedUp()
    await type(['backup', file])
    const dataDir = join(dir, 'data')
    expect(await cmb(['restore', file, '--yes'], { dataDir })).toMatchObject({ code: 0 })
    const store = await openSqliteStore({ file: join(dataDir, 'broker.db') })
    expect((await store.statusBySid(alice.session.sid, rig.clock.now())).state).toBe('ended')
    const ids = (await store.listAudit({ limit: 10 })).map(({ id }) => id)
    expect(ids).toEqual(ids.toSorted((a, b) => b - a))
    await store.close()
  })

  test('a SQLite backup is restored into Postgres too; what is not a backup is rejected, and nothing of it is left', async () => {
    const rig = await createRig()
    const { type } = await startCmb(rig)
    const dir = mkdtempSync(join(tmpdir(), 'cmb-backup-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    const { session } = await rig.openSession()
    const file = join(dir, 'backup.db')
    await type(['backup', file])
    const to = await databaseUrl()
    const dataDir = join(dir, 'data')
    const broken = await cmb(['restore', import.meta.filename, '--to', to, '--yes'], { dataDir })
    expect([broken.code, broken.err]).toEqual([
      1,
      expect.stringContaining('is not a complete database of the broker'),
    ])
    expect(readdirSync(dataDir)).toEqual([])
    expect(await cmb(['restore', file, '--to', to, '--yes'], { dataDir })).toMatchObject({
      code: 0,
    })
    const restored = await createRig({ config: { databaseUrl: to } })
    expect((await restored.store.statusBySid(session.sid, rig.clock.now())).state).toBe('ended')
  })

  test('adopting asks first, and says what is missing', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'cmb-backup-'))
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
    const err = (text: string) => expect.stringContaining(text) as string
    expect(await cmb(['restore'], { dataDir })).toMatchObject({
      code: 2,
      err: err('Name what to restore'),
    })
    expect(await cmb(['restore', 'x', '--nothing-lost'], { dataDir })).toMatchObject({
      code: 2,
      err: err('goes with --adopt'),
    })
    expect(await cmb(['restore', '--adopt', '--yes'], { dataDir })).toMatchObject({
      code: 2,
      err: err('set BROKER_DATABASE_URL'),
    })
    const env = { BROKER_DATABASE_URL: await databaseUrl() }
    expect(await cmb(['restore', '--adopt'], { dataDir, env })).toMatchObject({
      code: 2,
      err: err('signs every user out. Nothing was done. Add --yes'),
    })
    expect(await cmb(['restore', '--adopt', '--yes'], { dataDir, env })).toMatchObject({
      code: 1,
      err: err('no broker has used it'),
    })
  })
})
