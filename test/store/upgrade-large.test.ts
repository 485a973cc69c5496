import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import type { Store } from '../../db/store.ts'
import { expectOutcome, metadataOf, T0, TENANT } from './fixture.ts'
import { formerDatabase } from './former.ts'

/**
 * A large data directory of the version before the store had two engines, upgraded in place when this version opens it. With
 * UPGRADE_SESSIONS=1000000 it tells by the duration of its first test how long a large upgrade takes.
 */

const SESSIONS = Number(process.env.UPGRADE_SESSIONS ?? 20_000)
/** The latest migration of that version. */
const LAST = '0016_evidence_chain'
const MS = T0 * 1000
const HEAD = SESSIONS

let dir: string
let file: string
let store: Store | undefined
const opened = (): Store => store ?? expect.unreachable()

/** Each user has two sessions, each session one grant; each tenth session has ended and has a delivery. */
function fill(db: Database.Database): void {
  const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${SESSIONS})`
  const ended = (value: string) => `CASE WHEN i % 10 = 0 THEN ${value} END`
  db.pragma('journal_mode = WAL')
  db.exec('BEGIN')
  db.exec(`
    INSERT INTO log_head (id, seq, epoch) VALUES (1, ${HEAD}, 'former');
    INSERT INTO chain_heads (log, number, hash) VALUES ('revocations', ${HEAD}, 'r'), ('audit', 0, 'a');
    INSERT INTO targets (target_id, client_id, uri) VALUES ('t_1', 'sydney', 'https://sydney.example/logout');
    INSERT INTO revocations (seq, kind, tid, reason, actor_kind, actor_id, at, at_ms, fan_out) VALUES
      (${HEAD}, 'tenant', 'another', 'administrator', 'operator', 'olga', ${T0}, ${MS}, 'complete');
    INSERT INTO cutoffs (kind, key, seq) VALUES ('tenant', 'another', ${HEAD});
    INSERT INTO microsoft_work (kind, tid, oid, generation, attempts, state, asked_at_ms, next_at_ms) VALUES
      ('check_user', '${TENANT}', 'oid-1', 1, 0, 'pending', ${MS}, ${MS});
    ${numbers} INSERT INTO subjects (sub, tid, oid, name, created_at)
      SELECT 'u_' || i, '${TENANT}', 'oid-' || i, 'User ' || i, ${T0} FROM n WHERE i <= ${SESSIONS / 2};
    ${numbers} INSERT INTO sessions (sid, sub, tid, opened_seq, opened_at, auth_time, last_active_at, idle_seconds, absolute_at, deadline_at, roles,
        stay_signed_in, microsoft_cache_sealed, probe_phase, device, cookie_hash, ended_seq, ended_at, ended_reason)
      SELECT 's_' || i, 'u_' || (i % ${SESSIONS / 2} + 1), '${TENANT}', 1, ${T0}, ${T0}, ${T0}, 28800, ${T0} + 43200, ${T0} + 28800, '["Case.Worker"]',
        0, CASE WHEN i % 10 THEN 'sealed tokens of Microsoft of session ' || i END, i % 65536, 'Firefox on Windows', 'cookie-' || i,
        ${ended('i / 10')}, ${ended(String(T0))}, ${ended("'signed_out'")} FROM n;
    ${numbers} INSERT INTO participants (sid, client_id, first_at, last_at, joined_seq) SELECT 's_' || i, 'sydney', ${T0}, ${T0}, 1 FROM n;
    ${numbers} INSERT INTO families (family_id, sid, client_id, generation, scope, audience, opened_seq, rotated_at)
      SELECT 'f_' || i, 's_' || i, 'sydney', 7, 'openid offline_access', 'https://sydney.example', 1, ${T0} FROM n;
    ${numbers} INSERT INTO deliveries (id, seq, client_id, target_id, sid, state, attempts, created_at_ms, next_attempt_at_ms)
      SELECT 'd_' || i, i / 10, 'sydney', 't_1', 's_' || i, 'pending', 0, ${MS}, ${MS} FROM n WHERE i % 10 = 0;
    INSERT INTO delivery_counts (client_id, state, count) VALUES ('sydney', 'pending', ${SESSIONS / 10});
  `)
  db.prepare("INSERT INTO clients (client_id, source, metadata, logout_by, created_at, updated_at) VALUES ('sydney', 'admin', ?, 'sid', ?, ?)").run(
    JSON.stringify(metadataOf('sydney')),
    T0,
    T0,
  )
  db.exec('COMMIT')
}

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'broker-upgrade-large-'))
  file = join(dir, 'broker.db')
  const db = formerDatabase(file, LAST)
  fill(db)
  db.close()
}, 600_000)
afterAll(async () => {
  await store?.close()
  rmSync(dir, { recursive: true, force: true })
})

const refresh = (i: number, generation: number) => opened().rotateRefreshToken({ familyId: `f_${i}`, clientId: 'sydney', generation, now: T0 + 60 })

describe(`a database of the version before, with ${SESSIONS} sessions`, () => {
  test('is upgraded when it is opened', async () => {
    store = await openSqliteStore({ file, nowMs: () => MS })
    expect(await store.head()).toEqual({ seq: HEAD, epoch: 'former' })
  })

  test('keeps every session: the live ones are live and their refresh tokens rotate, the ended ones stay ended', async () => {
    expect(await opened().liveSessionCount(T0 + 60)).toBe(SESSIONS * 0.9)
    for (const i of [1, SESSIONS / 2 + 1, SESSIONS - 1]) {
      expect((await opened().standingBySid(`s_${i}`, T0 + 60)).state).toBe('live')
      expect(expectOutcome(await refresh(i, 7), 'rotated').family.generation).toBe(8)
    }
    expect((await opened().standingBySid(`s_${SESSIONS}`, T0 + 60)).state).toBe('ended')
    expectOutcome(await refresh(SESSIONS, 7), 'rejected')
  })

  test('goes on with what was pending: deliveries, calls to Microsoft, the probe and the log', async () => {
    expect((await opened().dueDeliveries({ targetId: 't_1', nowMs: MS, limit: 100 })).refs).toHaveLength(100)
    expect(await opened().claimMicrosoftWork({ tid: TENANT, nowMs: MS, untilMs: MS + 1, limit: 10 })).toMatchObject([{ oid: 'oid-1' }])
    const [begun, end] = [{ place: 0, atMs: MS }, 65_536]
    expect((await opened().takeProbes({ tid: TENANT, begun, end, limit: 50, now: T0, nowMs: MS, untilMs: MS + 1 }))?.due).toHaveLength(50)
    const actor = { kind: 'operator', id: 'olga' } as const
    await opened().revoke({ selector: { kind: 'tenant', tid: TENANT }, reason: 'administrator', actor, now: T0 + 60 })
    expect((await opened().standingBySid('s_1', T0 + 60)).state).toBe('ended')
    expect((await opened().head()).seq).toBe(HEAD + 1)
  })
})
