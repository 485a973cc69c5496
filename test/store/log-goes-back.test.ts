import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openPostgresStore } from '../../db/postgres/store.ts'
import type { Store } from '../../db/store.ts'
import { createMigrated, HAS_POSTGRES, startPostgres } from '../postgres.ts'
import { Volume } from '../volume.ts'
import { bench } from './fixture.ts'

/** How long brokers may take to begin a new log on a machine that is busy. */
const BEGUN = { timeout: 20_000, interval: 20 }

describe.skipIf(!HAS_POSTGRES)(
  'a Postgres that comes back as it was before, with the same identifier and timeline',
  () => {
    async function opened() {
      const server = await startPostgres()
      onTestFinished(() => server.stop())
      const url = await createMigrated(server)
      const dir = mkdtempSync(join(tmpdir(), 'goes-back-'))
      onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
      const open = async (name: string, nowMs: () => number): Promise<Store> => {
        const store = await openPostgresStore({ url, nowMs, mark: join(dir, name) })
        onTestFinished(() => store.close())
        return store
      }
      const b = await bench({ open: (nowMs) => open('a', nowMs), remove: () => undefined })
      const revoke = (store: Store, sid: string) =>
        store.revoke({
          selector: { kind: 'session', sid },
          reason: 'administrator',
          actor: { kind: 'operator', id: 'test' },
          now: b.now,
        })
      const stateAt = (store: Store, sid: string) =>
        store.statusBySid(sid, b.now).then(
          ({ state }) => state,
          () => 'no answer',
        )
      const signIns = async (count: number) => {
        const sids: string[] = []
        while (sids.length < count) sids.push((await b.signIn(`user${sids.length}`)).session.sid)
        return sids
      }
      const nowMs = () => b.now * 1000
      return {
        b,
        volume: new Volume(server),
        revoke,
        stateAt,
        signIns,
        open: (name: string) => open(name, nowMs),
      }
    }

    test(
      'what had ended stays ended under two running brokers, although both append as many entries as were lost before a renewal looks; a new log begins',
      { timeout: 60_000 },
      async () => {
        const { b, volume, revoke, stateAt, signIns, open } = await opened()
        const other = await open('b')
        const stores = [b.store, other]
        const [victim = '', ...others] = await signIns(40)
        await volume.copy()
        await expect.poll(() => revoke(b.store, victim).catch(() => undefined), BEGUN).toBeDefined()
        const before = await b.store.head()
        // A broker knows of the log what its latest renewal has read.
        await expect
          .poll(() => other.knownHead(-Infinity).catch(() => undefined), BEGUN)
          .toMatchObject(before)

        // Both brokers go on revoking, so that the copy's log soon has the number that was lost.
        const ending = new AbortController()
        const states = new Set<string>()
        const busy = stores.map(async (store) => {
          for (; !ending.signal.aborted; await turn()) {
            await revoke(store, others.shift() ?? victim).catch(() => undefined)
            states.add(await stateAt(store, victim))
          }
        })
        await volume.putBack()
        for (const store of stores)
          await expect
            .poll(
              () =>
                store.head().then(
                  ({ epoch }) => epoch,
                  () => before.epoch,
                ),
              BEGUN,
            )
            .not.toBe(before.epoch)
        ending.abort()
        await Promise.all(busy)
        expect([...states].filter((state) => state !== 'no answer')).toEqual(['ended'])
        expect((await b.store.head()).epoch).toBe((await other.head()).epoch)
      },
    )

    test.each([
      ['the one that knows least, those that know more', ['new', 'old', 'a']],
      ['the one that knows most, those that know less', ['a', 'old', 'new']],
    ])(
      'what had ended is ended at every broker once all have started, whichever starts first: %s',
      { timeout: 60_000 },
      async (_, order) => {
        const { b, volume, revoke, stateAt, signIns, open } = await opened()
        const [victim = '', ...others] = await signIns(4)
        await (await open('old')).close()
        await volume.copy()
        await expect.poll(() => revoke(b.store, victim).catch(() => undefined), BEGUN).toBeDefined()
        const before = await b.store.head()
        await b.store.close()
        await volume.putBack()
        const stores: Store[] = []
        for (const name of order) {
          const store = await open(name)
          stores.push(store)
          await revoke(store, others.shift() ?? '')
        }
        for (const store of stores) {
          await expect.poll(() => stateAt(store, victim), BEGUN).toBe('ended')
          await expect.poll(async () => (await store.head()).epoch, BEGUN).not.toBe(before.epoch)
        }
      },
    )
  },
)
