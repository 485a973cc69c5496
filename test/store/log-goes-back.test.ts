import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openPostgresStore } from '../../db/postgres/store.ts'
import { createMigrated, HAS_POSTGRES, startPostgres } from '../postgres.ts'
import { bench } from './fixture.ts'

describe.skipIf(!HAS_POSTGRES)(
  'a Postgres that comes back as it was before, with the same identifier and timeline, under two running brokers',
  () => {
    test(
      'what had ended stays ended, and no number of the log is issued a second time',
      { timeout: 60_000 },
      async () => {
        const server = await startPostgres()
        onTestFinished(() => server.stop())
        const url = await createMigrated(server)
        const open = (nowMs: () => number) => openPostgresStore({ url, nowMs })
        const b = await bench({ open, remove: () => undefined })
        onTestFinished(() => b.close())
        const other = await open(() => b.now * 1000)
        onTestFinished(() => other.close())
        const stores = [b.store, other]
        const leasesRanOut = [0, 0]
        for (const [i, store] of stores.entries()) {
          store.onElsewhere((what) => {
            if (what === 'unconfirmed') leasesRanOut[i] = (leasesRanOut[i] ?? 0) + 1
          })
        }
        const { session } = await b.signIn('user')

        const [data, snapshot] = [join(server.dir, 'data'), join(server.dir, 'snapshot')]
        await server.kill()
        execFileSync('cp', ['-a', data, snapshot])
        await server.start()
        await expect
          .poll(() => b.revoke({ kind: 'session', sid: session.sid }).catch(() => undefined), {
            timeout: 20_000,
          })
          .toBeDefined()
        const before = await b.store.head()
        await expect
          .poll(() => other.head().catch(() => undefined), { timeout: 20_000 })
          .toEqual(before)

        // A volume cannot be restored within the second for which a lease of these brokers may
        // still be valid.
        const ranOutBefore = [...leasesRanOut]
        await server.kill()
        await expect
          .poll(() => leasesRanOut.every((count, i) => count > (ranOutBefore[i] ?? 0)), {
            timeout: 10_000,
          })
          .toBe(true)
        rmSync(data, { recursive: true })
        execFileSync('cp', ['-a', snapshot, data])
        await server.start()
        for (const store of stores) {
          // The store answers nothing until the log is taken over. The session was live in the
          // copy.
          await expect
            .poll(
              () =>
                store.statusBySid(session.sid, b.now).then(
                  ({ state }) => state,
                  () => 'no answer',
                ),
              { timeout: 20_000, interval: 20 },
            )
            .not.toBe('no answer')
          expect(await store.statusBySid(session.sid, b.now)).toMatchObject({ state: 'ended' })
          const { epoch } = await store.head()
          expect(epoch).not.toBe(before.epoch)
        }
        expect(await b.store.head()).toEqual(await other.head())
      },
    )
  },
)
