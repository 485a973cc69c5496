import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { DeliveryRef } from '../../db/types.ts'
import { createLog } from '../../src/runtime/log.ts'
import type { Driven } from '../../src/outbox/interface.ts'
import { openDeliveryQueue, type OpenedDeliveryQueue } from '../../src/outbox/delivery-queue.ts'
import { startQueueEngine, type QueueEngine } from '../../src/outbox/queue-engine.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { startWorkers } from '../../workers/start.ts'
import { QUEUE_ENGINES } from '../needs.ts'
import { createRig, type RegisteredClient } from '../rig.ts'
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
              (engine.address as { postgres: { host: string } }).postgres.host,
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
  const queue = await openDeliveryQueue({ engine, log })
  onTestFinished(() => queue.close())
  return queue
}

const NONE = { pending: 0, delivered: 0, rejected: 0, failed: 0, superseded: 0, closed: 0 }
const ref = (seq: number): DeliveryRef => ({
  id: `d${seq}`,
  attempt: 1,
  targetId: 't1',
  priority: 'urgent',
  seq,
})

/** Delivers with lanes that keep what they take. `rows` are the deliveries of each revocation. */
function delivering(queue: OpenedDeliveryQueue, rows = new Map<number, Driven>()) {
  const driven: number[] = []
  const taken: DeliveryRef[] = []
  const lanes = {
    take: (refs: readonly DeliveryRef[]) => void taken.push(...refs),
    states: () => [],
  }
  const worker = queue.work(lanes, async (seq) => {
    driven.push(seq)
    return rows.get(seq) ?? { totals: { ...NONE, delivered: 1 } }
  })
  onTestFinished(() => worker.stop())
  return { driven, taken, rows, worker }
}

const jobOf = async (queue: OpenedDeliveryQueue, seq: number) => {
  const job = await queue.bull.getJob(`r-${seq}`)
  return job && { state: await job.getState(), job }
}
const stateIs = (queue: OpenedDeliveryQueue, seq: number, state: string) =>
  vi.waitFor(async () => expect((await jobOf(queue, seq))?.state).toBe(state), SOON)

describe.each(QUEUE_ENGINES)('on $engine', (which) => {
  test('a revocation has one job, however many deliveries are sent; it ends completed with their counts, and is kept', async () => {
    const { queue } = await open(which)
    const { driven, taken } = delivering(queue)
    queue.send([ref(1), { ...ref(1), id: 'other' }, ref(2)])
    queue.send([ref(1), { id: 'w', attempt: 1, targetId: 't2', priority: 'background' }])
    // The lanes take everything at once, without the server.
    expect(taken).toHaveLength(5)
    await stateIs(queue, 1, 'completed')
    await stateIs(queue, 2, 'completed')
    expect(driven.toSorted()).toEqual([1, 2])
    expect((await jobOf(queue, 1))?.job).toMatchObject({
      data: { seq: 1 },
      returnvalue: { ...NONE, delivered: 1 },
      progress: { progress: 100, settled: 1, of: 1 },
    })
    expect((await queue.bull.getJobLogs('r-1')).logs).toEqual(['1 of 1: 1 delivered'])
  })

  test('while deliveries are pending the job waits for the next that is due, or for a change; it says how far they are and why some failed', async () => {
    const { queue } = await open(which)
    const { driven, rows } = delivering(queue)
    rows.set(1, { totals: { ...NONE, pending: 3, delivered: 97 }, againMs: 3_600_000 })
    queue.send([ref(1)])
    await stateIs(queue, 1, 'delayed')
    queue.changed(1, 'sydney: attempt 1: HTTP 503')
    await vi.waitFor(() => expect(driven).toEqual([1, 1]), SOON)
    await stateIs(queue, 1, 'delayed')
    expect((await jobOf(queue, 1))?.job.progress).toEqual({ progress: 97, settled: 97, of: 100 })
    rows.set(1, { totals: { ...NONE, pending: 1, delivered: 99 }, againMs: 300 })
    queue.changed(1)
    await vi.waitFor(() => expect(driven.length).toBeGreaterThanOrEqual(4), SOON)
    rows.set(1, { totals: { ...NONE, delivered: 100 } })
    await stateIs(queue, 1, 'completed')
    expect((await queue.bull.getJobLogs('r-1')).logs).toEqual([
      'sydney: attempt 1: HTTP 503',
      '100 of 100: 100 delivered',
    ])
  })

  test('a job with rejected or failed deliveries fails and stays; a later change lets the same job run again', async () => {
    const { queue } = await open(which)
    const { driven, rows } = delivering(queue)
    rows.set(1, { totals: { ...NONE, delivered: 97, rejected: 2, failed: 1 } })
    queue.send([ref(1)])
    await stateIs(queue, 1, 'failed')
    expect((await jobOf(queue, 1))?.job.failedReason).toBe('97 delivered, 2 rejected, 1 failed')
    rows.set(1, { totals: { ...NONE, delivered: 100 } })
    queue.send([ref(1)])
    await stateIs(queue, 1, 'completed')
    expect(driven).toEqual([1, 1])
    queue.changed(1)
    await vi.waitFor(() => expect(driven).toEqual([1, 1, 1]), SOON)
    await stateIs(queue, 1, 'completed')
    expect(await queue.bull.getJobCounts()).toMatchObject({ completed: 1, failed: 0 })
  })

  test('a change while the job runs lets it run once more', async () => {
    const { queue } = await open(which)
    const runs: (() => void)[] = []
    const worker = queue.work({ take: () => {}, states: () => [] }, async () => {
      await new Promise<void>((done) => runs.push(done))
      return { totals: { ...NONE, pending: 2 - runs.length }, againMs: 3_600_000 }
    })
    onTestFinished(() => worker.stop())
    queue.send([ref(1)])
    await vi.waitFor(() => expect(runs).toHaveLength(1), SOON)
    queue.changed(1)
    await new Promise((done) => setTimeout(done, 600))
    runs[0]?.()
    await vi.waitFor(() => expect(runs).toHaveLength(2), SOON)
    runs[1]?.()
  })

  test('a broker that does not deliver adds the job at once, and another runs it', async () => {
    const { queue: a, engine } = await open(which)
    const b = await queueOn(engine)
    a.send([ref(1), ref(2)])
    b.send([ref(1)])
    await stateIs(a, 2, 'waiting')
    const { driven } = delivering(b)
    await stateIs(a, 1, 'completed')
    await stateIs(a, 2, 'completed')
    expect(driven.toSorted()).toEqual([1, 2])
  })

  test('while its lanes have deliveries waiting, a broker adds no job; it does so within seconds all the same', async () => {
    const { queue } = await open(which)
    let waiting = 1
    const states = () => [
      { targetId: 't1', breaker: 'closed' as const, failuresInARow: 0, waiting, running: 0 },
    ]
    const worker = queue.work({ take: () => {}, states }, async () => ({
      totals: { ...NONE, delivered: 1 },
    }))
    onTestFinished(() => worker.stop())
    queue.send([ref(1)])
    await new Promise((done) => setTimeout(done, 1_000))
    expect(await jobOf(queue, 1)).toBeUndefined()
    waiting = 0
    await stateIs(queue, 1, 'completed')
    waiting = 1
    queue.send([ref(2)])
    await stateIs(queue, 2, 'completed')
  })

  test('all jobs lost: the next change adds the job again', async () => {
    const { queue } = await open(which)
    const { driven, rows } = delivering(queue)
    rows.set(1, { totals: { ...NONE, pending: 1 }, againMs: 3_600_000 })
    queue.send([ref(1)])
    await stateIs(queue, 1, 'delayed')
    await queue.bull.obliterate({ force: true })
    queue.changed(1)
    await stateIs(queue, 1, 'delayed')
    expect(driven).toEqual([1, 1])
  })

  test('the server killed: nothing that is called waits or throws, health says so, and the queue is used again when the server is back', async () => {
    const { queue, pid, lines } = await open(which)
    const { driven, taken } = delivering(queue)
    queue.send([ref(1)])
    await vi.waitFor(() => expect(driven).toHaveLength(1), SOON)
    await vi.waitFor(
      async () => expect(await queue.health()).toMatchObject({ up: true, engine: which.engine }),
      SOON,
    )
    process.kill(pid(), 'SIGKILL')
    for (let seq = 2; seq < 1_000; seq++) queue.send([ref(seq)])
    expect(taken).toHaveLength(999)
    await vi.waitFor(() => expect(lines.join('\n')).toContain('queue_server_restarted'), SOON)
    await vi.waitFor(async () => expect(await queue.health()).toMatchObject({ up: true }), SOON)
    await vi.waitFor(
      () => {
        queue.changed(2_000)
        expect(driven).toContain(2_000)
      },
      { ...SOON, interval: 500 },
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
  for (let seq = 0; seq < 100; seq++) queue.send([ref(seq)])
  const health = await queue.health()
  expect(health.up).toBe(false)
  expect(health.problem).toMatch(/redis:\/\/127\.0\.0\.1:1\b.*ECONNREFUSED/)
  delivering(queue)
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
      const answer = await requestRevocation(rig.deps, {
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

/**
 * One broker revokes and does not deliver; another delivers what the queue brings it. Every session
 * took part at two instances that work, and at one more.
 */
async function revokedAtOnce(
  which: (typeof QUEUE_ENGINES)[number],
  count: number,
  third: Parameters<typeof startReceiver>[0],
) {
  const { queue, engine } = await open(which)
  const rig = await createRig({ realTime: true, deps: { queue } })
  const receivers = [await startReceiver(), await startReceiver(), await startReceiver(third)]
  const clients: RegisteredClient[] = []
  for (const [n, { url }] of receivers.entries())
    clients.push(await rig.register(`i${n}`, { logoutUris: [url], idTokenAlg: 'ES256' }))
  const sids: string[] = []
  for (let n = 0; n < count; n++) {
    const { session } = await rig.openSession()
    for (const client of clients) await rig.signInAt(session.sid, client)
    sids.push(session.sid)
  }
  const delivering = await queueOn(engine)
  const workers = await startWorkers({ ...rig.deps, queue: delivering })
  onTestFinished(() => workers.drain())
  await Promise.all(
    sids.map((sid) =>
      requestRevocation(rig.deps, {
        selector: { kind: 'session', sid },
        reason: 'signed_out',
        actor: { kind: 'operator', id: 'olivia' },
        now: rig.clock.now(),
      }),
    ),
  )
  return { rig, queue, receivers, clients }
}

describe.each(QUEUE_ENGINES)(
  '500 revocations at once ($engine), with one dead instance',
  (which) => {
    test('hold up no job and no delivery to another instance', async () => {
      const COUNT = 500
      const LATER = { timeout: 150_000, interval: 100 }
      // It takes each logout token and never answers.
      const { rig, queue, receivers, clients } = await revokedAtOnce(which, COUNT, () => {})
      const [first, second] = receivers
      await vi.waitFor(
        () => expect([first?.tokens.length, second?.tokens.length]).toEqual([COUNT, COUNT]),
        LATER,
      )
      // The breaker bounds the calls to the dead one, not a job that waits for it.
      expect(receivers[2]?.tokens.length).toBeLessThan(50)
      const dead = { clientId: clients[2]?.clientId, limit: 1_000 }
      expect(await rig.store.listDeliveries({ ...dead, state: 'pending' })).toHaveLength(COUNT)
      for (const { clientId } of clients.slice(0, 2)) {
        await vi.waitFor(
          async () =>
            expect(
              await rig.store.listDeliveries({ clientId, state: 'delivered', limit: 1_000 }),
            ).toHaveLength(COUNT),
          LATER,
        )
        const all = await rig.store.listDeliveries({ clientId, limit: 1_000 })
        expect(new Set(all.map(({ attempts }) => attempts))).toEqual(new Set([1]))
      }
      await vi.waitFor(
        async () =>
          expect(await queue.bull.getJobCounts()).toMatchObject({
            active: 0,
            waiting: 0,
            completed: 0,
            failed: 0,
            delayed: COUNT,
          }),
        LATER,
      )
    })
  },
)
