import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import { placeDataFile } from '../data-file.ts'
import { bench, expectOutcome, TENANT, type Bench } from './fixture.ts'

/**
 * Acts of the embedded store over more rows than one act may read or write: page by page, and
 * resumed after a crash.
 */

let dir: string
let file: string
let b: Bench
let raw: Database.Database
const ADMINISTRATOR = { kind: 'operator', id: 'olga' } as const
const OTHER = '99999999-2222-4333-8444-555555555555'

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'broker-paged-'))
  file = join(dir, 'broker.db')
  placeDataFile(file)
  b = await bench({
    open: (nowMs) => openSqliteStore({ file, nowMs }),
    remove: () => {},
  })
  raw = new Database(file)
})
afterEach(async () => {
  raw.close()
  await b.close()
  rmSync(dir, { recursive: true, force: true })
})
const reopen = async (): Promise<void> => {
  await b.close()
  b.store = await openSqliteStore({ file, nowMs: () => b.now * 1000 })
}
const count = (sql: string, ...values: unknown[]): number =>
  raw
    .prepare<unknown[], number>(sql)
    .pluck()
    .get(...values) ?? Number.NaN

describe('a user with many audit entries who is erased', () => {
  const saltsOf = (actorId: string, target: string): number =>
    count(
      'SELECT count(*) FROM audit_salts WHERE id IN (SELECT id FROM audit WHERE actor_id = ? OR target = ?)',
      actorId,
      target,
    )
  const audit = (actorId: string, times: number, target?: string) =>
    Promise.all(
      Array.from({ length: times }, () =>
        b.store.appendAudit({
          actor: { kind: 'operator', id: actorId },
          via: 'console',
          act: 'revoke',
          target,
        }),
      ),
    )

  test('loses their salts page by page, across a restart; entries written later and those of others keep theirs', async () => {
    const { sub } = (await b.signIn('alice')).session
    const target = `subject ${sub}`
    await audit(sub, 630)
    await audit('olga', 40)
    await audit('olga', 70, target)
    expectOutcome(await b.store.eraseUser({ sub, actor: ADMINISTRATOR, now: b.now }), 'erased')
    // The erasure itself forgets as many rows as most users have.
    expect(saltsOf(sub, target)).toBe(300)
    await audit(sub, 3)
    await audit('olga', 2, target)
    let left = saltsOf(sub, target)
    for (let more = true, pages = 0; more; pages++) {
      more = await b.store.forgetErased({ limit: 20 })
      const now = saltsOf(sub, target)
      expect(left - now).toBeLessThanOrEqual(20)
      left = now
      if (pages === 5) await reopen()
    }
    expect(left).toBe(5)
    expect(saltsOf('olga', 'none')).toBe(42)
  })
})

describe('the sweep of expired sessions', () => {
  test('looks at a bounded number of those that a wide revocation has ended already, and gets past them', async () => {
    const { session } = await b.signIn('bob', { tid: OTHER, session: { idleSeconds: 600 } })
    raw
      .prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
        INSERT INTO sessions (sid, sub, tid, opened_seq, opened_at, auth_time, visit_started_at, visit_ended_at, probed_at, last_active_at,
          idle_seconds, absolute_at, deadline_at, roles, stay_signed_in, probe_phase, device, cookie_hash)
        SELECT 's_' || i, u.sub, @tid, 0, @now, @now, @now, @now, @now, @now, 300, @now + 43200, @now + 300, '[]', 0, 0, 'x', 'c_' || i FROM n, subjects u`,
      )
      .run({ tid: TENANT, now: b.now })
    await b.revoke({ kind: 'tenant', tid: TENANT })
    b.now += 600
    const sweep = async () =>
      (await b.store.expireSessions({ now: b.now, limit: 25 })).map(
        ({ revocation }) => revocation.selector,
      )
    expect([await sweep(), await sweep()]).toEqual([[], []])
    expect(await sweep()).toEqual([{ kind: 'session', sid: session.sid }])
    // The next sweep begins again, and finds a session that has become due in the meantime.
    const { session: later } = await b.signIn('carol', { tid: OTHER, session: { idleSeconds: 0 } })
    const found = [await sweep(), await sweep(), await sweep()].flat()
    expect(found).toEqual([{ kind: 'session', sid: later.sid }])
  })
})

describe('what is to be asked of Microsoft about a tenant that is removed', () => {
  const workOf = (tid: string): number =>
    count('SELECT count(*) FROM microsoft_work WHERE tid = ?', tid)
  const ask = (tid: string, users: number) =>
    b.store.askMicrosoft(
      Array.from({ length: users }, (_, n) => ({
        kind: 'check_user' as const,
        tid,
        oid: `oid-${n}`,
      })),
      b.now * 1000,
    )
  const connect = (tid: string) => b.store.putTenant({ tid, mfaProof: 'amr', connectedAt: b.now })
  const remove = (tid: string) => b.store.removeTenant({ tid, actor: ADMINISTRATOR, now: b.now })
  beforeEach(async () => {
    for (const tid of [TENANT, OTHER]) {
      await connect(tid)
      await ask(tid, 1_300)
    }
  })

  test('goes in bounded acts: the removal deletes some, the purge the rest', async () => {
    expectOutcome(await remove(TENANT), 'removed')
    expect(workOf(TENANT)).toBe(800)
    let left = 800
    for (let more = true; more;) {
      more = await b.store.purge({ kind: 'microsoft_work', now: b.now, limit: 100 })
      expect(left - workOf(TENANT)).toBeLessThanOrEqual(100)
      left = workOf(TENANT)
    }
    expect([left, workOf(OTHER)]).toEqual([0, 1_300])
  })

  test('is gone before the tenant is connected again, also after a restart; that of a connected one is kept', async () => {
    expectOutcome(await remove(TENANT), 'removed')
    await reopen()
    await connect(TENANT)
    expect(await b.store.findTenant(TENANT)).toMatchObject({ removedAt: undefined })
    expect(
      await b.store.claimMicrosoftWork({ tid: TENANT, nowMs: b.now * 1000, untilMs: 0, limit: 10 }),
    ).toEqual([])
    expect(workOf(TENANT)).toBe(0)
    await connect(OTHER)
    expect(workOf(OTHER)).toBe(1_300)
  })
})
