import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteStore } from '../../db/sqlite/store.ts'

/** The database as an earlier version left it: the deliveries of that version become the outbox. */

const FOLDER = join(import.meta.dirname, '../../db/migrations')

/** A file with the migrations before the one that makes the outbox. */
function earlier(): { file: string; db: InstanceType<typeof Database> } {
  const dir = mkdtempSync(join(tmpdir(), 'broker-earlier-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const file = join(dir, 'broker.db')
  const db = new Database(file)
  db.exec('CREATE TABLE __drizzle_migrations (id INTEGER PRIMARY KEY, hash text NOT NULL, created_at numeric)')
  const { entries } = JSON.parse(readFileSync(join(FOLDER, 'meta/_journal.json'), 'utf8')) as { entries: { tag: string; when: number }[] }
  for (const { tag, when } of entries) {
    const sql = readFileSync(join(FOLDER, `${tag}.sql`), 'utf8')
    if (sql.includes('__new_deliveries')) break
    for (const statement of sql.split('--> statement-breakpoint')) db.exec(statement)
    db.prepare('INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)').run(createHash('sha256').update(sql).digest('hex'), when)
  }
  return { file, db }
}

test('every delivery of an earlier version is kept, with its priority; one that a newer one covered is closed, and the counts are true', async () => {
  const { file, db } = earlier()
  db.exec(`INSERT INTO log_head (id, seq, epoch) VALUES (1, 3, 'epoch');
    INSERT INTO targets (target_id, client_id, uri) VALUES ('t', 'sydney', 'https://sydney.example/');
    INSERT INTO revocations (seq, kind, sid, tid, reason, actor_kind, actor_id, at, at_ms, fan_out) VALUES
      (1, 'session', 's1', NULL, 'signed_out', 'user', 'u', 1, 1000, 'complete'),
      (2, 'tenant', NULL, 'x', 'administrator', 'operator', 'o', 2, 2000, 'complete'),
      (3, 'session', 's3', NULL, 'idle', 'broker', 'sweep-expired', 3, 3000, 'complete');
    INSERT INTO deliveries (id, seq, client_id, target_id, sid, state, attempts, created_at_ms, next_attempt_at_ms, superseded_by) VALUES
      ('d1', 1, 'sydney', 't', 's1', 'pending', 2, 1000, 1000, 'd2'),
      ('d2', 2, 'sydney', 't', 's1', 'pending', 0, 2000, 2000, NULL),
      ('d3', 3, 'sydney', 't', 's3', 'pending', 0, 3000, 3000, NULL),
      ('d4', 2, 'sydney', 't', 's4', 'delivered', 1, 2000, 2000, NULL);
    INSERT INTO delivery_counts (client_id, state, count) VALUES ('sydney', 'pending', 3), ('sydney', 'delivered', 1)`)
  db.close()
  const store = await openSqliteStore({ file })
  onTestFinished(() => store.close())
  const due = await store.dueDeliveries({ targetId: 't', nowMs: 5000, limit: 10 })
  expect(due.refs.map(({ id, priority }) => `${id} ${priority}`)).toEqual(['d2 bulk', 'd3 background'])
  expect(await store.findDelivery('d1')).toMatchObject({ kind: 'logout_token', seq: 1, state: 'superseded', supersededBy: 'd2', attempts: 2 })
  expect(await store.findDelivery('d4')).toMatchObject({ state: 'delivered' })
  expect((await store.deliveryCounts()).map(({ state, count }) => [state, count])).toEqual([
    ['delivered', 1],
    ['pending', 2],
    ['superseded', 1],
  ])
  expect(await store.findRevocation(2)).toMatchObject({ totals: { pending: 1, delivered: 1, superseded: 0 } })
  expect(await store.findRevocation(1)).toMatchObject({ totals: { pending: 0, superseded: 1 } })
})

test('a message that no revocation caused is leased, retried, delivered and listed as any other', async () => {
  const { file, db } = earlier()
  db.close()
  await (await openSqliteStore({ file })).close()
  const upgraded = new Database(file)
  upgraded.exec(`INSERT INTO targets (target_id, client_id, uri) VALUES ('t', 'sydney', 'https://sydney.example/');
    INSERT INTO deliveries (id, client_id, target_id, payload, priority, state, attempts, created_at_ms, next_attempt_at_ms)
      VALUES ('m', 'sydney', 't', '{"x":1}', 1, 'pending', 0, 1000, 0)`)
  upgraded.close()
  const store = await openSqliteStore({ file })
  onTestFinished(() => store.close())
  const { refs } = await store.dueDeliveries({ targetId: 't', nowMs: 5000, limit: 10 })
  expect(refs).toEqual([{ id: 'm', attempt: 1, targetId: 't', priority: 'bulk', seq: undefined }])
  expect(await store.leaseDelivery({ id: 'm', attempt: 1, nowMs: 5000, untilMs: 6000 })).toMatchObject({
    outcome: 'leased',
    superseded: false,
    delivery: { payload: '{"x":1}', seq: undefined },
  })
  const attempt = { attempt: 1, atMs: 5000, outcome: 'delivered', latencyMs: 1 } as const
  expect(await store.recordDelivery({ id: 'm', result: { outcome: 'delivered', attempt } })).toBe(true)
  expect(await store.listDeliveries({ state: 'delivered', limit: 10 })).toMatchObject([{ id: 'm', state: 'delivered' }])
})
