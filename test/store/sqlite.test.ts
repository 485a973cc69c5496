import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { openDatabase } from '../../db/sqlite/open.ts'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import { createWriter } from '../../db/sqlite/writer.ts'
import type { Store } from '../../db/store.ts'
import { statementsOf, T0 } from './fixture.ts'

/**
 * Properties of the embedded store alone: its file, its lock, and its reaction to failures of the
 * machine.
 */

let dir: string
let file: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'broker-sqlite-'))
  file = join(dir, 'data', 'broker.db')
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const signIn = (store: Store, n: number) =>
  store.signIn({
    session: {
      user: { tid: 't', oid: `oid-${n}`, name: 'x'.repeat(1000) },
      authTime: T0,
      visitStartedAt: T0,
      idleSeconds: 28_800,
      absoluteAt: T0 + 43_200,
      roles: [],
      staySignedIn: false,
      device: 'a browser',
      cookieHash: `cookie-${n}`,
    },
    provenSeq: Number.MAX_SAFE_INTEGER,
    ids: { sub: `u_${n}`, sid: `s_${n}` },
    now: T0,
  })

/** Runs the writing child; `line` sees what it writes, as it writes it. */
function child(
  command: string,
  args: string[],
  line: (line: string, kill: () => void) => void,
): Promise<void> {
  const running = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] })
  let rest = ''
  ;(running.stdio[3] as Readable).setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const from of lines) line(from, () => running.kill('SIGKILL'))
  })
  return new Promise((resolve, reject) => {
    running.on('error', reject)
    running.on('close', () => resolve())
  })
}

const CHILD = ['--import', 'tsx', join(import.meta.dirname, 'sqlite-child.ts')]

async function expectAcknowledged(said: string[]): Promise<void> {
  const store = await openSqliteStore({ file })
  const ended = new Set(
    said.filter((line) => line.startsWith('ended ')).map((line) => line.slice(6)),
  )
  for (const line of said.filter((candidate) => candidate.startsWith('opened '))) {
    const n = line.slice(7)
    const status = await store.statusBySid(`s_${n}`, T0)
    // An odd session may have ended although the answer was lost. A session whose end was answered
    // must have ended.
    if (ended.has(n) || Number(n) % 2 === 0)
      expect(status.state).toBe(ended.has(n) ? 'ended' : 'live')
    else expect(status.state).not.toBe('unknown')
  }
  const { seq } = await store.head()
  expect(seq).toBeGreaterThanOrEqual(ended.size)
  expect(await store.listRevocations({ limit: 100_000 })).toHaveLength(seq)
  await store.probe()
  await store.close()
}

describe('the data file', () => {
  test('is made with its directory, readable by its owner alone, and synced at every commit', async () => {
    const { db, unlock } = openDatabase(file)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(join(dir, 'data')).mode & 0o777).toBe(0o700)
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal')
    expect(db.pragma('synchronous', { simple: true })).toBe(2)
    db.exec("INSERT INTO settings (name, value) VALUES ('x', '1')")
    expect(statSync(`${file}-wal`).mode & 0o777).toBe(0o600)
    db.close()
    unlock()
  })

  test('where it cannot be: it is said which setting names the folder, and for whom it has to be', async () => {
    const beneathAFile = join(dir, 'file', 'broker.db')
    writeFileSync(join(dir, 'file'), '')
    await expect(openSqliteStore({ file: beneathAFile })).rejects.toThrow(
      /cannot be used \(E\w+\).*BROKER_DATA_DIR/,
    )
  })

  test('has one writer: the error of a second says what to do, and it may open the file when the first is gone', async () => {
    const first = await openSqliteStore({ file })
    await expect(openSqliteStore({ file })).rejects.toThrow(
      /Another broker has .* open.*Stop that broker.*BROKER_DATA_DIR/,
    )
    await first.probe()
    await first.close()
    await first.close()
    const second = await openSqliteStore({ file })
    await second.close()
  })

  test('keeps its epoch and what is in it', async () => {
    const first = await openSqliteStore({ file })
    await signIn(first, 1)
    const head = await first.head()
    await first.close()
    const second = await openSqliteStore({ file })
    expect(await second.head()).toEqual(head)
    expect(await second.statusBySid('s_1', T0)).toMatchObject({ state: 'live' })
    await second.close()
  })

  test('is looked at by the clock: that is none of the statements that tests count', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const store = await openSqliteStore({ file })
    await signIn(store, 1)
    expect(vi.getTimerCount()).toBe(2)
    expect(await statementsOf(async () => void vi.advanceTimersByTime(1_000))).toBe(0)
    await store.close()
  })

  test('of a newer version is rejected, and not touched', async () => {
    const { db, unlock } = openDatabase(file)
    db.exec("INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('later', 99999999999999)")
    db.close()
    unlock()
    await expect(openSqliteStore({ file })).rejects.toThrow(/newer version/)
  })

  test('without a column that an act uses is rejected when it is opened, not in a request', async () => {
    const { db, unlock } = openDatabase(file)
    db.exec('ALTER TABLE consents RENAME COLUMN scope TO scopes')
    db.close()
    unlock()
    await expect(openSqliteStore({ file })).rejects.toThrow('no such column')
  })
})

describe('kill -9 and a full disk', () => {
  test('kill -9 in mid-stream: every acknowledged act is there, the log has no gap, and the lock does not stop a restart', async () => {
    const said: string[] = []
    await child(process.execPath, [...CHILD, file, '1000000'], (line, kill) => {
      said.push(line)
      if (said.length === 400) kill()
    })
    expect(said.length).toBeGreaterThanOrEqual(400)
    await expectAcknowledged(said)
  })

  test('killed while its thread moves the write-ahead log into the file, it loses nothing that was acknowledged', async () => {
    const said: string[] = []
    await child(process.execPath, [...CHILD, file, '1000000', 'dies_moving'], (line) =>
      said.push(line),
    )
    expect(said.at(-1)).toBe('killed while the thread moves the log')
    await expectAcknowledged(said)
  })

  test('the disk rejects writes: the acts are rejected as unavailable, nothing is half done, and it goes on afterwards', async () => {
    const said: string[] = []
    // The largest size of a file, in blocks of 512 or 1024 bytes by shell: reached after some
    // hundred acts.
    await child(
      '/bin/sh',
      ['-c', 'ulimit -f 3000; exec "$@"', 'sh', process.execPath, ...CHILD, file, '20000'],
      (line) => said.push(line),
    )
    expect(said).toContain('rejected StoreUnavailable')
    await expectAcknowledged(said)
  })

  test('the disk is full: what is rejected left no trace, what was answered is there, and there is room again after a restart', async () => {
    await (await openSqliteStore({ file })).close()
    const store = await openSqliteStore({
      file,
      maxPages: Math.ceil(statSync(file).size / 4096) + 120,
    })
    const outcomes = await Promise.allSettled(
      Array.from({ length: 300 }, (_, n) => signIn(store, n)),
    )
    const rejected = outcomes.flatMap((outcome, n) =>
      outcome.status === 'rejected' ? [{ n, reason: outcome.reason as unknown }] : [],
    )
    expect(rejected.length).toBeGreaterThan(0)
    expect(rejected.length).toBeLessThan(300)
    for (const { n, reason } of rejected) {
      expect(reason).toMatchObject({
        name: 'StoreUnavailable',
        message: expect.stringContaining('disk is full'),
      })
      expect(await store.statusBySid(`s_${n}`, T0)).toEqual({ state: 'unknown' })
      expect(await store.findSubjectByUser('t', `oid-${n}`)).toBeUndefined()
    }
    for (const [n, { status }] of outcomes.entries())
      if (status === 'fulfilled')
        expect(await store.statusBySid(`s_${n}`, T0)).toMatchObject({ state: 'live' })
    await store.close()
    const roomy = await openSqliteStore({ file })
    const again = rejected[0]?.n ?? -1
    expect(await signIn(roomy, again)).toMatchObject({ session: { sid: `s_${again}` } })
    await roomy.close()
  })
})

describe('the group-commit writer', () => {
  async function writer() {
    const { db, unlock } = openDatabase(file)
    db.exec('CREATE TABLE t (n INTEGER PRIMARY KEY)')
    const insert = db.prepare<[number]>('INSERT INTO t VALUES (?)')

    const all = () => db.prepare<[], number>('SELECT n FROM t ORDER BY n').pluck().all()
    return {
      db,
      insert,
      all,
      ...createWriter(db, { mustBeSound: () => undefined, damaged: () => undefined }),
      end: () => (db.close(), unlock()),
    }
  }

  test('an act that throws leaves no trace of itself and none on its neighbors', async () => {
    const { write, insert, all, end } = await writer()
    const fails = write(() => {
      insert.run(2)
      throw new Error('a bug')
    })
    const outcomes = await Promise.allSettled([
      write(() => insert.run(1)),
      fails,
      write(() => insert.run(1)),
      write(() => insert.run(3)),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ])
    expect(outcomes[1]).toMatchObject({ reason: { message: 'a bug' } })
    expect(outcomes[2]).toMatchObject({ reason: { code: 'SQLITE_CONSTRAINT_PRIMARYKEY' } })
    expect(all()).toEqual([1, 3])
    end()
  })

  test('a transaction that SQLite gave up takes all of its acts with it, and the next one is whole again', async () => {
    const { db, write, insert, all, end } = await writer()
    const lost = write(() => {
      insert.run(2)
      db.exec('ROLLBACK')
      throw new Error('database or disk is full')
    })
    const outcomes = await Promise.allSettled([
      write(() => insert.run(1)),
      lost,
      write(() => insert.run(3)),
    ])
    expect(
      outcomes.map((outcome) =>
        outcome.status === 'rejected' ? (outcome.reason as Error).name : 'fulfilled',
      ),
    ).toEqual(Array(3).fill('StoreUnavailable'))
    await write(() => insert.run(4))
    expect(all()).toEqual([4])
    end()
  })

  test('acts that wait together share a commit, a bounded number of them', async () => {
    const { db, write, insert, end } = await writer()
    const open: boolean[] = []
    const acts = Array.from({ length: 450 }, (_, n) =>
      write(() => (open.push(db.inTransaction), insert.run(n))),
    )
    const before = statSync(`${file}-wal`).size
    await Promise.all(acts)
    expect(open.every(Boolean)).toBe(true)
    // One by one, each act would have written its page once: 450 frames. Together, three commits
    // wrote each page that they changed.
    expect(statSync(`${file}-wal`).size - before).toBeLessThan(100 * 4096)
    end()
  })

  test('acts are committed and answered before a page of a bulk act that was there first', async () => {
    const { write, writePage, insert, end } = await writer()
    const order: string[] = []
    const page = (n: number) => writePage(() => (order.push(`page ${n} runs`), insert.run(n)))
    const act = async (n: number): Promise<void> => {
      await write(() => (order.push(`act ${n} runs`), insert.run(n)))
      order.push(`act ${n} is answered`)
    }
    await Promise.all([page(1), page(2), act(3), act(4)])
    expect(order).toEqual([
      'act 3 runs',
      'act 4 runs',
      'act 3 is answered',
      'act 4 is answered',
      'page 1 runs',
      'page 2 runs',
    ])
    end()
  })

  test('acts that never stop coming let a page through after each commit of theirs', async () => {
    const { write, writePage, insert, end } = await writer()
    let [acts, pages] = [0, 0]
    const stopped = new AbortController()
    const coming = async (): Promise<void> => {
      while (!stopped.signal.aborted) await write(() => insert.run(++acts))
    }
    const lines = [coming(), coming()]
    for (; pages < 20; pages++) await writePage(() => insert.run(-1 - pages))
    // There are two lines of acts, each of them in every commit.
    expect(acts).toBeGreaterThanOrEqual(20)
    expect(acts).toBeLessThanOrEqual(2 * 2 * 20)
    stopped.abort()
    await Promise.all(lines)
    end()
  })

  test('what waits is written when it closes, and nothing after that', async () => {
    const { write, writePage, close, insert, all, end } = await writer()
    const waiting = [writePage(() => insert.run(1)), write(() => insert.run(2))]
    close()
    await Promise.all(waiting)
    for (const late of [write, writePage])
      await expect(late(() => insert.run(3))).rejects.toMatchObject({ name: 'StoreUnavailable' })
    expect(all()).toEqual([1, 2])
    end()
  })
})
