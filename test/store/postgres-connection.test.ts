import { describe, expect, onTestFinished, test } from 'vitest'
import { createPool } from '../../db/postgres/connect.ts'
import { fencedBy } from '../../db/postgres/engine.ts'
import { StoreUnavailable } from '../../db/types.ts'
import { committed, withConnection } from '../../db/postgres/transact.ts'
import { OtherBrokersWatch } from '../../db/postgres/other-brokers.ts'
import { openPostgresStore } from '../../db/postgres/store.ts'
import { createDatabase, HAS_POSTGRES, sql } from '../postgres.ts'
import { bench, expectOutcome } from './fixture.ts'

/**
 * Connections that end while something has them: a failover, a pooler's restart, an administrator.
 */

async function open() {
  const database = await createDatabase()
  onTestFinished(() => database.drop())
  const pool = createPool(database.url)
  onTestFinished(() => pool.end())
  pool.on('error', () => undefined)
  return { pool, url: database.url }
}

describe.skipIf(!HAS_POSTGRES)('a connection to Postgres that ends', () => {
  test('while an act has it, fails that act alone: the process and the acts that follow go on', async () => {
    const { pool, url } = await open()
    const act = committed(pool, async (client) => {
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
      const ended = new Promise((done) => client.once('end', done))
      await sql(url, `SELECT pg_terminate_backend(${rows[0]?.pid ?? 0})`)
      await ended
      await client.query('SELECT 1')
    })
    await expect(act).rejects.toThrow()
    expect(
      await withConnection(pool, async (client) => (await client.query('SELECT 1 AS one')).rows),
    ).toEqual([{ one: 1 }])
  })
})

test.skipIf(!HAS_POSTGRES)(
  'whether notifications reach a broker is asked once it listens: what is sent before is lost',
  async () => {
    const { pool, url } = await open()
    await pool.query('SELECT 1')
    const watch = new OtherBrokersWatch(
      url,
      () => undefined,
      () => undefined,
    )
    onTestFinished(() => watch.stop())
    expect(
      await watch.receivesNotifications((channel, payload) =>
        pool.query('SELECT pg_notify($1, $2)', [channel, payload]),
      ),
    ).toBe(true)
  },
)

test.skipIf(!HAS_POSTGRES)(
  'a role without rights to the tables gets the command that gives them',
  async () => {
    const { url } = await open()
    const role = `reader_${process.pid}`
    await sql(url, `CREATE ROLE ${role} LOGIN`)
    onTestFinished(() => sql(url, `DROP ROLE ${role}`))
    const own = url.replace('postgres@', `${role}@`)
    await expect(openPostgresStore({ url: own })).rejects.toThrow(
      new StoreUnavailable(
        `The role of the database's address may not read the broker's tables. Name another role, or run: cmb migrate --grant ${role}`,
      ),
    )
  },
)

describe('what is read', () => {
  /** Reads under a lease that is valid `held` times. */
  function reading(held: number) {
    const pool = { generation: 0 }
    let asked = 0
    const mustBeFenced = (): void => {
      if (++asked > held) throw new StoreUnavailable('not confirmed')
    }
    return { pool, fenced: fencedBy({ pool, mustBeFenced }) }
  }

  test('counts only if the lease holds before it and afterwards too', async () => {
    expect(await reading(2).fenced(async () => 'read')).toBe('read')
    for (const held of [0, 1])
      await expect(reading(held).fenced(async () => 'read')).rejects.toThrow('not confirmed')
  })

  test('is read again where the connections were closed meanwhile, and in the end not answered', async () => {
    const { pool, fenced } = reading(100)
    let reads = 0
    const after = (drops: number) => async () => (++reads <= drops && pool.generation++, reads)
    expect(await fenced(after(2))).toBe(3)
    reads = 0
    await expect(fenced(after(100))).rejects.toThrow('The primary of Postgres changed')
    expect(reads).toBe(4)
  })
})

describe.skipIf(!HAS_POSTGRES)('a commit', () => {
  test('of a lease waits for no disk and no standby; that of a revocation and that of a result do', async () => {
    const database = await createDatabase()
    const b = await bench({
      open: (nowMs) => openPostgresStore({ url: database.url, nowMs }),
      remove: () => database.drop(),
    })
    onTestFinished(() => b.close())
    await sql(
      database.url,
      `CREATE TABLE public.commits (act text, waits text);
      CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.commits VALUES (TG_ARGV[0], current_setting('synchronous_commit'));
        RETURN NULL;
      END $$;
      ${noted('revocation', 'INSERT ON broker.revocations')}
      ${noted('lease', 'UPDATE OF leased_until_ms ON broker.deliveries')}
      ${noted('result', 'INSERT ON broker.delivery_attempts')}`,
    )
    await b.client('sydney')
    const { session } = await b.signIn('alice')
    await b.exchange(session.sid, 'sydney')
    const { committed: ended } = expectOutcome(
      await b.revoke({ kind: 'session', sid: session.sid }),
      'revoked',
    )
    const { id = '' } = ended.pending[0] ?? {}
    const nowMs = b.now * 1000
    expect(
      await b.store.leaseDelivery({ id, attempt: 1, nowMs, untilMs: nowMs + 10_000 }),
    ).toMatchObject({ outcome: 'leased' })
    const pool = createPool(database.url)
    onTestFinished(() => pool.end())
    const commits = async () =>
      (await pool.query('SELECT DISTINCT act, waits FROM public.commits ORDER BY act')).rows
    expect(await commits()).toEqual([
      { act: 'lease', waits: 'off' },
      { act: 'revocation', waits: 'on' },
    ])
    const attempt = {
      attempt: 1,
      atMs: nowMs,
      outcome: 'delivered',
      status: 200,
      latencyMs: 1,
      jti: 'jti',
    } as const
    expect(await b.store.recordDelivery({ id, result: { outcome: 'delivered', attempt } })).toBe(
      true,
    )
    expect(await commits()).toContainEqual({ act: 'result', waits: 'on' })
  })
})

/** Returns a deferred trigger. It reads the setting at the commit, as Postgres does. */
const noted = (act: string, event: string): string =>
  `CREATE CONSTRAINT TRIGGER note_${act} AFTER ${event} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.note('${act}');`
