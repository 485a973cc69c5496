import { EventEmitter } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  MOVE,
  startCheckpointThread,
  type CheckpointThread,
  type Moved,
  type Request,
} from '../../db/sqlite/checkpoints.ts'
import { CLOSE, type Question, type ReaderThread } from '../../db/sqlite/reader.ts'
import { openSqliteStore, type SqliteStoreOptions } from '../../db/sqlite/store.ts'
import { placeDataFile } from '../data-file.ts'
import { readHere } from '../reads-here.ts'
import { bench, type Bench } from './fixture.ts'

/**
 * The write-ahead log of the embedded store is moved into its file by a thread, so that no COMMIT
 * does it while requests wait (faults V4).
 */

let dir: string
let file: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'broker-checkpoints-'))
  file = join(dir, 'data', 'broker.db')
  placeDataFile(file)
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

/** Opens a store, and a second connection that reads the length of its log. */
async function open(
  checkpoints: SqliteStoreOptions['checkpoints'],
  startReader: (file: string) => ReaderThread = readHere,
) {
  const b = await bench({
    open: (nowMs) => openSqliteStore({ file, nowMs, checkpoints, startReader }),
    remove: () => {},
  })
  const raw = new Database(file)
  const length = raw.prepare<[], { log: number; checkpointed: number }>(
    'PRAGMA wal_checkpoint(NOOP)',
  )
  onTestFinished(async () => {
    await b.close()
    raw.close()
  })
  return { b, raw, log: () => length.get() ?? { log: 0, checkpointed: 0 } }
}

let users = 0
/** Twenty sign-ins at once: about a hundred pages of the log. */
const write = (b: Bench) =>
  Promise.all(
    Array.from({ length: 20 }, () =>
      b.signIn(`user-${users++}`, { session: { device: 'x'.repeat(8_000) } }),
    ),
  )

async function writeUntil(b: Bench, done: () => boolean): Promise<void> {
  while (!done()) await write(b)
}

/** A checkpoint thread that answers when the test says so. */
class StandIn extends EventEmitter implements CheckpointThread {
  readonly asked: Request[] = []
  postMessage(request: Request): void {
    this.asked.push(request)
    if (request !== MOVE) queueMicrotask(() => this.emit('exit'))
  }
  answer(moved: Moved = {}): void {
    this.emit('message', moved)
  }
  ref(): void {}
  unref(): void {}
}

/** A reader thread that ends its copy when the test says so. */
class CopyingReader extends EventEmitter implements ReaderThread {
  #id = 0
  postMessage(message: Question | typeof CLOSE): void {
    if (message === CLOSE) queueMicrotask(() => this.emit('exit'))
    else this.#id = message.id
  }
  end(): void {
    this.emit('message', { id: this.#id, value: { outcome: 'made' } })
  }
  ref(): void {}
  unref(): void {}
}

/**
 * Returns the settings of the store's connection for the number of pages after which a COMMIT moves
 * the log.
 */
function watchBackstop(): () => string[] {
  const exec = vi.spyOn(Database.prototype, 'exec')
  return () => exec.mock.calls.map(([sql]) => sql).filter((sql) => sql.includes('autocheckpoint'))
}

describe('moving the write-ahead log', () => {
  test('is the work of the thread, one request at a time, and not of a COMMIT', async () => {
    const thread = new StandIn()
    const { b, log } = await open({ start: () => thread })
    await writeUntil(b, () => log().log > 3_000 && thread.asked.length > 0)
    expect(thread.asked).toEqual([MOVE])
    expect(log().checkpointed).toBe(0)
  })

  test('goes on in a thread while users sign in: three times as much is written as the log is ever long', async () => {
    const { b, log } = await open({})
    let [written, last] = [0, 0]
    await writeUntil(b, () => {
      const now = log().log
      written += now >= last ? now - last : now
      last = now
      return written * 4_096 > 3 * statSync(`${file}-wal`).size
    })
  })

  test('of the last pages, which the thread never reaches while commits go on, is left to the connection that commits: the log begins again', async () => {
    const thread = new StandIn()
    const { b, raw, log } = await open({ start: () => thread })
    const moving = new Database(file)
    onTestFinished(() => void moving.close())
    const moveAllBut = async (late: () => Promise<unknown>): Promise<void> => {
      raw.exec('BEGIN')
      raw.prepare('SELECT 1 FROM sessions').get()
      await late()
      moving.pragma('wal_checkpoint(PASSIVE)')
      raw.exec('ROLLBACK')
      thread.answer()
    }
    let longest = 0
    for (let asked = 0; longest <= log().log;) {
      longest = log().log
      await write(b)
      if (thread.asked.length > asked) await moveAllBut(() => b.signIn('late'))
      asked = thread.asked.length
    }
    expect(longest).toBeGreaterThanOrEqual(4_000)
    // The log stays far below the length at which a COMMIT would move it.
    expect(longest).toBeLessThan(65_536)
  })

  test('ends with the store, which leaves one file behind', async () => {
    const workers: Worker[] = []
    const { b, raw, log } = await open({
      start: (data) => {
        const worker = startCheckpointThread(data)
        workers.push(worker)
        return worker
      },
    })
    await writeUntil(b, () => log().checkpointed > 0)
    raw.close()
    await b.close()
    expect(workers.map(({ threadId }) => threadId)).toEqual([-1])
    expect(existsSync(`${file}-wal`)).toBe(false)
    const whole = new Database(file)
    expect(whole.pragma('integrity_check', { simple: true })).toBe('ok')
    whole.close()
  })

  test('is not asked while a backup reads the file, and is asked afterwards', async () => {
    const thread = new StandIn()
    const copying = new CopyingReader()
    const { b, log } = await open({ start: () => thread }, () => copying)
    const backstop = watchBackstop()
    const backup = b.store.backup(join(dir, 'backup.db'))
    await writeUntil(b, () => log().log > 3_000)
    expect(thread.asked).toEqual([])
    copying.end()
    await backup
    await vi.waitFor(() => expect(thread.asked).toEqual([MOVE]), { timeout: 60_000 })
    expect(backstop()).toEqual([
      'PRAGMA wal_autocheckpoint = 0',
      'PRAGMA wal_autocheckpoint = 262144',
    ])
  })

  test('is not asked for a file that was removed', async () => {
    const thread = new StandIn()
    const { b } = await open({ start: () => thread })
    const writing = writeUntil(b, () => false)
    rmSync(file)
    await expect(writing).rejects.toThrow('was removed or replaced')
    expect(thread.asked).toEqual([])
  })
})

describe('where the log is not moved', () => {
  test('a thread that dies is reported and started again, and COMMIT moves the log meanwhile', async () => {
    writeFileSync(
      join(dir, 'dying.mjs'),
      "import { parentPort } from 'node:worker_threads'\nparentPort.on('message', () => process.exit(3))",
    )
    const backstop = watchBackstop()
    const failed = vi.fn<(cause: unknown) => void>()
    const threads: CheckpointThread[] = []
    const { b, log } = await open({
      failed,
      restartMs: 1,
      start: (data) => {
        threads.push(
          startCheckpointThread(data, threads.length === 0 ? join(dir, 'dying.mjs') : undefined),
        )
        return threads.at(-1) as CheckpointThread
      },
    })
    await writeUntil(b, () => failed.mock.calls.length > 0)
    await vi.waitFor(() => expect(backstop()).toHaveLength(3), { timeout: 60_000 })
    expect(backstop().map((sql) => sql.replace('PRAGMA wal_autocheckpoint = ', ''))).toEqual([
      '262144',
      '1000',
      '262144',
    ])
    expect(failed.mock.calls).toMatchObject([
      [{ message: 'The thread that moves the write-ahead log ended.' }],
    ])
    expect(threads).toHaveLength(2)
    await writeUntil(b, () => log().log > 1_000 && log().checkpointed > 0)
  })

  test('a full disk is reported once, however often the thread tries', async () => {
    const failed = vi.fn<(cause: unknown) => void>()
    const thread = new StandIn()
    const { b } = await open({ failed, start: () => thread })
    await writeUntil(b, () => thread.asked.length === 1)
    thread.answer({ failure: 'database or disk is full' })
    await vi.waitFor(() => expect(thread.asked).toHaveLength(2), { timeout: 60_000 })
    thread.answer({ failure: 'database or disk is full' })
    expect(failed.mock.calls).toMatchObject([[{ message: 'database or disk is full' }]])
  })
})
