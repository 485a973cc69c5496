import { EventEmitter } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { keepWorking, openReady, PacedWorker } from '../../src/outbox/queue-worker.ts'

/**
 * A server's connection that fails at once, without input or output: as an ended pool of Postgres
 * does, or one that never became ready.
 */
class FailingBackend extends EventEmitter {
  requests = 0
  readonly qualifiedName = 'q'
  readonly keys = {}
  readonly minimumBlockTimeout = 1
  toKey = (type: string): string => type
  waitUntilReady = (): Promise<void> =>
    Promise.reject(new Error('Connection terminated unexpectedly'))
  moveToActive(): Promise<never> {
    this.requests++
    // Without this end a worker that never yields would keep this test from failing.
    return this.requests > 1_000
      ? new Promise(() => {})
      : Promise.reject(new Error('Cannot use a pool after calling end on the pool'))
  }
  moveStalledJobsToWait = (): Promise<[]> => Promise.resolve([])
  disconnectBlocking = (): Promise<void> => Promise.resolve()
  reconnectBlocking = (): Promise<void> => Promise.resolve()
  close = (): Promise<void> => Promise.resolve()
}

function workerOn(backend: FailingBackend): { worker: PacedWorker; errors: string[] } {
  const errors: string[] = []
  const worker = new PacedWorker(
    'q',
    async () => {},
    { connection: {}, runRetryDelay: 1_000 },
    (() => backend) as never,
  )
  worker.on('error', (error) => errors.push(error.message))
  return { worker, errors }
}

test('a worker whose connection fails at once lets timers and requests run, and asks again at a bounded pace', async () => {
  const backend = new FailingBackend()
  const { worker, errors } = workerOn(backend)
  onTestFinished(() => worker.close())
  await expect.poll(() => errors.length, { interval: 5 }).toBeGreaterThan(1)
  expect(errors[0]).toBe('Cannot use a pool after calling end on the pool')
  for (let i = 0; i < 100; i++) await turn()
  expect(backend.requests).toBeLessThan(10)
})

test('a worker in its pause ends at once when it is closed', async () => {
  const backend = new FailingBackend()
  const { worker, errors } = workerOn(backend)
  // The pause after these failures is 1,600 ms.
  await expect.poll(() => errors.length, { interval: 5 }).toBeGreaterThan(3)
  // The pause is far longer than these turns of the event loop.
  const turns = async (): Promise<string> => {
    for (let i = 0; i < 1_000; i++) await turn()
    return 'a thousand turns'
  }
  expect(await Promise.race([worker.close().then(() => 'closed'), turns()])).toBe('closed')
})

function opening(failures: number) {
  const closed: number[] = []
  let opened = 0
  const open = () => {
    const nth = ++opened
    return {
      nth,
      waitUntilReady: () =>
        nth <= failures ? Promise.reject(new Error(`not ready ${nth}`)) : Promise.resolve(),
      close: async () => void closed.push(nth),
    }
  }
  return { open, closed, count: () => opened }
}

test('a worker that does not become ready is closed, and another is opened until one is ready', async () => {
  const { open, closed, count } = opening(2)
  const worker = keepWorking(open)
  await expect.poll(count).toBe(3)
  expect(closed).toEqual([1, 2])
  await worker.stop()
  expect(closed).toEqual([1, 2, 3])
})

test('no worker is opened after the stop', async () => {
  const { open, count, closed } = opening(Infinity)
  const worker = keepWorking(open)
  // The worker's pause before the next attempt is 100 ms, which is longer than these turns.
  while (closed.length === 0) await turn()
  await worker.stop()
  for (let i = 0; i < 100; i++) await turn()
  expect(count()).toBe(1)
})

test('a queue that does not become ready is opened again, and the last failure is thrown', async () => {
  const soon = opening(1)
  expect((await openReady(soon.open, 3)).nth).toBe(2)
  expect(soon.closed).toEqual([1])
  const never = opening(Infinity)
  await expect(openReady(never.open, 2)).rejects.toThrow('not ready 2')
  expect(never.closed).toEqual([1, 2])
})
