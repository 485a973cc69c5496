import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import type { Store } from '../../db/store.ts'
import { T0, TENANT } from './fixture.ts'
import { formerDatabase } from './former.ts'

/** A data directory of the version before the names of docs/names.md, opened by this one. */

/** The latest migration of that version. */
const LAST = '0008_deliveries_together'
const MS = T0 * 1000

let dir: string
let store: Store

const DELIVERIES = [
  ['owed', null],
  ['delivered', MS],
  ['refused', MS],
  ['dead', MS],
  ['superseded', MS],
] as const
const ATTEMPTS = ['delivered', 'retry', 'refused', 'dead', 'spared']

function fill(db: Database.Database): void {
  db.exec(`
    INSERT INTO log_head (id, seq, epoch) VALUES (1, 5, 'former');
    INSERT INTO subjects (sub, tid, oid, name, created_at) VALUES ('u_1', '${TENANT}', 'oid-alice', 'Alice', ${T0});
    INSERT INTO clients (client_id, source, metadata, logout_by, created_at, updated_at) VALUES ('sydney', 'admin', '{}', 'sid', ${T0}, ${T0});
    INSERT INTO targets (target_id, client_id, uri) VALUES ('t_1', 'sydney', 'https://sydney.example/logout');
    INSERT INTO guards (client_id, guard_id, epoch, applied_seq, reported_at_ms) VALUES ('sydney', 'web-1', 'former', 4, ${MS});
    INSERT INTO microsoft_work (kind, tid, oid, generation, attempts, state, asked_at_ms, next_at_ms) VALUES
      ('check_person', '${TENANT}', 'oid-alice', 1, 0, 'owed', ${MS}, ${MS}), ('revoke_sessions', '${TENANT}', 'oid-bob', 1, 9, 'dead', ${MS}, ${MS});
    INSERT INTO audit (id, at_ms, actor_kind, actor_id, via, act, details) VALUES (1, ${MS}, 'operator', 'cmb@olga', 'command', 'people.erase', '{}');
    INSERT INTO audit_outcomes (id, at_ms, outcome, result) VALUES (1, ${MS}, 'refused', '{}');
  `)
  const revocation =
    db.prepare(`INSERT INTO revocations (seq, kind, sid, sub, tid, reason, actor_kind, actor_id, at, at_ms, owing, owe_cursor, applied_at_ms)
    VALUES (?, ?, ?, ?, '${TENANT}', 'signed_out', 'person', 'u_1', ${T0}, ${MS}, ?, ?, ${MS + 40})`)
  DELIVERIES.forEach(([state, settledAtMs], index) => {
    const seq = index + 1
    revocation.run(
      seq,
      seq === 5 ? 'subject' : 'session',
      seq === 5 ? null : `s_${seq}`,
      seq === 5 ? 'u_1' : null,
      seq === 5 ? 'pending' : 'complete',
      '',
    )
    db.prepare(`INSERT INTO deliveries (id, seq, client_id, target_id, sid, state, attempts, created_at_ms, next_attempt_at_ms, settled_at_ms)
      VALUES (?, ?, 'sydney', 't_1', ?, ?, 0, ${MS}, ${MS}, ?)`).run(`d_${state}`, seq, `s_${seq}`, state, settledAtMs)
    db.prepare("INSERT INTO delivery_counts (client_id, state, count) VALUES ('sydney', ?, 1)").run(state)
  })
  ATTEMPTS.forEach((outcome, index) =>
    db
      .prepare(`INSERT INTO delivery_attempts (delivery_id, attempt, at_ms, outcome, latency_ms) VALUES ('d_owed', ?, ${MS}, ?, 5)`)
      .run(index + 1, outcome),
  )
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'broker-upgrade-'))
  const file = join(dir, 'broker.db')
  const db = formerDatabase(file, LAST)
  fill(db)
  db.close()
  store = await openSqliteStore({ file, nowMs: () => MS })
})
afterEach(async () => {
  await store.close()
  rmSync(dir, { recursive: true, force: true })
})

describe('a database of the version before, opened by this one', () => {
  test('deliveries, their counts and their attempts have the new names', async () => {
    const states = await Promise.all(DELIVERIES.map(async ([state]) => (await store.findDelivery(`d_${state}`))?.state))
    expect(states).toEqual(['pending', 'delivered', 'rejected', 'failed', 'superseded'])
    expect((await store.deliveryCounts()).map(({ state, count }) => [state, count]).toSorted()).toEqual([
      ['delivered', 1],
      ['failed', 1],
      ['pending', 1],
      ['rejected', 1],
      ['superseded', 1],
    ])
    expect((await store.attemptsOf('d_owed')).map(({ outcome }) => outcome)).toEqual(['delivered', 'retry', 'rejected', 'failed', 'superseded'])
  })

  test('what was pending is due, what had failed or was rejected is redriven, and what was pending is written', async () => {
    expect(await store.pendingTargets()).toMatchObject([{ targetId: 't_1', pending: 1 }])
    expect(await store.dueDeliveries({ targetId: 't_1', nowMs: MS, limit: 10 })).toMatchObject({ refs: [{ id: 'd_owed', attempt: 1 }] })
    expect((await store.redrive({})).map(({ id }) => id).toSorted()).toEqual(['d_dead', 'd_refused'])
    expect(await store.findRevocation(5)).toMatchObject({ fanOut: 'pending' })
    expect(await store.fanOutPending({ limit: 10, nowMs: MS })).toEqual({ pending: [], more: false })
    expect(await store.findRevocation(5)).toMatchObject({ fanOut: 'complete' })
  })

  test('revocations, guards and requests to Microsoft keep what they say', async () => {
    expect(await store.findRevocation(1)).toMatchObject({ fanOut: 'complete', actor: { kind: 'user', id: 'u_1' } })
    expect((await store.revocationTimes({ limit: 1 }))[0]).toMatchObject({ seq: 5, enforcedMs: 40 })
    expect(await store.guardReports()).toMatchObject([{ guardId: 'web-1', enforcedSeq: 4 }])
    expect(await store.claimMicrosoftWork({ tid: TENANT, nowMs: MS, untilMs: 0, limit: 10 })).toMatchObject([
      { kind: 'check_user', oid: 'oid-alice' },
    ])
    expect(await store.failedMicrosoftWork(10)).toMatchObject([{ kind: 'revoke_sessions', oid: 'oid-bob' }])
    expect(await store.findSubjectByUser(TENANT, 'oid-alice')).toMatchObject({ sub: 'u_1' })
  })

  test('the audit log keeps its entries, and its outcome is read by the new name', async () => {
    expect(await store.listAudit({ limit: 10 })).toMatchObject([{ act: 'people.erase', ended: { outcome: 'rejected' } }])
  })
})
