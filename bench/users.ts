import { join } from 'node:path'
import { openDatabase } from '../db/sqlite/open.ts'
import { openSqliteStore } from '../db/sqlite/store.ts'
import type { Store } from '../db/store.ts'
import { spread, type Spread } from './machine.ts'

/**
 * One user revoked among few sessions and among many: the time from the call until the commit is on
 * disk and the deliveries are written. It runs the store alone, on the server's core; both sizes
 * alternate, so that a machine that slows down affects both.
 */

export interface Among {
  sessions: number
  revoke: Spread
}

const ROUNDS = 300
const NOW = Math.floor(Date.now() / 1000)

export async function serveUsers(dataDir: string, sizes: readonly number[]): Promise<void> {
  const stores: { sessions: number; store: Store; took: number[] }[] = []
  for (const sessions of sizes) {
    const file = join(dataDir, `${sessions}`, 'broker.db')
    fill(file, sessions)
    stores.push({ sessions, store: await openSqliteStore({ file }), took: [] })
  }
  for (let n = -20; n < ROUNDS; n++) {
    for (const { sessions, store, took } of stores) {
      // Users are spread over the whole store, so that no page is cached by chance.
      const sub = `u_${Math.floor(((n + 20) / (ROUNDS + 20)) * sessions)}`
      const from = performance.now()
      await store.revoke({
        selector: { kind: 'subject', sub },
        reason: 'administrator',
        actor: { kind: 'operator', id: 'bench' },
        now: NOW,
      })
      while ((await store.fanOutPending({ limit: 500 })).more);
      if (n >= 0) took.push(performance.now() - from)
    }
  }
  process.send?.({
    among: stores.map(({ sessions, took }): Among => ({ sessions, revoke: spread(took) })),
  })
  for (const { store } of stores) await store.close()
  process.disconnect?.()
}

/**
 * Writes the store: each session belongs to its own user, at one of ten instances. All rows are
 * written in one transaction, unlike a broker's.
 */
function fill(file: string, sessions: number): void {
  const { db, unlock } = openDatabase(file)
  db.pragma('synchronous = OFF')
  const numbers = `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${sessions - 1})`
  db.exec(`BEGIN;
    INSERT INTO log_head (id, seq, epoch) VALUES (1, 0, 'bench');
    ${numbers} INSERT INTO subjects (sub, tid, oid, name, created_at) SELECT 'u_' || i, 't', 'o_' || i, 'User ' || i, ${NOW} FROM n;
    ${numbers} INSERT INTO sessions (sid, sub, tid, opened_seq, opened_at, auth_time, visit_started_at, visit_ended_at, probed_at, last_active_at,
        idle_seconds, absolute_at, deadline_at, roles, stay_signed_in, probe_phase, device, cookie_hash)
      SELECT 's_' || i, 'u_' || i, 't', 0, ${NOW}, ${NOW}, ${NOW}, ${NOW}, ${NOW}, ${NOW}, 28800, ${NOW + 43_200}, ${NOW + 28_800}, '[]', 0, i % 65536, 'Firefox on Linux', 'c_' || i FROM n;
    ${numbers} INSERT INTO participants (sid, client_id, first_at, last_at, first_seq, joined_seq) SELECT 's_' || i, 'c' || (i % 10), ${NOW}, ${NOW}, 0, 0 FROM n;
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9)
      INSERT INTO clients (client_id, source, metadata, logout_by, created_at, updated_at) SELECT 'c' || i, 'command', '{}', 'sid', ${NOW}, ${NOW} FROM n;
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9)
      INSERT INTO targets (target_id, client_id, uri, added_seq) SELECT 't' || i, 'c' || i, 'https://c' || i || '.example/', 0 FROM n;
    COMMIT`)
  db.pragma('wal_checkpoint(TRUNCATE)')
  db.close()
  unlock()
}
