import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { moveStore } from '../../db/move/move.ts'
import { TABLES } from '../../db/postgres/tables.ts'
import { connectionConfig } from '../../db/postgres/connect.ts'
import { openPostgresStore } from '../../db/postgres/store.ts'
import { writeMoveMark } from '../../db/sqlite/migration-marker.ts'
import { restoreBackup } from '../../db/sqlite/restore.ts'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import { placeDataFile } from '../data-file.ts'
import { Line } from '../line.ts'
import {
  createBareDatabase,
  createDatabase,
  HAS_POSTGRES,
  type Database as PostgresDatabase,
} from '../postgres.ts'
import { bench, expectOutcome, family, TENANT, type Bench } from './fixture.ts'

/** A store that moves from SQLite to Postgres: whole or not at all, and never served from both. */

const OLGA = { kind: 'operator', id: 'olga' } as const

describe.skipIf(!HAS_POSTGRES)('the move from SQLite to Postgres', () => {
  let dir: string
  let file: string
  let database: PostgresDatabase
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'broker-move-'))
    file = join(dir, 'broker.db')
    placeDataFile(file)
    database = await createDatabase()
  })
  afterEach(async () => {
    await database.drop()
    rmSync(dir, { recursive: true, force: true })
  })

  const onSqlite = (): Promise<Bench> =>
    bench({
      open: (nowMs) => openSqliteStore({ file, nowMs }),
      remove: () => undefined,
    })
  const onPostgres = (): Promise<Bench> =>
    bench({
      open: (nowMs) => openPostgresStore({ url: database.url, nowMs }),
      remove: () => undefined,
    })
  const move = (options: Partial<Parameters<typeof moveStore>[0]> = {}) =>
    moveStore({
      from: file,
      to: database.url,
      check: false,
      nowMs: () => 1_800_000_000_000,
      report: () => undefined,
      ...options,
    })
  /** A store with one user signed in. */
  const aStore = async (): Promise<string> => {
    const b = await onSqlite()
    const { session } = await b.signIn('alice')
    await b.revoke({ kind: 'session', sid: (await b.signIn('bob')).session.sid })
    await b.close()
    return session.sid
  }
  const inSqlite = (change: (db: Database.Database) => void): void => {
    const db = new Database(file)
    change(db)
    db.close()
  }
  const postgres = async <T>(use: (client: Client) => Promise<T>): Promise<T> => {
    const client = new Client(connectionConfig(database.url))
    await client.connect()
    try {
      return await use(client)
    } finally {
      await client.end()
    }
  }
  const countInPostgres = (table: string): Promise<unknown> =>
    postgres(
      async (client) =>
        (await client.query<{ count: number }>(`SELECT count(*) AS count FROM ${table}`)).rows[0]
          ?.count,
    )

  test('no user is signed out: sessions, refresh tokens, revocations, deliveries and the audit log go on where they were', async () => {
    const b = await onSqlite()
    await b.client('sydney')
    const { session } = await b.signIn('alice')
    const granted = family((await b.exchange(session.sid, 'sydney')).family)
    const bob = await b.signIn('bob')
    const gone = family((await b.exchange(bob.session.sid, 'sydney')).family)
    await b.revoke({ kind: 'session', sid: bob.session.sid })
    await b.revoke({ kind: 'tenant', tid: 'another' })
    await b.store.concludeAudit({
      id: await b.store.appendAudit({ actor: OLGA, via: 'command', act: 'revoke' }),
      outcome: 'done',
    })
    await b.store.askMicrosoft(
      [{ kind: 'check_user', tid: TENANT, oid: 'oid-alice' }],
      b.now * 1000,
    )
    const [before, audit, due] = [
      await b.store.head(),
      await b.store.listAudit({ limit: 10 }),
      await b.due(b.now * 1000),
    ]
    expect(due).toHaveLength(1)
    await b.close()

    const moved = await move()
    expect(moved).toMatchObject({
      log: before,
      keptAs: `${file}.moved-to-postgres`,
      tables: { sessions: 2, revocations: 2 },
    })
    const p = await onPostgres()
    expect(await p.store.head()).toEqual(before)
    expect((await p.store.statusBySid(session.sid, p.now)).state).toBe('live')
    expect((await p.store.statusBySid(bob.session.sid, p.now)).state).toBe('ended')
    const rotated = expectOutcome(await p.refresh(granted), 'rotated')
    expect(rotated.family.generation).toBe(granted.generation + 1)
    expectOutcome(await p.refresh(gone), 'rejected')
    expect(await p.due(p.now * 1000)).toEqual(due)
    expect(await p.store.listAudit({ limit: 10 })).toEqual(audit)
    const next = await p.store.appendAudit({ actor: OLGA, via: 'command', act: 'revoke' })
    expect(next).toBe((audit[0]?.id ?? 0) + 1)
    await p.revoke({ kind: 'everything' })
    expect((await p.store.head()).seq).toBe(before.seq + 1)
    await p.close()
  })

  test('every column of every table arrives as it was', async () => {
    await aStore()
    const text = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('', 'NULL', '{a,"b"}', "it's \\ \n", '\u{1f600}'),
    )
    const kept = text.filter((value) => !value.includes('\0') && value.isWellFormed())
    const number = fc.maxSafeInteger()
    // A sequence of Postgres goes on after the highest one, and begins at 1.
    const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
    inSqlite((db) => {
      for (const [at, { name, columns }] of TABLES.entries()) {
        if (name === 'log_head') continue
        const row = fc.tuple(
          ...columns.map(({ name: column, kind }): fc.Arbitrary<string | number> =>
            kind === 'text' ? kept : column === 'id' ? id : number,
          ),
        )
        // The audit log rejects a number that it has.
        const different = fc.uniqueArray(row, {
          minLength: 5,
          maxLength: 5,
          selector: ([first]) => first,
        })
        const rows = fc.sample(different, { numRuns: 1, seed: at }).flat()
        const insert = db.prepare(
          `INSERT OR IGNORE INTO ${name} (${columns.map((column) => `"${column.name}"`).join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
        )
        for (const values of rows) insert.run(...values)
      }
    })
    const list = ({ columns }: (typeof TABLES)[number]) =>
      columns.map(({ name }) => `"${name}"`).join(', ')
    const source = new Map<string, string[]>()
    inSqlite((db) => {
      for (const table of TABLES)
        source.set(
          table.name,
          db
            .prepare(`SELECT ${list(table)} FROM ${table.name}`)
            .raw()
            .all()
            .map((row) => JSON.stringify(row)),
        )
    })
    await move()
    await postgres(async (client) => {
      for (const table of TABLES) {
        const { rows } = await client.query<unknown[]>({
          text: `SELECT ${list(table)} FROM ${table.name}`,
          rowMode: 'array',
        })
        expect(rows.length).toBeGreaterThan(0)
        expect(rows.map((row) => JSON.stringify(row)).toSorted()).toEqual(
          source.get(table.name)?.toSorted(),
        )
      }
    })
  })

  test('afterwards no broker starts on the SQLite file, and no backup is restored beside it by mistake', async () => {
    await aStore()
    await move()
    expect([existsSync(file), existsSync(`${file}.moved-to-postgres`)]).toEqual([false, true])
    await expect(openSqliteStore({ file })).rejects.toThrow(
      /moved to Postgres \(.+\) at 2027-01-15T.+Set BROKER_DATABASE_URL/,
    )
    const restore = () =>
      restoreBackup({ backup: `${file}.moved-to-postgres`, file, actor: OLGA, nowMs: Date.now() })
    expect(restore).toThrow('moved to Postgres')
    await expect(move()).rejects.toThrow('moved to Postgres')
    rmSync(`${file}.move`)
    await expect(openSqliteStore({ file })).rejects.toThrow('is missing')
    expect(restore().seq).toBeGreaterThan(2 ** 32)
  })

  test('a text with U+0000 is named, nothing is copied, and both can be used', async () => {
    const sid = await aStore()
    inSqlite((db) =>
      db.prepare("UPDATE sessions SET device = 'a' || char(0) || 'b' WHERE sid = ?").run(sid),
    )
    const named = `sessions.device of the row sid="${sid}" has the character U+0000`
    await expect(move({ check: true })).rejects.toThrow(named)
    await expect(move()).rejects.toThrow(named)
    expect([await countInPostgres('subjects'), await countInPostgres('revocations')]).toEqual([
      0, 0,
    ])
    await (await onSqlite()).close()
    inSqlite((db) => db.prepare("UPDATE sessions SET device = 'ab' WHERE sid = ?").run(sid))
    expect((await move()).tables.sessions).toBe(2)
  })

  test('Postgres is lost after everything was copied: nothing was moved, and both can be used', async () => {
    const sid = await aStore()
    const { host, user, database: name } = new Client(database.url)
    const line = await Line.open({ path: join(host, '.s.PGSQL.5432') })
    onTestFinished(() => line.close())
    const to = `postgres://${user}@127.0.0.1:${line.port}/${name}`
    const report = (step: string): void => void (step === 'Verifying.' && line.refuse())
    await expect(move({ to, report })).rejects.toThrow('Nothing was moved')
    expect(await countInPostgres('sessions')).toBe(0)
    const b = await onSqlite()
    expect((await b.store.statusBySid(sid, b.now)).state).toBe('live')
    await b.close()
    expect((await move()).tables.sessions).toBe(2)
  })

  test('a command that dies after the commit: neither is served from the file, nor copied again; the repeated command finishes', async () => {
    const sid = await aStore()
    let asked = 0
    const dying = (): number => {
      if (++asked === 2) throw new Error('killed')
      return 1_800_000_000_000
    }
    await expect(move({ nowMs: dying })).rejects.toThrow('killed')
    await expect(openSqliteStore({ file })).rejects.toThrow('Repeat the command, which finishes it')
    // A broker serves from Postgres already.
    const p = await onPostgres()
    await p.revoke({ kind: 'session', sid })
    expect((await move()).keptAs).toBe(`${file}.moved-to-postgres`)
    expect((await p.store.statusBySid(sid, p.now)).state).toBe('ended')
    await p.close()
    await expect(openSqliteStore({ file })).rejects.toThrow('moved to Postgres')
  })

  test('a command that dies before its commit: the repeated command copies everything, and only into the same database', async () => {
    await aStore()
    const { to, log } = await move({ check: true })
    writeMoveMark(file, { state: 'committing', to, ...log, atMs: 0 })
    await expect(openSqliteStore({ file })).rejects.toThrow('Repeat the command, which finishes it')
    const other = await createDatabase()
    await expect(move({ to: other.url })).rejects.toThrow(
      `An earlier move of this file, to ${to}, was interrupted`,
    )
    await other.drop()
    expect((await move()).tables.sessions).toBe(2)
    expect(await countInPostgres('sessions')).toBe(2)
  })

  test('a check says what would be moved, and changes nothing', async () => {
    await aStore()
    const lines: string[] = []
    expect(await move({ check: true, report: (line) => void lines.push(line) })).toMatchObject({
      tables: { sessions: 2 },
      keptAs: undefined,
    })
    expect(lines).toContain('sessions: 2')
    expect(await countInPostgres('sessions')).toBe(0)
    await (await onSqlite()).close()
  })

  test('a broker that runs on the file, a database in use, and one without tables are rejected', async () => {
    const b = await onSqlite()
    await b.signIn('alice')
    await expect(move()).rejects.toThrow('Another broker has')
    await b.close()
    const p = await onPostgres()
    await p.revoke({ kind: 'everything' })
    await p.close()
    await expect(move()).rejects.toThrow('its log has come to 1, and it has rows in revocations')
    const bare = await createBareDatabase()
    await expect(move({ to: bare.url })).rejects.toThrow('Run: cmb migrate')
    await bare.drop()
    await expect(move({ from: join(dir, 'elsewhere.db') })).rejects.toThrow('There is no database')
    await (await onSqlite()).close()
  })
})
