import { describe, expect, onTestFinished, test } from 'vitest'
import { createPool } from '../../db/postgres/connect.ts'
import { fencedBy } from '../../db/postgres/engine.ts'
import { StoreUnavailable } from '../../db/store.ts'
import { committed, withConnection } from '../../db/postgres/transact.ts'
import { createDatabase, HAS_POSTGRES, sql } from '../postgres.ts'

/** Connections that end while something has them: a failover, a pooler's restart, an administrator. */

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
    expect(await withConnection(pool, async (client) => (await client.query('SELECT 1 AS one')).rows)).toEqual([{ one: 1 }])
  })
})

describe('what is read', () => {
  /** A lease that holds as often as `held` says. */
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
    for (const held of [0, 1]) await expect(reading(held).fenced(async () => 'read')).rejects.toThrow('not confirmed')
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
