import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Act, Engine } from '../../db/engine/act.ts'
import { connectionConfig } from '../../db/postgres/connect.ts'
import { runAct } from '../../db/postgres/executor.ts'
import { openPostgresStore } from '../../db/postgres/store.ts'
import { checkAccess } from '../../db/token/access.ts'
import { redeem } from '../../db/token/codes.ts'
import { createDatabase, HAS_POSTGRES, type Database } from '../postgres.ts'
import { bench, codeFor, redemptionOf, T0, type Bench } from './fixture.ts'

describe.skipIf(!HAS_POSTGRES)('a client that joins a session beside its own revocation (Postgres)', () => {
  let database: Database
  let b: Bench
  let joining: Client
  const ambient = { nowMs: () => T0 * 1000, newId: () => 'id' }
  beforeAll(async () => {
    database = await createDatabase()
    b = await bench({ open: (nowMs) => openPostgresStore({ url: database.url, nowMs }), remove: () => undefined })
    await b.client('sydney')
    joining = new Client(connectionConfig(database.url))
    await joining.connect()
  })
  afterAll(async () => {
    await joining.end()
    await b.close()
    await database.drop()
  })

  const inTransaction = async <T>(act: () => Act<T>): Promise<T> => (await runAct(joining, act())).value
  const engine: Engine = { ...ambient, read: inTransaction, write: inTransaction, writePage: inTransaction }
  const redeemsCode = async (sid: string) => {
    const code = codeFor('sydney', b.now)
    await b.store.issueCode({ sid, code, now: b.now })
    return () => inTransaction(() => redeem(ambient, redemptionOf(code, b.now)))
  }
  const exchanges = async (sid: string, sub: string) => () =>
    checkAccess(engine, { sid, sub, clientId: 'melbourne', joins: 'sydney', rev: 1000, now: b.now, touch: false })

  /** The revocation has committed, or waits for a lock. */
  const waitsOrHasCommitted = async (revocation: Promise<unknown>): Promise<void> => {
    let committed = false
    void revocation.then(() => (committed = true))
    await expect
      .poll(async () => {
        const { rows } = await joining.query(
          "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()",
        )
        return committed || rows.length > 0
      })
      .toBe(true)
  }

  test.each([
    ['the redemption of a code', (sid: string) => redeemsCode(sid), 'redeemed'],
    ['a token exchange', (sid: string, sub: string) => exchanges(sid, sub), 'good'],
  ])('%s that did not see the revocation and commits after it gets a logout token', async (_, prepare, outcome) => {
    const { sid, sub } = (await b.signIn('user')).session
    const act = await prepare(sid, sub)
    await joining.query('BEGIN')
    expect(await act()).toMatchObject({ outcome })
    const revocation = b.revoke({ kind: 'client', clientId: 'sydney' })
    await waitsOrHasCommitted(revocation)
    // Where it has committed already, its fan-out looks for participants now.
    await b.fanOutAll()
    await joining.query('COMMIT')
    const revoked = await revocation
    if (revoked.outcome !== 'revoked') return expect.unreachable()
    await b.fanOutAll()
    const { seq } = revoked.committed.revocation
    const told = (await b.store.listDeliveries({ limit: 1000 })).filter((one) => one.seq === seq)
    expect(told.map((one) => [one.sid, one.clientId])).toContainEqual([sid, 'sydney'])
  })
})
