import Database from 'better-sqlite3'
import { randomBytes } from 'node:crypto'

/**
 * A database with months of data, written by SQL: sessions, participants, the log, its deliveries
 * and the audit log.
 */

export interface Size {
  sessions: number
  revocations: number
  deliveries: number
  audit: number
}

/** How much work is due when the workers start: a part of the rows, or all of them. */
export type Due = 'some' | 'all'

export const TENANT = '11111111-1111-4111-8111-111111111111'
const DAY = 86_400

const until = (due: Due): number => (due === 'all' ? -1 : 43_200)
const logDays = (due: Due): number => (due === 'all' ? 360 : 120)
export const logoutUri = (clientId: string): string => `http://127.0.0.1:9/${clientId}/backchannel`

const ROWS_A_SIGNATURE = 100
const numbers = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < @count)'

/** Returns the tables in their order, each with its share of the count. */
const tablesOf = (due: Due): [name: string, count: keyof Size, share: number, sql: string][] => [
  [
    'subjects',
    'sessions',
    0.5,
    `INSERT INTO subjects (sub, tid, oid, name, username, created_at)
    SELECT 'u_' || i, @tenant, printf('%032d', i), 'User ' || i, 'user' || i || '@contoso.example', @now - 90 * ${DAY} FROM n`,
  ],
  // Half of the sessions are open. The others ended within the last 40 days, and a quarter of those
  // is due for deletion. With `all`, the open ones have expired, and the others ended 40 days ago.
  [
    'sessions',
    'sessions',
    1,
    `INSERT INTO sessions (sid, sub, tid, opened_seq, opened_at, auth_time, visit_started_at, visit_ended_at, probed_at, last_active_at, idle_seconds,
      absolute_at, deadline_at, roles, stay_signed_in, probe_phase, device, cookie_hash, ended_seq, ended_at, ended_reason)
    SELECT 's_' || lower(hex(randomblob(12))) || i, 'u_' || ((i + 1) / 2), @tenant, 0, @now - 3600, @now - 3600, @now - 3600, @now - 3600, @now - 3600, ${due === 'all' ? '@now - 28801, 28800, @now + 43200, @now - 1' : '@now, 28800, @now + 43200, @now + 28800'}, '[]', 0,
      i % 65536, 'Firefox on Windows', 'hash-' || i, iif(i % 2 = 0, i, NULL), iif(i % 2 = 0, @now - ${due === 'all' ? 40 * DAY : `i % (40 * ${DAY})`}, NULL), iif(i % 2 = 0, 'idle', NULL) FROM n`,
  ],
  // The log of 120 days, of which a quarter is due for deletion; with `all` the log of 360 days,
  // three quarters of it due.
  [
    'revocations',
    'revocations',
    1,
    `INSERT INTO revocations (seq, kind, sid, tid, reason, actor_kind, actor_id, at, at_ms, fan_out, sessions, sessions_until, session_clients, hash, personal_hash)
    SELECT i, 'session', 's_' || i, @tenant, 'idle', 'broker', 'sweep-expired', @now - ${logDays(due)} * ${DAY} + i * (${logDays(due)} * ${DAY}) / @count,
      (@now - ${logDays(due)} * ${DAY} + i * (${logDays(due)} * ${DAY}) / @count) * 1000, 'complete', 1,
      iif(i > @count * 3 / 4, @now + ${until(due)}, 0), iif(i % 2 = 0, '["client-0"]', '["client-' || (1 + i / 2 % 9) || '"]'), 'hash', 'hash' FROM n`,
  ],
  // The newest quarter of the log can still end sessions, half of it those of one client; with
  // `all`, nothing can any more.
  [
    'session_entries',
    'revocations',
    0.25,
    `INSERT INTO session_entries (client_id, seq, until)
    SELECT iif(i % 2 = 0, 'client-0', 'client-' || (1 + i / 2 % 9)), @count * 3 + i, @now + ${until(due)} FROM n`,
  ],
  // Most deliveries are delivered, the rest failed or waiting for a retry; the oldest quarter is
  // due for deletion. With `all`, every delivery is pending and due.
  [
    'deliveries',
    'deliveries',
    1,
    `INSERT INTO deliveries (id, kind, seq, client_id, target_id, sid, priority, state, attempts, created_at_ms, next_attempt_at_ms, settled_at_ms)
    SELECT printf('d%09d', i), 'logout_token', 1 + i % @log, 'client-' || (i % 10), 'target-' || (i % 10), 's_' || i, 2, state, 1, @now * 1000 - i, ${due === 'all' ? '0' : '@now * 1000 + 3600000'},
      iif(state = 'pending', NULL, @now * 1000 - (i % 120) * ${DAY}000) FROM (SELECT i, CASE WHEN ${due === 'all' ? 'true' : 'i % 10 = 0'} THEN 'pending' WHEN i % 10 = 1 THEN 'failed' ELSE 'delivered' END AS state FROM n)`,
  ],
  [
    'audit',
    'audit',
    1,
    `INSERT INTO audit (at_ms, actor_kind, actor_id, via, act, target, case_reference, details, hash, personal_hash)
    SELECT @now * 1000 - (@count - i) * 60000, 'operator', 'olga', 'console', 'revoke', 'session ' || i, 'CASE-' || i, '{"selector":"session"}', 'hash', 'hash' FROM n`,
  ],
]

/**
 * Writes all tables.
 * @param say is called for each table that is written
 */
export function seed(
  file: string,
  size: Size,
  {
    now,
    due = 'some',
    say,
  }: { now: number; due?: Due; say?: ((line: string) => void) | undefined },
): void {
  const db = new Database(file)
  db.pragma('synchronous = OFF')
  db.pragma('cache_size = -524288')
  for (let i = 0; i < 10; i++) {
    db.prepare(
      'INSERT INTO targets (target_id, client_id, uri, added_seq) VALUES (?, ?, ?, 0)',
    ).run(`target-${i}`, `client-${i}`, logoutUri(`client-${i}`))
  }
  for (const [name, of, share, sql] of tablesOf(due)) {
    const begun = performance.now()
    const count = Math.round(size[of] * share)
    const statement = db.prepare(`${numbers} ${sql}`)
    const all = { count, now, tenant: TENANT, log: size.revocations }
    statement.run(
      Object.fromEntries(
        Object.entries(all).filter(([key]) => key === 'count' || sql.includes(`@${key}`)),
      ),
    )
    say?.(`  ${name}: ${count} rows in ${Math.round((performance.now() - begun) / 1000)} s`)
  }
  db.exec(`INSERT INTO participants (sid, client_id, first_at, last_at, first_seq, joined_seq)
      SELECT sid, 'client-' || (rowid % 10), ${now}, ${now}, 0, 0 FROM sessions;
    INSERT INTO families (family_id, sid, client_id, generation, scope, audience, opened_seq, rotated_at)
      SELECT 'f_' || sid, sid, 'client-' || (rowid % 10), 1, 'openid', 'x', 0, ${now} FROM sessions;
    INSERT INTO delivery_counts (client_id, state, count) SELECT client_id, state, count(*) FROM deliveries GROUP BY client_id, state;
    INSERT INTO revocation_totals (seq, pending, delivered, rejected, failed, superseded, closed)
      SELECT seq, 0, count(*), 0, 0, 0, 0 FROM deliveries GROUP BY seq;
    UPDATE log_head SET seq = (SELECT max(seq) FROM revocations), sessions_known_to = (SELECT max(seq) FROM revocations);`)
  // Signed heads, because retention deletes rows only up to one.
  for (const [log, number, at] of [
    ['revocations', 'seq', 'at'],
    ['audit', 'id', 'at_ms / 1000'],
  ] as const) {
    db.exec(`UPDATE chain_heads SET number = (SELECT max(${number}) FROM ${log}), hash = 'hash' WHERE log = '${log}';
      INSERT INTO chain_signatures (log, number, hash, at, signature)
        SELECT '${log}', ${number}, 'hash', ${at}, 'signature' FROM ${log} WHERE ${number} % ${ROWS_A_SIGNATURE} = 0`)
  }
  db.close()
}

export const randomName = (): string => randomBytes(8).toString('hex')
