import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Worker } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { DataFile } from '../../db/sqlite/data-file.ts'
import { Reader, startReaderThread } from '../../db/sqlite/reader.ts'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import { StoreUnavailable } from '../../db/types.ts'
import { placeDataFile } from '../data-file.ts'
import { readHere } from '../reads-here.ts'
import { bench, expectOutcome, type Bench } from './fixture.ts'

/**
 * Searches, dry runs and backups of the embedded store run in a thread of its own, on a read-only
 * connection (faults V4).
 */

let dir: string
let file: string
let b: Bench
const EVERYTHING = { kind: 'everything' } as const
const absent = () => ({ text: 'absent', now: b.now, limit: 10 })

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'broker-reader-'))
  file = join(dir, 'data', 'broker.db')
  placeDataFile(file)
  b = await bench({
    open: (nowMs) => openSqliteStore({ file, nowMs }),
    remove: () => {},
  })
  await b.client('sydney')
  await Promise.all(Array.from({ length: 600 }, (_, n) => b.signIn(`user-${n}`)))
})
afterEach(async () => {
  await b.close()
  rmSync(dir, { recursive: true, force: true })
})

/**
 * Counts every method with which a connection of this thread reads rows. The store reads the head
 * of its log once a second.
 */
function countReads(): () => number {
  const statement = Object.getPrototypeOf(
    new Database(':memory:').prepare('SELECT 1'),
  ) as Database.Statement
  const spies = [
    vi.spyOn(statement, 'all'),
    vi.spyOn(statement, 'iterate'),
    vi.spyOn(Database.prototype, 'backup'),
  ]
  return () => spies.reduce((sum, { mock }) => sum + mock.calls.length, 0)
}

describe('long reads of operators', () => {
  test('is not read in the thread that serves requests', async () => {
    const reads = countReads()
    expect(await b.store.searchSessions(absent())).toEqual([])
    expect(await b.store.previewRevocation(EVERYTHING, b.now)).toMatchObject({
      sessions: 600,
      subjects: 600,
    })
    expectOutcome(await b.store.backup(join(dir, 'backup.db')), 'made')
    expect(reads()).toBe(0)
    await b.store.listAudit({ limit: 1 })
    expect(reads()).toBeGreaterThan(0)
  })

  test('holds everything that was committed before it was asked for', async () => {
    for (let n = 0; n < 20; n++) {
      const { session } = await b.signIn(`late-${n}`)
      expect(
        await b.store.searchSessions({ text: `late-${n}`, now: b.now, limit: 10 }),
      ).toMatchObject([{ session: { sid: session.sid } }])
      await b.revoke({ kind: 'session', sid: session.sid })
      expect(
        await b.store.previewRevocation({ kind: 'session', sid: session.sid }, b.now),
      ).toMatchObject({ sessions: 0 })
    }
  })

  test('starts again with the state of its day while a backup of another moment is under way', async () => {
    const copying = b.store.backup(join(dir, 'backup.db'))
    const { session } = await b.signIn('meanwhile')
    expect(
      await b.store.searchSessions({ text: 'meanwhile', now: b.now, limit: 10 }),
    ).toMatchObject([{ session: { sid: session.sid } }])
    expectOutcome(await copying, 'made')
  })

  test('of two backups asked for at once makes one after the other', async () => {
    const copy = Database.prototype.backup
    const wholeAtStart: string[][] = []
    vi.spyOn(Database.prototype, 'backup').mockImplementation(function (
      this: Database.Database,
      ...args
    ) {
      wholeAtStart.push(readdirSync(dir).filter((name) => /^backup-\d\.db$/.test(name)))
      return copy.apply(this, args)
    })
    const here = new Reader(file, new DataFile(file), readHere)
    const both = [1, 2].map((n) => here.ask('backup', join(dir, `backup-${n}.db`)))
    for (const backup of both) expectOutcome(await backup, 'made')
    await here.close()
    expect(wholeAtStart).toEqual([[], ['backup-1.db']])
  })
})

describe('the thread', () => {
  const workers: Worker[] = []
  let reader: Reader
  beforeEach(() => {
    workers.length = 0
    reader = new Reader(file, new DataFile(file), (name) => {
      const worker = startReaderThread(name)
      workers.push(worker)
      return worker
    })
  })
  afterEach(() => reader.close())

  test('starts with the first question, and serves the next ones too', async () => {
    expect(workers).toHaveLength(0)
    await Promise.all([
      reader.ask('searchSessions', absent()),
      reader.ask('previewRevocation', EVERYTHING, b.now),
    ])
    await reader.ask('searchSessions', absent())
    expect(workers).toHaveLength(1)
  })

  /** A thread that does something else. */
  const program = (text: string): string => {
    writeFileSync(join(dir, 'thread.mjs'), text)
    return join(dir, 'thread.mjs')
  }

  test('that dies rejects what it was asked as unavailable, and the next question starts another', async () => {
    const dying = program(
      "import { parentPort } from 'node:worker_threads'\nparentPort.on('message', () => process.exit(3))",
    )
    let starts = 0
    const mortal = new Reader(file, new DataFile(file), (name) =>
      startReaderThread(name, starts++ === 0 ? dying : undefined),
    )
    const lost = await mortal
      .ask('previewRevocation', EVERYTHING, b.now)
      .catch((error: unknown) => error)
    expect(lost).toBeInstanceOf(StoreUnavailable)
    expect(String(lost)).toContain('ended before it had an answer')
    expect(await mortal.ask('previewRevocation', EVERYTHING, b.now)).toMatchObject({
      sessions: 600,
    })
    expect(starts).toBe(2)
    await mortal.close()
  })

  test('that cannot start says so, with the cause', async () => {
    const broken = new Reader(file, new DataFile(file), (name) =>
      startReaderThread(name, program("throw new Error('no such driver')")),
    )
    await expect(broken.ask('searchSessions', absent())).rejects.toMatchObject({
      name: 'StoreUnavailable',
      cause: { message: 'no such driver' },
    })
    await broken.close()
  })

  test('ends with the store: what it was asked is unavailable, what is asked later too', async () => {
    const asked = [
      reader.ask('searchSessions', absent()),
      reader.ask('previewRevocation', EVERYTHING, b.now),
    ].map((read) =>
      read.then(
        () => 'answered',
        (error: Error) => error.name,
      ),
    )
    await reader.close()
    for (const outcome of await Promise.all(asked))
      expect(['answered', 'StoreUnavailable']).toContain(outcome)
    expect(workers[0]?.threadId).toBe(-1)
    await expect(reader.ask('searchSessions', absent())).rejects.toThrow('The store is closed.')
  })

  test('answers for no other file: one that was removed meanwhile is rejected', async () => {
    await reader.ask('searchSessions', absent())
    rmSync(file)
    await expect(reader.ask('searchSessions', absent())).rejects.toThrow('was removed or replaced')
    await expect(reader.ask('backup', join(dir, 'backup.db'))).rejects.toThrow(
      'was removed or replaced',
    )
  })

  test('keeps no process alive that has nothing to ask, and reads TypeScript where the process was started with tsx', async () => {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', join(import.meta.dirname, 'reader-child.ts'), file],
      {
        cwd: resolve(import.meta.dirname, '../..'),
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const code = await new Promise((done) => child.once('exit', done))
    expect({ code, said }).toEqual({ code: 0, said: '600\n' })
  })
})
