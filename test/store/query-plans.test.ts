import Database from 'better-sqlite3'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import type { Store } from '../../db/store.ts'

/**
 * Every statement of the embedded store reads a bounded number of rows of the tables that grow: the
 * store prepares all of theirs, and SQLite says of each how it would be carried
 * out. What is bounded by something else than its plan is listed, with the bound.
 */

/** The tables that grow with sessions, revocations, deliveries, users or audit entries. */
const LARGE = [
  'revocations',
  'sessions',
  'participants',
  'session_entries',
  'families',
  'codes',
  'consumed',
  'pushed_requests',
  'subjects',
  'consents',
  'deliveries',
]
LARGE.push(
  'revocation_totals',
  'delivery_attempts',
  'audit',
  'audit_outcomes',
  'microsoft_work',
  'cutoffs',
  'floors',
  'security_events',
  'rejected_sign_ins',
)

/**
 * A piece of the statement → why it is bounded. One that fits no statement fails the test. A plan
 * that scans needs `scans`, so that no entry hides one by accident.
 */
const BOUNDED: [piece: string, why: string, scans?: 'scans'][] = [
  [
    'SET leased_until_ms = 0 WHERE leased_until_ms > 0',
    'attempts that were under way when a process died: as many as lanes and targets at most; once, at start',
  ],
  [
    'FROM participants JOIN clients ON clients.client_id = participants.client_id',
    'the clients of one session',
  ],
  ['FROM participants WHERE participants.sid = ? ORDER BY', 'the clients of one session'],
  ['FROM participants WHERE participants.sid = ? AND NOT', 'the clients of one session'],
  [
    'AND (sessions.sub, sessions.sid) <= (?, ?)',
    'a page whose end was read before, and the clients of each of its sessions',
  ],
  [
    'FROM deliveries WHERE deliveries.sid = ? AND deliveries.target_id IN',
    'what one session has at the targets of its clients: closed ones go with retention',
  ],
  [
    'FROM deliveries WHERE deliveries.sub = ? AND deliveries.target_id IN',
    'what one user has at the targets of a session’s clients: closed ones go with retention',
  ],
  [
    'CROSS JOIN delivery_attempts WHERE delivery_attempts.delivery_id = listed.id',
    'the attempts of one page of deliveries: retries end after days',
  ],
  [
    'FROM deliveries WHERE deliveries.sub = ? AND deliveries.seq = ? AND deliveries.id > ?',
    'the history of one user, and their deliveries of one revocation; retention deletes them',
  ],
  [
    'FROM deliveries WHERE deliveries.sub = ? AND deliveries.payload IS NOT NULL AND',
    'at most 1000 that one user has; retention deletes them',
  ],
  [
    'WHERE sessions.sub = ? AND sessions.ended_seq IS NULL ORDER BY',
    'the open sessions of one user',
  ],
  [
    'WHERE sessions.sub = ? AND sessions.ended_seq IS NULL AND (CAST',
    'the open sessions of one user',
  ],
  [
    'WHERE sessions.sub = deliveries.sub AND sessions.ended_seq IS NULL',
    'the open sessions of one user',
  ],
  [
    'WHERE sessions.sub = ? AND sessions.ended_seq IS NULL AND sessions.sid <> ?',
    'the open sessions of one user',
  ],
  [
    'SELECT sessions.roles AS roles FROM sessions WHERE sessions.sub = ? AND sessions.ended_seq IS NULL',
    'the open sessions of one user',
  ],
  [
    'FROM subjects WHERE subjects.home_id = ? AND subjects.sub <> ?',
    'the users of one human: one for each tenant',
  ],
  [
    'WHERE sessions.microsoft_sid = ? AND sessions.ended_seq IS NULL ORDER BY',
    'the sessions of one sign-in session of Entra',
  ],
  ['WHERE b.browser_hash = ? AND b.ended_seq IS NULL', 'the open sessions of one browser'],
  [
    'DELETE FROM codes WHERE codes.sid = ? AND codes.client_id = ?',
    'the codes of one session at one client',
  ],
  ['INDEXED BY sessions_open_by_sub SET device', 'the open sessions of one user'],
  [
    'FROM sessions INDEXED BY sessions_open_by_sub WHERE sessions.sub = ? AND sessions.ended_seq IS NULL',
    'the open sessions of one user',
  ],
  ['INSERT INTO session_entries (client_id, seq, until) SELECT', 'the clients of one session'],
  [
    'max(ends.at) + 60 FROM (SELECT * FROM (SELECT sessions.absolute_at',
    'the last row of each of two indexes',
    'scans',
  ],
  [
    'FROM (SELECT * FROM (SELECT session_entries.seq FROM session_entries',
    'a page of each of two ranges of the primary key',
    'scans',
  ],
  [
    "FROM revocations INDEXED BY revocations_pending WHERE revocations.fan_out = 'pending'",
    'wide revocations whose fan-out is pending: operators’ acts',
    'scans',
  ],
  [
    'SELECT min(+revocations.seq) AS seq FROM revocations INDEXED BY revocations_by_at',
    'the revocations of the last hour; once in a process, and after a clock was set back',
  ],
  [
    'UPDATE sessions INDEXED BY sessions_open_by_tenant SET absolute_at',
    'a page whose end was looked up before',
  ],
  [
    'WHERE participants.client_id = ? AND participants.sid > ? AND participants.sid <= ?',
    'a page whose end was looked up before',
  ],
  [
    'FROM rejected_sign_ins WHERE rejected_sign_ins.tid = ? AND rejected_sign_ins.oid = ?',
    'at most 100 of a user',
  ],
  ['count(*) AS count FROM rejected_sign_ins WHERE rejected_sign_ins.id > ?', 'one window of ids'],
  [
    'count(*) AS count FROM rejected_sign_ins WHERE rejected_sign_ins.tid = ?',
    'at most 10,000 of a tenant',
  ],
  ['LIMIT 2000) AS rejected_sign_ins', 'the latest 2000 rows of a tenant', 'scans'],
  ['LIMIT 5000) AS security_events', 'at most 5,000 entries of a user', 'scans'],
  ['DELETE FROM rejected_sign_ins WHERE (rejected_sign_ins.tid,', 'at most 100 of a user'],
  [
    'DELETE FROM rejected_sign_ins WHERE rejected_sign_ins.id <=',
    'the rows over the bound in all, those of the batch before, by the last row',
    'scans',
  ],
  [
    'LIMIT 2000) AS security_events WHERE EXISTS',
    'the latest 2000 reports, by their index',
    'scans',
  ],
  [
    'SELECT security_events.seq FROM security_events WHERE security_events.sub = ?',
    'the history of one user: retention shortens it',
  ],
  [
    'SET fresh_until = participants.fresh_until + ? WHERE participants.sid = ?',
    'the clients of one session',
  ],
  [
    'FROM subjects WHERE subjects.tid = ? AND subjects.oid > ? ORDER BY subjects.oid LIMIT ?) AS subjects WHERE EXISTS',
    'a page of users, and the open sessions of each',
    'scans',
  ],
  [
    "FROM microsoft_work WHERE microsoft_work.state = 'failed' ORDER BY microsoft_work.asked_at_ms DESC LIMIT",
    'an index that holds failed work alone, read from its end',
    'scans',
  ],
  [
    "AND (microsoft_work.kind, microsoft_work.tid, microsoft_work.oid) <= (?, ?, ?) AND microsoft_work.state = 'failed'",
    'a page whose end was looked up before',
  ],
  [
    'FROM delivery_attempts WHERE delivery_attempts.delivery_id = ?',
    'the attempts of one delivery',
  ],
  [
    'DELETE FROM delivery_attempts WHERE delivery_attempts.delivery_id IN',
    'the attempts of a page of deliveries that was read with a limit',
  ],
  [
    'sessions.ended_seq IS NULL AND sessions.opened_seq < listed.seq UNION SELECT',
    'the sessions of the users of one page of revocations, and the history of those users',
  ],
  [
    'LEFT JOIN deliveries AS later ON later.id = deliveries.superseded_by',
    'the logout tokens of a revocation of one user, by the act',
  ],
  ['consents.at AS at FROM consents WHERE consents.sub = ?', 'one for each client'],
  [
    'sessions.sid <= ? AND sessions.sub = ? ORDER BY sessions.sid',
    'a page whose end was looked up before',
  ],
  [
    'participants.sid <= ? AND EXISTS (SELECT 1 FROM sessions',
    'a page whose end was looked up before',
  ],
  ['deliveries.id <= ? AND (deliveries.sub = ? OR EXISTS', 'a page whose end was looked up before'],
  ['revocations.seq <= ? AND (revocations.sub = ? OR', 'a page whose end was looked up before'],
  ['DELETE FROM consents WHERE consents.sub = ?', 'one for each client'],
  [
    "roles = '[]' WHERE sessions.sid > ? AND sessions.sid <= ?",
    'a page whose end was looked up before',
  ],
  [
    'SET salt = NULL WHERE revocations.seq > ? AND revocations.seq <= ?',
    'a page whose end was looked up before',
  ],
  [
    'FROM audit WHERE audit.actor_id = ? AND audit.id > ? AND audit.id <= ?',
    'a page whose end was looked up before',
  ],
  [
    'FROM audit WHERE audit.target = ? AND audit.id > ? AND audit.id <= ?',
    'a page whose end was looked up before',
  ],
  [
    'DELETE FROM families WHERE families.sid IN',
    'the grants of a page of sessions that was read with a limit',
  ],
  [
    'DELETE FROM participants WHERE participants.sid IN',
    'the clients of a page of sessions that was read with a limit',
  ],
  [
    'DELETE FROM revocations WHERE revocations.seq <= ?',
    'up to a seq that was read with a limit: those before it are gone',
  ],
  [
    'DELETE FROM revocation_totals WHERE revocation_totals.seq <= ?',
    'up to a seq that was read with a limit: those before it are gone',
  ],
  [
    'DELETE FROM audit WHERE audit.id <= ?',
    'up to an id that was read with a limit: those before it are gone',
  ],
  [
    'DELETE FROM audit_outcomes WHERE audit_outcomes.id <= ?',
    'up to an id that was read with a limit: those before it are gone',
  ],
]

let dir: string
let store: Store
let raw: Database.Database
const statements = new Set<string>()
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'broker-plans-'))
  const file = join(dir, 'broker.db')
  // The tables exist now, so that only the acts prepare statements from here on.
  await (await openSqliteStore({ file })).close()
  const prepare = vi.spyOn(Database.prototype, 'prepare')
  store = await openSqliteStore({ file })
  // Prepares what no act has used.
  await store.checkIntegrity()
  for (const [sql] of prepare.mock.calls) statements.add(sql)
  prepare.mockRestore()
  raw = new Database(file)
  readIndexes()
})
afterAll(async () => {
  raw.close()
  await store.close()
  rmSync(dir, { recursive: true, force: true })
})

interface Step {
  table: string
  /** True if a unique index is read, so that at most one row matches. */
  unique: boolean
  scan: boolean
  detail: string
}

interface Index {
  table: string
  unique: boolean
  columns: number
}
const indexes = new Map<string, Index>()
const readIndexes = (): void => {
  for (const table of LARGE)
    for (const { name, unique } of raw.pragma(`index_list(${table})`) as {
      name: string
      unique: 0 | 1
    }[])
      indexes.set(name, {
        table,
        unique: unique === 1,
        columns: (raw.pragma(`index_info(${name})`) as unknown[]).length,
      })
}

/**
 * `SEARCH d USING INDEX name (a=? AND b=?)`, `SCAN r`, `SEARCH s USING INTEGER PRIMARY KEY
 * (rowid=?)`.
 */
function stepOf(sql: string, detail: string): Step | undefined {
  const found = /^(SCAN|SEARCH) (\w+)(?:.*?USING (?:COVERING )?INDEX (\w+))?/.exec(detail)
  if (found === null) return undefined
  const [, kind, alias = '', name = ''] = found
  const index = indexes.get(name)
  const table =
    index?.table ??
    LARGE.find(
      (candidate) =>
        candidate === alias || new RegExp(`\\b${candidate}(?: AS)? ${alias}\\b`).test(sql),
    ) ??
    alias
  const equal = (detail.match(/\w+=\?/g) ?? []).length
  const unique =
    detail.includes('INTEGER PRIMARY KEY (rowid=?)') ||
    (index?.unique === true && equal === index.columns)
  return { table, unique, scan: kind === 'SCAN', detail }
}

/**
 * Steps over large tables that neither look up one row, nor end with a LIMIT right after the order
 * of an index.
 */
function unbounded(sql: string): string[] {
  const named = Object.fromEntries(
    [...sql.matchAll(/@(\w+)/g)].map(([, name = '']) => [name, null]),
  )
  const given = sql.includes('?')
    ? [Array.from(sql.matchAll(/\?/g), () => null)]
    : Object.keys(named).length > 0
      ? [named]
      : []
  const plan = (raw.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...given) as { detail: string }[]).map(
    ({ detail }) => detail,
  )
  const steps = plan
    .map((detail) => stepOf(sql, detail))
    .filter((step) => step !== undefined && LARGE.includes(step.table)) as Step[]
  const sorts = plan.some((detail) => /TEMP B-TREE FOR (?!LAST|RIGHT)/.test(detail))
  const limited = /\bLIMIT\b/.test(sql) && !sorts
  return steps
    .filter(({ unique, scan }) => !unique && (scan ? !limited || /\bWHERE\b/.test(sql) : !limited))
    .map(({ detail }) => detail)
}

const plain = (sql: string): string => sql.replace(/\s+/g, ' ').replaceAll('"', '')

test('every statement reads a bounded number of rows of the large tables', () => {
  expect(statements.size).toBeGreaterThan(100)
  const wrong = [...statements]
    .filter((sql) => !/^\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)/i.test(sql))
    .map((sql) => ({ sql: plain(sql).replaceAll('+?', '?'), steps: unbounded(sql) }))
    .filter(({ steps }) => steps.length > 0)
  const isBounded = ({ sql, steps }: (typeof wrong)[number]): boolean =>
    BOUNDED.some(
      ([piece, , scans]) =>
        sql.includes(piece) &&
        (scans === 'scans' || !steps.some((step) => step.startsWith('SCAN'))),
    )
  expect(wrong.filter((candidate) => !isBounded(candidate))).toEqual([])
  expect(BOUNDED.filter(([piece]) => !wrong.some(({ sql }) => sql.includes(piece)))).toEqual([])
})

test('a join is compiled once: SQLite does not plan by the values that it looks rows up by', () => {
  const joins = [...statements]
    .map(plain)
    .filter(
      (sql) =>
        /^(?:SELECT|INSERT)/.test(sql) && sql.includes(' JOIN ') && !sql.includes(' LIMIT ?'),
    )
  expect(joins.length).toBeGreaterThan(10)
  expect(
    joins.filter((sql) => /\w\.\w+ (?:=|<>) \?/.test(sql.slice(sql.lastIndexOf(' JOIN ')))),
  ).toEqual([])
})
