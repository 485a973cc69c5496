import Database from 'better-sqlite3'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import type { Store } from '../../db/store.ts'
import { T0 } from './fixture.ts'

/**
 * The cost of an act in the embedded store does not grow with the number of rows. It is compared
 * with reading every row once on the same machine.
 */

let dir: string
let store: Store
let raw: Database.Database
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'broker-bounded-'))
  const file = join(dir, 'broker.db')
  store = await openSqliteStore({ file, nowMs: () => T0 * 1000 })
  raw = new Database(file)
})
afterEach(async () => {
  raw.close()
  await store.close()
  rmSync(dir, { recursive: true, force: true })
})

/** The log of `days` days, `count` revocations long, up to T0. */
function fillLog(count: number, days: number): void {
  raw
    .prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < @count)
      INSERT INTO revocations (seq, kind, sid, reason, actor_kind, actor_id, at, at_ms, fan_out, sessions, hash, personal_hash)
      SELECT i, 'session', 's_' || i, 'idle', 'broker', 'sweep-expired', @from + i * @seconds / @count, 0, 'complete', 1, '', '' FROM n`,
    )
    .run({ count, from: T0 - days * 86_400, seconds: days * 86_400 })
  raw.prepare('UPDATE log_head SET seq = ?').run(count)
}

const elapsed = async (act: () => unknown): Promise<number> => {
  const begun = performance.now()
  await act()
  return performance.now() - begun
}

/** Returns a function that returns, once, how many turns the event loop has taken since. */
function countTurns(): () => number {
  let turns = -1
  let next: NodeJS.Immediate
  const count = (): void => {
    turns++
    next = setImmediate(count)
  }
  count()
  return () => (clearImmediate(next), turns)
}

describe('the feed of a log of 90 days (correctness H2)', () => {
  const since = T0 - 3_660

  test('guards that connect do not read the revocations that are too old for any token', async () => {
    fillLog(300_000, 90)
    const scan = await elapsed(() =>
      raw.prepare('SELECT count(*) FROM revocations WHERE +at >= ?').get(since),
    )
    const forty = () =>
      elapsed(async () => {
        for (let i = 0; i < 40; i++)
          expect((await store.revocationsAfter({ after: 299_990, since, limit: 500 })).length).toBe(
            10,
          )
      })
    // The fastest of three counts, because another process may use the processor.
    expect(Math.min(await forty(), await forty(), await forty())).toBeLessThan(5 * scan)
  })

  test('guards that ask for a snapshot at the same moment take turns', async () => {
    fillLog(5_000, 1)
    // Each reading of the clock is a millisecond later than the last one, however fast the machine
    // is.
    let ms = 0
    vi.spyOn(performance, 'now').mockImplementation(() => ms++)
    const turns = countTurns()
    const snapshots = await Promise.all(
      Array.from({ length: 200 }, () => store.revocationsAfter({ after: 0, since: 0, limit: 500 })),
    )
    expect(turns()).toBeGreaterThanOrEqual(40)
    expect(snapshots.map((rows) => rows.length)).toEqual(Array(200).fill(500))
  })

  test('a guard of days ago gets what is young, and the event loop goes on meanwhile', async () => {
    const clockAhead = T0 + 10 * 86_400
    fillLog(100_000, 90)
    // The clock was wrong for a moment, so that the floor stays before this row for ten days.
    raw.prepare('UPDATE revocations SET at = ? WHERE seq = 20000').run(clockAhead)
    const turns = countTurns()
    const rows = await store.revocationsAfter({ after: 0, since, limit: 500 })
    expect(turns()).toBeGreaterThanOrEqual(10)
    expect(rows[0]?.seq).toBe(20_000)
    expect(rows.slice(1).every(({ at }) => at >= since)).toBe(true)
    expect(rows.at(-1)?.seq).toBe(100_000)
  })
})
