import Database from 'better-sqlite3'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { restoreBackup } from '../../db/sqlite/restore.ts'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import type { Store } from '../../db/store.ts'
import { chainProblem, type LogName, NOTHING_BEFORE } from '../../src/protocol/evidence-chain.ts'
import { benches, STORES, T0 } from './fixture.ts'

/**
 * The chains of the store: what is appended follows, what is changed in the file is found, and a
 * restore goes on in a segment of its own.
 */

const OPERATOR = { kind: 'operator', id: 'olga' } as const

function place(): { dir: string; file: string } {
  const dir = mkdtempSync(join(tmpdir(), 'broker-chain-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return { dir, file: join(dir, 'broker.db') }
}

async function using<T>(file: string, act: (store: Store) => Promise<T>): Promise<T> {
  const store = await openSqliteStore({ file, nowMs: () => T0 * 1000 })
  try {
    return await act(store)
  } finally {
    await store.close()
  }
}

const fill = (store: Store) => async () => {
  await store.revoke({
    selector: { kind: 'everything' },
    reason: 'administrator',
    actor: OPERATOR,
    now: T0,
    comment: 'drill',
  })
  await store.appendAudit({ actor: OPERATOR, via: 'command', act: 'revoke', target: 'everything' })
}

/** Checks the whole chain, in which each beginning lies between two rows. */
async function problem(store: Store, log: LogName): Promise<string | undefined> {
  const begins = await store.chainBegins({ log, from: 0, to: Number.MAX_SAFE_INTEGER })
  const rows = await store.chainRows({ log, after: 0, to: Number.MAX_SAFE_INTEGER, limit: 1000 })
  const links = [...rows, ...begins].toSorted(
    (a, b) => a.number - b.number || (a.kind === 'row' ? -1 : 1),
  )
  return chainProblem(log, { number: 0, hash: NOTHING_BEFORE }, links, await store.chainHead(log))
}

const LOGS = ['revocations', 'audit'] as const

describe.each(STORES)('the chains, on %s', (_name, make) => {
  const open = benches(make)

  test('each append of either log follows from the one before, and the head is the last of them', async () => {
    const { store } = await open()
    for (let n = 0; n < 3; n++) await fill(store)()
    for (const log of LOGS)
      expect([log, (await store.chainHead(log)).number, await problem(store, log)]).toEqual([
        log,
        3,
        undefined,
      ])
  })

  test('of many appends at once, each has a number of its own and follows from the one before', async () => {
    const { store } = await open()
    const entry = { actor: OPERATOR, via: 'command', act: 'revoke', target: 'everything' } as const
    const appending = Array.from({ length: 12 }, () => ({
      filled: fill(store)(),
      id: store.appendAudit(entry),
    }))
    const ids = await Promise.all(appending.map(({ id }) => id))
    await Promise.all(appending.map(({ filled }) => filled))
    expect(new Set(ids).size).toBe(12)
    for (const [log, count] of [
      ['revocations', 12],
      ['audit', 24],
    ] as const)
      expect([log, (await store.chainHead(log)).number, await problem(store, log)]).toEqual([
        log,
        count,
        undefined,
      ])
  })
})

test.each([
  ['revocations', "UPDATE revocations SET reason = 'idle' WHERE seq = 2"],
  ['revocations', 'DELETE FROM revocations WHERE seq = 2'],
  [
    'revocations',
    'UPDATE revocations SET seq = 10 WHERE seq = 2; UPDATE revocations SET seq = 2 WHERE seq = 3; UPDATE revocations SET seq = 3 WHERE seq = 10',
  ],
  ['audit', "DROP TRIGGER audit_never_changes; UPDATE audit SET act = 'nothing' WHERE id = 2"],
  ['audit', 'DROP TRIGGER audit_from_its_old_end; DELETE FROM audit WHERE id = 3'],
] as const)(
  'a row of the %s log that is changed, removed or moved in the file is found: %s',
  async (log, sql) => {
    const { file } = place()
    await using(file, async (store) => {
      for (let n = 0; n < 3; n++) await fill(store)()
    })
    const db = new Database(file)
    db.exec(sql)
    db.close()
    await using(file, async (store) => expect(await problem(store, log)).toBeDefined())
  },
)

test('a restored backup goes on in a new segment that names the head of the former one, and verifies as a whole', async () => {
  const { dir, file } = place()
  const backup = join(dir, 'backup.db')
  const head = await using(file, async (store) => {
    await fill(store)()
    await store.backup(backup)
    const at = await store.chainHead('revocations')
    await fill(store)()
    return at
  })
  restoreBackup({ backup, file, actor: OPERATOR, nowMs: T0 * 1000 })
  await using(file, async (store) => {
    await fill(store)()
    for (const log of LOGS) expect(await problem(store, log)).toBeUndefined()
    const [, restored] = await store.chainBegins({
      log: 'revocations',
      from: 0,
      to: Number.MAX_SAFE_INTEGER,
    })
    expect(restored?.fields).toMatchObject({
      why: 'restored',
      former_number: head.number,
      former_hash: head.hash,
    })
  })
})
