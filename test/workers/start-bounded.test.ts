import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test, vi } from 'vitest'
import { seed } from '../../bench/servers/seed.ts'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import type { Store } from '../../db/store.ts'
import { loadConfig } from '../../src/config/config.ts'
import { createLog } from '../../src/runtime/log.ts'
import { startBroker } from '../../src/start.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { RecordingQueue } from '../rig.ts'

/**
 * Checks how much a broker reads and writes before it listens if everything in its store is due at
 * once (faults V1). It counts rows, not time. test/store/query-plans.test.ts checks that each
 * statement reads a bounded number of rows.
 */

const NOW = systemClock.now()

/** Rows that statements of this process have returned or changed since. */
function countRows(): () => number {
  const statement = Object.getPrototypeOf(
    new Database(':memory:').prepare('SELECT 1'),
  ) as Database.Statement
  let rows = 0
  for (const name of ['all', 'get', 'run'] as const) {
    const real = statement[name] as (...args: unknown[]) => unknown
    vi.spyOn(statement, name).mockImplementation(function counted(
      this: Database.Statement,
      ...args: unknown[]
    ) {
      const answer = real.apply(this, args)
      if (Array.isArray(answer)) rows += answer.length
      else rows += name === 'run' ? (answer as Database.RunResult).changes : 1
      return answer as never
    })
  }
  return () => rows
}

/** The acts that do their work page by page. */
const PAGED = [
  'applyAuthenticationAge',
  'expireGrants',
  'expireSessions',
  'fanOutPending',
  'forgetErased',
] as const

/**
 * Returns a store of which each act does one page before `goOn`. The number of pages before the
 * broker listens would depend on the machine, not on the broker.
 */
function onePageEach(store: Store): { store: Store; goOn(): void } {
  const { promise: going, resolve: goOn } = Promise.withResolvers<void>()
  const paged = (act: (input: never) => Promise<unknown>) => {
    let pages = 0
    return async (input: never) => {
      if (pages++ > 0) await going
      return act(input)
    }
  }
  return {
    store: { ...store, ...Object.fromEntries(PAGED.map((name) => [name, paged(store[name])])) },
    goOn,
  }
}

async function rowsBeforeListening(due: number): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-start-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const file = join(dir, 'broker.db')
  await (await openSqliteStore({ file })).close()
  seed(
    file,
    { sessions: due, revocations: due, deliveries: due, audit: due },
    { now: NOW, due: 'all' },
  )
  const config = loadConfig({
    BROKER_ISSUER: 'http://localhost:7400',
    BROKER_SECRET: Buffer.from('secret of this test rig 01234567').toString('hex'),
    BROKER_DATA_DIR: dir,
    BROKER_LISTEN: '127.0.0.1:0',
    BROKER_OPS_LISTEN: '127.0.0.1:0',
  })
  const log = createLog(() => {}, systemClock.nowMs)
  const rows = countRows()
  const opened = await openSqliteStore({ file })
  const { store, goOn } = onePageEach(opened)
  const broker = await startBroker(config, log, { queue: new RecordingQueue(), store })
  const counted = rows()
  vi.restoreAllMocks()
  goOn()
  await broker.stop()
  await opened.close()
  return counted
}

test('a broker that starts where everything is due reads and writes no more for having more of it, before it listens', async () => {
  const few = await rowsBeforeListening(1_000)
  const many = await rowsBeforeListening(40_000)
  expect(many).toBeLessThan(2 * few)
})
