import { Client } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openPostgresStore } from '../../db/postgres/store.ts'
import { NAMESPACE } from '../../db/postgres/schema.ts'
import { borrowDatabase } from '../emptied-database.ts'
import { createDatabase, HAS_POSTGRES, type Database } from '../postgres.ts'
import { bench, type StoreUnderTest } from '../store/fixture.ts'

const open = ({ url }: Database): StoreUnderTest => ({
  open: (nowMs) => openPostgresStore({ url, nowMs }),
  remove: () => undefined,
})

/** Each table with its number of rows, each sequence with its position. */
async function contentOf({ url }: Database): Promise<Record<string, unknown>> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const content: Record<string, unknown> = {}
    const relations = await client.query<{ name: string; kind: string }>(
      `SELECT oid::regclass::text AS name, relkind AS kind FROM pg_class WHERE relnamespace = '${NAMESPACE}'::regnamespace AND relkind IN ('r', 'S')`,
    )
    for (const { name, kind } of relations.rows) {
      const asked =
        kind === 'r' ? `SELECT count(*) FROM ${name}` : `SELECT last_value, is_called FROM ${name}`
      content[name] = (await client.query<Record<string, unknown>>(asked)).rows
    }
    return content
  } finally {
    await client.end()
  }
}

describe.skipIf(!HAS_POSTGRES)('a database that tests use again', () => {
  test('has in it what a new one has', async () => {
    const fresh = await createDatabase()
    onTestFinished(() => fresh.drop())
    const used = new Set<string>()
    for (;;) {
      const database = await borrowDatabase()
      if (used.has(database.url)) {
        expect(await contentOf(database)).toEqual(await contentOf(fresh))
        return database.drop()
      }
      used.add(database.url)
      const b = await bench(open(database))
      await b.client('sydney')
      const { session } = await b.signIn()
      await b.exchange(session.sid, 'sydney')
      await b.revoke({ kind: 'session', sid: session.sid })
      await b.store.appendAudit({
        actor: { kind: 'operator', id: 'u_ann' },
        via: 'console',
        act: 'revoke',
        target: session.sid,
      })
      await b.close()
      await database.drop()
    }
  })

  test('is one that no store has open', async () => {
    const database = await borrowDatabase()
    const b = await bench(open(database))
    onTestFinished(() => b.close())
    await database.drop()
    for (let n = 0; n < 20; n++) {
      const other = await borrowDatabase()
      expect(other.url).not.toBe(database.url)
      await other.drop()
    }
  })
})
