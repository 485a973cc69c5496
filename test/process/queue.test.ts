import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { DeliveryRef } from '../../db/types.ts'
import { createLog } from '../../src/runtime/log.ts'
import { createMetrics } from '../../src/runtime/metrics.ts'
import { openDeliveryQueue, type OpenedDeliveryQueue } from '../../src/outbox/delivery-queue.ts'
import { startQueueEngine, type QueueEngine } from '../../src/outbox/queue-engine.ts'
import { revoke } from '../../src/revocation/revoke.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { startWorkers } from '../../workers/start.ts'
import { QUEUE_ENGINES } from '../needs.ts'
import { createRig } from '../rig.ts'
import { ok, startReceiver, status } from '../workers/receiver.ts'
import { loseQueueServers } from './queue-servers.ts'

/** The queue on real servers: BullMQ on Valkey or Redis, and on Postgres. */

const SOON = { timeout: 60_000, interval: 25 }

function dataDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-queue-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

async function open({ engine: kind, path }: (typeof QUEUE_ENGINES)[number]) {
  const dir = dataDir()
  const lines: string[] = []
  const log = createLog((line) => lines.push(line), Date.now)
  const engine = await startQueueEngine({ dataDir: dir, url: undefined, log, path })
  onTestFinished(() => engine.close())
  const queue = await queueOn(engine, log)
  const pid = (): number =>
    Number.parseInt(
      readFileSync(
        kind !== 'postgres'
          ? join(dir, 'queue', 'server.pid')
          : join(
              (engine.address as { address: { host: string } }).address.host,
              'pg',
              'postmaster.pid',
            ),
        'utf8',
      ),
      10,
    )
  return { engine, queue, lines, pid }
}

async function queueOn(
  engine: QueueEngine,
  log = createLog(() => {}, Date.now),
): Promise<OpenedDeliveryQueue> {
  const queue = await openDeliveryQueue({
    engine,
    log,
    metrics: createMetrics(),
    clock: systemClock,
  })
  onTestFinished(() => queue.close())
  return queue
}

const ref = (id: string, attempt = 1): DeliveryRef => ({
  id,
  attempt,
  targetId: 't1',
  priority: 'urgent',
})

function performing(queue: OpenedDeliveryQueue) {
  const done: DeliveryRef[] = []
  const worker = queue.work(async (job) => void done.push(job), 10)
  onTestFinished(() => worker.stop())
  return done
}

describe.each(QUEUE_ENGINES)('on $engine', (which) => {
  test('a job is performed, once for each attempt, and is gone then', async () => {
    const { queue } = await open(which)
    queue.add([ref('a'), ref('b'), ref('a')])
    queue.add([ref('a')])
    const done = performing(queue)
    await vi.waitFor(() => expect(done).toHaveLength(2), SOON)
    // The job's id is free again.
    await vi.waitFor(
      async () =>
        expect(await queue.bull.getJobCounts()).toMatchObject({
          active: 0,
          completed: 0,
          failed: 0,
          waiting: 0,
        }),
      SOON,
    )
    queue.add([ref('a'), ref('a', 2)])
    await vi.waitFor(() => expect(done).toHaveLength(4), SOON)
    expect(done.map(({ id, attempt }) => `${id}-${attempt}`).sort()).toEqual([
      'a-1',
      'a-1',
      'a-2',
      'b-1',
    ])
  })

  test('deliveries that a user waits for go several to a job, and each is performed', async () => {
    const { queue } = await open(which)
    const ids = Array.from({ length: 45 }, (_, n) => `n${n}`)
    queue.addUrgent(ids.map((id) => ref(id)))
    await vi.waitFor(
      async () => expect(await queue.bull.getJobCounts('waiting')).toEqual({ waiting: 3 }),
      SOON,
    )
    const done = performing(queue)
    await vi.waitFor(
      () =>
        expect(done.toSorted((a, b) => ids.indexOf(a.id) - ids.indexOf(b.id))).toEqual(
          ids.map((id) => ref(id)),
        ),
      SOON,
    )
  })

  test('a job with a delay waits for it', async () => {
    const { queue } = await open(which)
    const done = performing(queue)
    queue.add([ref('later')], 3_600_000)
    queue.add([ref('soon')], 200)
    await vi.waitFor(() => expect(done.map(({ id }) => id)).toEqual(['soon']), SOON)
    expect(await queue.bull.getJobCounts('delayed')).toEqual({ delayed: 1 })
  })

  test('two brokers on one server: what both add is performed once, at either, and what one leaves behind at the other', async () => {
    const { queue: a, engine } = await open(which)
    const b = await queueOn(engine)
    for (const [own, queue] of [a, b].entries()) {
      queue.add([ref('x', 2), ref('y', 2)], 400)
      queue.add(['x', 'y', 'z'].map((id) => ref(id)))
      // Each adds in order. Where its own job exists, the jobs that it added before exist too.
      queue.add([ref(`own${own}`)])
    }
    await vi.waitFor(
      async () => expect((await a.bull.getJobCounts('waiting')).waiting).toBeGreaterThanOrEqual(5),
      SOON,
    )
    expect(await a.bull.getJobCounts('waiting', 'delayed')).toSatisfy(
      ({ waiting = 0, delayed = 0 }) => waiting + delayed === 7,
    )
    const done: string[] = []
    const workers = [a, b].map((queue) =>
      queue.work(async ({ id, attempt }) => void done.push(`${id}-${attempt}`), 2),
    )
    await vi.waitFor(
      () =>
        expect(done.toSorted()).toEqual(['own0-1', 'own1-1', 'x-1', 'x-2', 'y-1', 'y-2', 'z-1']),
      SOON,
    )
    await Promise.all(workers.map((worker) => worker.stop()))
    a.add([ref('left')])
    await vi.waitFor(
      async () => expect(await b.bull.getJobCounts('waiting')).toEqual({ waiting: 1 }),
      SOON,
    )
    await a.close()
    const left = performing(b)
    await vi.waitFor(() => expect(left.map(({ id }) => id)).toEqual(['left']), SOON)
  })

  test('a job whose work throws is gone as well', async () => {
    const { queue } = await open(which)
    let times = 0
    const worker = queue.work(async () => {
      times++
      throw new Error('no')
    }, 1)
    onTestFinished(() => worker.stop())
    queue.add([ref('a')])
    await vi.waitFor(async () => {
      expect(times).toBe(1)
      expect(await queue.bull.getJobCounts()).toMatchObject({
        active: 0,
        failed: 0,
        waiting: 0,
        delayed: 0,
      })
    }, SOON)
  })

  test('the server killed: adding neither waits nor throws, health says so, and the queue is used again when the server is back', async () => {
    const { queue, pid, lines } = await open(which)
    const done = performing(queue)
    queue.add([ref('before')])
    await vi.waitFor(() => expect(done).toHaveLength(1), SOON)
    await vi.waitFor(
      async () => expect(await queue.health()).toMatchObject({ up: true, engine: which.engine }),
      SOON,
    )
    process.kill(pid(), 'SIGKILL')
    for (let i = 0; i < 1_000; i++) queue.add([ref(`while-down-${i}`)])
    await vi.waitFor(() => expect(lines.join('\n')).toContain('queue_server_restarted'), SOON)
    await vi.waitFor(async () => expect(await queue.health()).toMatchObject({ up: true }), SOON)
    await vi.waitFor(
      () => {
        queue.add([ref(`after-${done.length}`)])
        expect(done.some(({ id }) => id.startsWith('after'))).toBe(true)
      },
      { ...SOON, interval: 250 },
    )
  })
})

test('a server that was never there: the queue opens, adding returns, health says what is wrong', async () => {
  const engine = await startQueueEngine({
    dataDir: dataDir(),
    url: 'redis://127.0.0.1:1',
    log: createLog(() => {}, Date.now),
  })
  const queue = await queueOn(engine)
  for (let i = 0; i < 100; i++) queue.add([ref(`x${i}`)])
  const health = await queue.health()
  expect(health.up).toBe(false)
  expect(health.problem).toContain('redis://127.0.0.1:1')
  performing(queue)
})

test.each(QUEUE_ENGINES.filter(({ engine }) => engine !== 'postgres'))(
  'a $engine server out of memory: /readyz says so and what to do, although it still answers PING',
  async (which) => {
    const { queue, engine } = await open(which)
    await vi.waitFor(async () => expect(await queue.health()).toMatchObject({ up: true }), SOON)
    const client = new Redis((engine.address as { socket: string }).socket)
    onTestFinished(() => client.disconnect())
    await client.config('SET', 'maxmemory', '1')
    expect(await client.ping()).toBe('PONG')
    await vi.waitFor(
      async () =>
        expect(await queue.health()).toMatchObject({
          up: false,
          problem: expect.stringContaining('OOM') as string,
        }),
      SOON,
    )
    const rig = await createRig({ deps: { queue } })
    expect(await (await rig.opsApp.request('/readyz')).json()).toMatchObject({
      status: 'degraded',
      parts: {
        queue: { state: 'down', problem: expect.stringContaining('Raise maxmemory') as string },
      },
    })
    await client.config('SET', 'maxmemory', '0')
    await vi.waitFor(async () => expect(await queue.health()).toMatchObject({ up: true }), SOON)
  },
)

describe.each(QUEUE_ENGINES)(
  'a broker whose queue server ($engine) is killed, its data lost',
  (which) => {
    test('logout tokens go out at once all the same, and retries go on when it is back', async () => {
      const { queue, pid, lines } = await open(which)
      const rig = await createRig({ deps: { queue } })
      const timer = setInterval(() => rig.clock.advance(0.05), 50)
      onTestFinished(() => clearInterval(timer))
      const [sydney, melbourne] = [await startReceiver(), await startReceiver(status(503))]
      const clients = [
        await rig.register('Sydney', { logoutUris: [sydney.url] }),
        await rig.register('Melbourne', { logoutUris: [melbourne.url] }),
      ]
      const { session } = await rig.openSession()
      for (const client of clients) await rig.signInAt(session.sid, client)
      const workers = await startWorkers(rig.deps)
      onTestFinished(() => workers.drain())

      loseQueueServers([pid()])
      const answer = await revoke(rig.deps, {
        selector: { kind: 'session', sid: session.sid },
        reason: 'signed_out',
        actor: { kind: 'user', id: session.sub },
        now: rig.clock.now(),
      })
      expect(answer.outcome).toBe('revoked')
      await vi.waitFor(() => expect(sydney.tokens).toHaveLength(1), SOON)
      await vi.waitFor(() => expect(melbourne.tokens.length).toBeGreaterThan(0), SOON)
      await vi.waitFor(() => expect(lines.join('\n')).toContain('queue_server_restarted'), SOON)
      melbourne.answer = ok
      await vi.waitFor(
        async () =>
          expect(
            (await rig.deps.store.deliveryCounts()).every(
              ({ state, count }) => state === 'delivered' || count === 0,
            ),
          ).toBe(true),
        SOON,
      )
      for (const receiver of [sydney, melbourne])
        expect(receiver.tokens.at(-1)).toMatchObject({ sid: session.sid })
    })
  },
)
