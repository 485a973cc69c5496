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
import { BEFORE_THE_CHAIN, fillBeforeTheChain, formerDatabase } from './former.ts'

/** The chains of the store: what is appended follows, what is changed in the file is found, and a restore goes on in a segment of its own. */

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
  await store.revoke({ selector: { kind: 'everything' }, reason: 'administrator', actor: OPERATOR, now: T0, comment: 'drill' })
  await store.appendAudit({ actor: OPERATOR, via: 'command', act: 'revoke', target: 'everything' })
}

/** The whole chain, beginnings between the rows that they stand between. */
async function problem(store: Store, log: LogName): Promise<string | undefined> {
  const begins = await store.chainBegins({ log, from: 0, to: Number.MAX_SAFE_INTEGER })
  const rows = await store.chainRows({ log, after: 0, to: Number.MAX_SAFE_INTEGER, limit: 1000 })
  const links = [...rows, ...begins].toSorted((a, b) => a.number - b.number || (a.kind === 'row' ? -1 : 1))
  return chainProblem(log, { number: 0, hash: NOTHING_BEFORE }, links, await store.chainHead(log))
}

const LOGS = ['revocations', 'audit'] as const

describe.each(STORES)('the chains, on %s', (_name, make) => {
  const open = benches(make)

  test('each append of either log follows from the one before, and the head is the last of them', async () => {
    const { store } = await open()
    for (let n = 0; n < 3; n++) await fill(store)()
    for (const log of LOGS) expect([log, (await store.chainHead(log)).number, await problem(store, log)]).toEqual([log, 3, undefined])
  })

  test('of many appends at once, each has a number of its own and follows from the one before', async () => {
    const { store } = await open()
    const entry = { actor: OPERATOR, via: 'command', act: 'revoke', target: 'everything' } as const
    const appending = Array.from({ length: 12 }, () => ({ filled: fill(store)(), id: store.appendAudit(entry) }))
    const ids = await Promise.all(appending.map(({ id }) => id))
    await Promise.all(appending.map(({ filled }) => filled))
    expect(new Set(ids).size).toBe(12)
    for (const [log, count] of [
      ['revocations', 12],
      ['audit', 24],
    ] as const)
      expect([log, (await store.chainHead(log)).number, await problem(store, log)]).toEqual([log, count, undefined])
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
] as const)('a row of the %s log that is changed, removed or moved in the file is found: %s', async (log, sql) => {
  const { file } = place()
  await using(file, async (store) => {
    for (let n = 0; n < 3; n++) await fill(store)()
  })
  const db = new Database(file)
  db.exec(sql)
  db.close()
  await using(file, async (store) => expect(await problem(store, log)).toBeDefined())
})

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
    const [, restored] = await store.chainBegins({ log: 'revocations', from: 0, to: Number.MAX_SAFE_INTEGER })
    expect(restored?.fields).toMatchObject({ why: 'restored', former_number: head.number, former_hash: head.hash })
  })
})

describe('a database from before the chain', () => {
  /** Opened by this version, and two more rows in each log. */
  async function upgraded(): Promise<string> {
    const { file } = place()
    const former = formerDatabase(file, BEFORE_THE_CHAIN)
    fillBeforeTheChain(former, T0 * 1000)
    former.close()
    await using(file, async (store) => {
      for (let n = 0; n < 2; n++) await fill(store)()
    })
    return file
  }

  test('the chain of each log begins after the rows that are there, says so, and verifies', async () => {
    const file = await upgraded()
    await using(file, async (store) => {
      for (const [log, last] of [
        ['revocations', 2],
        ['audit', 3],
      ] as const) {
        const begins = await store.chainBegins({ log, from: 0, to: Number.MAX_SAFE_INTEGER })
        expect(begins).toMatchObject([
          { kind: 'begin', number: last, fields: { why: 'upgraded', epoch: 'former', former_number: null, former_hash: null } },
        ])
        expect([log, (await store.chainHead(log)).number, await problem(store, log)]).toEqual([log, last + 2, undefined])
        const rows = await store.evidenceRows({ log, after: 0, to: Number.MAX_SAFE_INTEGER, limit: 10 })
        expect(rows.map(({ number, chained }) => [number, chained])).toEqual(Array.from({ length: last + 2 }, (_, i) => [i + 1, i + 1 > last]))
      }
      expect((await store.evidenceRows({ log: 'audit', after: 0, to: 1, limit: 1 }))[0]).toMatchObject({
        fields: { act: 'revoke' },
        personal: { salt: null, fields: { actor_id: 'olga', target: 'subject u_former' } },
        ended: { outcome: 'done', result: { seq: 1 } },
      })
    })
  })

  test.each([
    ['the first row in the chain changed', "UPDATE revocations SET reason = 'idle' WHERE seq = 3", 'revocations'],
    ['the first row in the chain removed', 'DELETE FROM revocations WHERE seq = 3', 'revocations'],
    ['a row made out to be older than the chain', "UPDATE revocations SET hash = '' WHERE seq = 3", 'revocations'],
    ['the beginning moved', "UPDATE chain_begins SET number = 3 WHERE log = 'revocations'", 'revocations'],
    ['the beginning gone', "DELETE FROM chain_begins WHERE log = 'audit'", 'audit'],
    ['another reason for the beginning', "UPDATE chain_begins SET fields = replace(fields, 'upgraded', 'new') WHERE log = 'audit'", 'audit'],
  ] as const)('is found: %s', async (_, sql, log) => {
    const file = await upgraded()
    const db = new Database(file)
    db.exec(sql)
    db.close()
    await using(file, async (store) => expect(await problem(store, log)).toBeDefined())
  })

  test('erasing a user takes the personal fields of their older rows out of the evidence', async () => {
    const file = await upgraded()
    await using(file, async (store) => {
      for (let n = 0; n < 2; n++) await store.eraseUser({ sub: 'u_former', actor: OPERATOR, now: T0 })
      while (await store.forgetErased({ limit: 2 }));
      const without = async (log: LogName) =>
        (await store.evidenceRows({ log, after: 0, to: 3, limit: 10 })).filter(({ personal }) => personal === undefined).map(({ number }) => number)
      expect([await without('revocations'), await without('audit')]).toEqual([[1], [1]])
    })
  })
})
