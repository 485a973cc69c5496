import { randomUUID } from 'node:crypto'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Act, Engine } from '../../db/engine/act.ts'
import { connectionConfig } from '../../db/postgres/connect.ts'
import { runAct } from '../../db/postgres/executor.ts'
import { openPostgresStore } from '../../db/postgres/store.ts'
import { signIn } from '../../db/session/sign-in.ts'
import { checkAccess } from '../../db/token/access.ts'
import { redeemAuthorizationCode } from '../../db/token/codes.ts'
import { createDatabase, HAS_POSTGRES, type Database } from '../postgres.ts'
import { bench, codeFor, expectOutcome, redemptionOf, T0, type Bench } from './fixture.ts'

/**
 * One act has done its statements and has not committed when another one begins: the order that two
 * brokers can bring about.
 */

describe.skipIf(!HAS_POSTGRES)('beside an act that has not committed yet (Postgres)', () => {
  let database: Database
  let b: Bench
  let first: Client
  const sources = { nowMs: () => T0 * 1000, isCertain: () => false, newId: () => randomUUID() }
  beforeAll(async () => {
    database = await createDatabase()
    b = await bench({
      open: (nowMs) => openPostgresStore({ url: database.url, nowMs }),
      remove: () => undefined,
    })
    await b.client('sydney')
    first = new Client(connectionConfig(database.url))
    await first.connect()
  })
  afterAll(async () => {
    await first.end()
    await b.close()
    await database.drop()
  })

  const inTransaction = async <T>(act: () => Act<T>): Promise<T> =>
    (await runAct(first, sources, act())).value
  const engine: Engine = { read: inTransaction, write: inTransaction, writePage: inTransaction }
  const redeemsCode = async (sid: string) => {
    const code = codeFor('sydney', b.now)
    await b.store.issueCode({ sid, code, now: b.now })
    return () => inTransaction(() => redeemAuthorizationCode(redemptionOf(code, b.now)))
  }
  const exchanges = async (sid: string, sub: string) => () =>
    checkAccess(engine, {
      sid,
      sub,
      clientId: 'melbourne',
      joins: 'sydney',
      rev: 1000,
      now: b.now,
      touch: false,
    })

  /** The second act has committed, or waits for a lock. */
  const waitsOrHasCommitted = async (second: Promise<unknown>): Promise<void> => {
    let committed = false
    void second.then(() => (committed = true))
    await expect
      .poll(async () => {
        const { rows } = await first.query(
          "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()",
        )
        return committed || rows.length > 0
      })
      .toBe(true)
  }

  test.each([
    ['the redemption of a code', (sid: string) => redeemsCode(sid), 'redeemed'],
    ['a token exchange', (sid: string, sub: string) => exchanges(sid, sub), 'good'],
  ])(
    '%s that did not see the revocation of its client and commits after it gets a logout token',
    async (_, prepare, outcome) => {
      const { sid, sub } = (await b.signIn('user')).session
      const act = await prepare(sid, sub)
      await first.query('BEGIN')
      expect(await act()).toMatchObject({ outcome })
      const revocation = b.revoke({ kind: 'client', clientId: 'sydney' })
      await waitsOrHasCommitted(revocation)
      // If it has committed already, its fan-out looks for participants now.
      await b.fanOutAll()
      await first.query('COMMIT')
      const revoked = await revocation
      if (revoked.outcome !== 'revoked') return expect.unreachable()
      await b.fanOutAll()
      const { seq } = revoked.committed.revocation
      const told = (await b.store.listDeliveries({ limit: 1000 })).filter(
        (delivery) => delivery.seq === seq,
      )
      expect(told.map((delivery) => [delivery.sid, delivery.clientId])).toContainEqual([
        sid,
        'sydney',
      ])
    },
  )

  test('the redemption of a code that commits after the revocation of its grant began leaves no grant', async () => {
    const { sid, sub } = (await b.signIn('erin')).session
    const redeems = await redeemsCode(sid)
    await first.query('BEGIN')
    expect(await redeems()).toMatchObject({ outcome: 'redeemed' })
    const revocation = b.revoke({ kind: 'grant', sid, clientId: 'sydney' })
    await waitsOrHasCommitted(revocation)
    await first.query('COMMIT')
    await revocation
    expect((await b.store.appsOfUser(sub, b.now)).grants).toEqual([])
  })

  test.each([
    ['the same user', 'carol', true],
    ['another user', 'dave', false],
  ])(
    'a sign-in of %s on the browser of a first sign-in leaves one live session',
    async (_, who, renewed) => {
      const browser = { session: { browserHash: `browser of ${who}` } }
      const other = b.signInOf('carol', browser)
      await first.query('BEGIN')
      const opened = expectOutcome(await inTransaction(() => signIn(other)), 'signed_in')
      const second = b.signIn(who, browser)
      await waitsOrHasCommitted(second)
      await first.query('COMMIT')
      const { session, ...done } = await second
      expect(done).toMatchObject({
        renewed,
        committed: renewed
          ? []
          : [{ revocation: { selector: { sid: opened.session.sid }, reason: 'replaced' } }],
      })
      expect(session.sid === opened.session.sid).toBe(renewed)
      expect((await b.store.statusBySid(session.sid, b.now)).state).toBe('live')
      expect((await b.store.statusBySid(opened.session.sid, b.now)).state).toBe(
        renewed ? 'live' : 'ended',
      )
    },
  )
})
