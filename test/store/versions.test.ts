import { describe, expect, onTestFinished, test } from 'vitest'
import { openPostgresStore } from '../../db/postgres/store.ts'
import { createDatabase, HAS_POSTGRES, sql } from '../postgres.ts'
import { bench, expectOutcome, family } from './fixture.ts'

describe.skipIf(!HAS_POSTGRES)(
  'the next version migrates while a broker of this version runs',
  () => {
    test('that broker goes on with every kind of act; one that starts later rejects, and says what to start', async () => {
      const database = await createDatabase()
      const b = await bench({
        open: (nowMs) => openPostgresStore({ url: database.url, nowMs }),
        remove: () => database.drop(),
      })
      onTestFinished(() => b.close())
      await b.client('sydney')
      const before = await b.signIn('before')
      const { family: first } = await b.exchange(before.session.sid, 'sydney')

      const next = `ALTER TABLE broker.sessions ADD COLUMN of_the_next_version text;
      ALTER TABLE broker.revocations ADD COLUMN of_the_next_version bigint NOT NULL DEFAULT 0;
      ALTER TABLE broker.processes ADD COLUMN of_the_next_version text NOT NULL DEFAULT '';
      CREATE INDEX by_the_next_version ON broker.sessions (of_the_next_version);
      CREATE TABLE broker.of_the_next_version (id text PRIMARY KEY);
      INSERT INTO broker.migrations (hash, created_at) VALUES ('of the next version', ${Date.now() + 365 * 86_400_000})`
      await sql(database.url, next)

      const rotated = expectOutcome(await b.refresh(family(first)), 'rotated')
      const after = await b.signIn('after')
      await b.exchange(after.session.sid, 'sydney')
      expectOutcome(await b.revoke({ kind: 'session', sid: before.session.sid }), 'revoked')
      expect((await b.refresh(rotated.family)).outcome).toBe('rejected')
      const statuses = [before, after].map(
        async ({ session }) => (await b.store.statusBySid(session.sid, b.now)).state,
      )
      expect(await Promise.all(statuses)).toEqual(['ended', 'live'])
      const [due] = await b.due(b.now * 1000)
      expect(due).toBeDefined()
      expect(await b.store.brokers()).toHaveLength(1)
      await expect(openPostgresStore({ url: database.url })).rejects.toThrow(
        'A newer version of the broker has written this database. Start that version again.',
      )
    })
  },
)
