import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { FeedRow, Revocation } from '../../db/types.ts'
import { createLog } from '../../src/runtime/log.ts'
import { Broadcaster } from '../../src/revocation/broadcaster.ts'
import type { FeedStream } from '../../src/revocation/feed-stream.ts'

/** The broadcaster over a store whose answers come when the test lets them. */

const revocation = (seq: number, registryVersion = 0): FeedRow => ({
  registryVersion,
  seq,
  selector: { kind: 'session', sid: `s${seq}` },
  reason: 'idle',
  actor: { kind: 'broker', id: 'sweep' },
  at: 1,
  sessions: 1,
  fanOut: 'complete',
})

async function opened() {
  const log = {
    committed: 0,
    /** The version of the registry with which the store's rows come. */
    version: 0,
    gate: Promise.withResolvers<void>(),
    asked: Promise.withResolvers<void>(),
    gated: '',
    /** The version of the registry that is read, and what lets it be read again. */
    registry: { version: 0, read: Promise.withResolvers<void>() },
  }
  /** Takes its snapshot when it is asked, and answers when the test lets it. */
  const answer = async <T>(name: string, value: T): Promise<T> => {
    if (log.gated !== name) return value
    log.gated = ''
    log.asked.resolve()
    await log.gate.promise
    return value
  }
  const store = {
    head: () => answer('head', { epoch: 'e', seq: log.committed }),
    revocationsAfter: ({ after }: { after: number }) =>
      answer(
        'rows',
        Array.from({ length: log.committed - after }, (_, i) =>
          revocation(after + i + 1, log.version),
        ),
      ),
  }
  const told: (number | string)[] = []
  const stream = {
    client: { clientId: 'sydney' },
    sendRevocation: ({ seq }: Revocation) => told.push(seq),
    end: (why: string) => told.push(why),
  }
  const { registry } = log
  const clients = {
    atLeast: (version: number) => (version <= registry.version ? undefined : registry.read.promise),
  }
  const deps = { store, clients, log: createLog(() => undefined, Date.now) }
  const broadcaster = new Broadcaster(
    deps as unknown as ConstructorParameters<typeof Broadcaster>[0],
    new Set([stream as unknown as FeedStream]),
  )
  await broadcaster.ready()
  return { broadcaster, log, told }
}

test('a revocation that is broadcast while the head is read does not make the log another one', async () => {
  const { broadcaster, log, told } = await opened()
  log.gated = 'head'
  const watch = broadcaster.watch()
  await log.asked.promise
  log.committed = 1
  broadcaster.publish(revocation(1))
  await turn()
  expect(told).toEqual([1])
  log.gate.resolve()
  await watch
  expect(told).toEqual([1])
  expect(broadcaster.head()).toEqual({ epoch: 'e', seq: 1 })
})

test('an entry, and those after it, wait until registrations as new as it are read', async () => {
  const { broadcaster, log, told } = await opened()
  const { registry } = log
  log.committed = 3
  broadcaster.publish(revocation(1))
  broadcaster.publish(revocation(2, 1))
  broadcaster.publish(revocation(3))
  await turn()
  await turn()
  expect(told).toEqual([1])
  registry.version = 1
  registry.read.resolve()
  await expect.poll(() => told).toEqual([1, 2, 3])
})

test('while registrations cannot be read, an entry is not passed, so no lease is granted', async () => {
  const { broadcaster, log, told } = await opened()
  const { registry } = log
  log.committed = 1
  registry.read.reject(new Error('the connection was reset'))
  broadcaster.publish(revocation(1, 1))
  log.version = 1
  expect(await broadcaster.reaches({ epoch: 'e', seq: 1 })).toBe(false)
  expect(told).toEqual([])
  registry.version = 1
  expect(await broadcaster.reaches({ epoch: 'e', seq: 1 })).toBe(true)
  expect(told).toEqual([1])
})

test('a head that is behind what was broadcast before it was read is that of another log', async () => {
  const { broadcaster, log, told } = await opened()
  log.committed = 2
  await broadcaster.watch()
  log.committed = 1
  await broadcaster.watch()
  expect(told).toEqual([1, 2, 'reset'])
})

test('asked to look again while it reads, it looks again', async () => {
  const { broadcaster, log, told } = await opened()
  log.committed = 1
  log.gated = 'rows'
  const watch = broadcaster.watch()
  await log.asked.promise
  log.committed = 2
  void broadcaster.watch()
  log.gate.resolve()
  await watch
  expect(told).toEqual([1, 2])
})

test('asked to look while it fills a gap between announcements, it looks afterwards', async () => {
  const { broadcaster, log, told } = await opened()
  log.committed = 2
  log.gated = 'rows'
  broadcaster.publish(revocation(2))
  await log.asked.promise
  log.committed = 3
  void broadcaster.watch()
  log.gate.resolve()
  await expect.poll(() => told).toEqual([1, 2, 3])
})
