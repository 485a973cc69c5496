import { setImmediate } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { PURGED_LATE, PURGED_SOON, StoreUnavailable, type DeliveryRef } from '../../db/types.ts'
import { createLog } from '../../src/runtime/log.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { addingJobs, driveRevocation } from '../../workers/drive-revocation.ts'
import { fanOutDeliveries } from '../../workers/fan-out-deliveries.ts'
import { purgeOld, purgeOneTime } from '../../workers/housekeeping.ts'
import { repeat } from '../../workers/repeat.ts'
import { rotateKeys } from '../../workers/keys.ts'
import { startWorkers } from '../../workers/start.ts'
import { sweepExpired } from '../../workers/expiry.ts'
import { createRig, TENANT, type Rig } from '../rig.ts'
import { LocalQueue } from './local-queue.ts'
import { startReceiver } from './receiver.ts'

const OLIVIA = { kind: 'operator', id: 'olivia' } as const

async function users(rig: Rig, count: number): Promise<string[]> {
  const client = await rig.register('Sydney')
  const sids: string[] = []
  for (let i = 0; i < count; i++) {
    const { session } = await rig.openSession({
      user: { oid: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}` },
    })
    await rig.signInAt(session.sid, client)
    sids.push(session.sid)
  }
  return sids
}

describe('announcing', () => {
  const committed = async (rig: Rig) => {
    const [sid] = await users(rig, 1)
    const answer = await rig.deps.store.revoke({
      selector: { kind: 'session', sid: sid ?? '' },
      reason: 'mfa_lapsed',
      actor: OLIVIA,
      now: rig.clock.now(),
    })
    if (answer.outcome !== 'revoked') throw new Error(answer.outcome)
    return answer.committed
  }

  test('tells feed and queue, counts the reason, and writes a line that names the seq', async () => {
    const rig = await createRig()
    const published: number[] = []
    rig.feed.subscribe(({ seq }) => published.push(seq))
    const revocation = await committed(rig)
    expect(published).toEqual([revocation.revocation.seq])
    expect(rig.queue.added).toEqual(revocation.pending)
    expect(await rig.metrics.registry.metrics()).toContain(
      'broker_revocations_total{reason="mfa_lapsed"} 1',
    )
    expect(rig.lines.map((line) => JSON.parse(line) as object)).toContainEqual(
      expect.objectContaining({
        event: 'revoked',
        seq: revocation.revocation.seq,
        reason: 'mfa_lapsed',
        pending: 1,
      }),
    )
  })

  test('a listener that throws keeps it from no other listener, and never reaches the user who signs out', async () => {
    const rig = await createRig()
    rig.feed.subscribe(() => {
      throw new Error('a listener of no use')
    })
    const revocation = await committed(rig)
    expect(rig.queue.added).toEqual(revocation.pending)
  })

  test('what covers nothing is not announced', async () => {
    const rig = await createRig()
    expect(
      await requestRevocation(rig.deps, {
        selector: { kind: 'session', sid: 's_unknown' },
        reason: 'signed_out',
        actor: OLIVIA,
        now: rig.clock.now(),
      }),
    ).toEqual({ outcome: 'unknown' })
    expect(rig.lines.filter((line) => line.includes('"revoked"'))).toEqual([])
  })
})

describe('fan-out-deliveries', () => {
  test('ran twice: each session has one pending token', async () => {
    const rig = await createRig()
    await users(rig, 7)
    await requestRevocation(rig.deps, {
      selector: { kind: 'tenant', tid: TENANT },
      reason: 'administrator',
      actor: OLIVIA,
      now: rig.clock.now(),
    })
    await Promise.all([fanOutDeliveries(rig.deps), fanOutDeliveries(rig.deps)])
    await fanOutDeliveries(rig.deps)
    expect(new Set(rig.queue.added.map(({ id }) => id)).size).toBe(7)
    expect(rig.queue.added).toHaveLength(7)
  })

  test('goes on where it was stopped', async () => {
    const rig = await createRig()
    await users(rig, 5)
    await requestRevocation(rig.deps, {
      selector: { kind: 'everything' },
      reason: 'administrator',
      actor: OLIVIA,
      now: rig.clock.now(),
    })
    expect((await rig.deps.store.fanOutPending({ limit: 2 })).more).toBe(true)
    await fanOutDeliveries(rig.deps)
    expect(await rig.deps.store.fanOutPending({ limit: 2 })).toEqual({ pending: [], more: false })
    expect((await rig.deps.store.deliveryCounts()).map(({ count }) => count)).toEqual([5])
  })

  test('a store that is busy: nothing is lost, the next turn goes on', async () => {
    const rig = await createRig()
    await users(rig, 3)
    await requestRevocation(rig.deps, {
      selector: { kind: 'everything' },
      reason: 'administrator',
      actor: OLIVIA,
      now: rig.clock.now(),
    })
    const store = Object.create(rig.deps.store, {
      fanOutPending: { value: () => Promise.reject(new StoreUnavailable('busy')) },
    }) as typeof rig.deps.store
    await expect(fanOutDeliveries({ ...rig.deps, store })).rejects.toThrow('busy')
    await fanOutDeliveries(rig.deps)
    expect(rig.queue.added).toHaveLength(3)
  })
})

describe('sweep-expired', () => {
  test('ends what is idle or past its end, once, through the log; ran twice it does nothing more', async () => {
    const rig = await createRig()
    const sids = await users(rig, 3)
    rig.clock.advance(9 * 3600)
    const seen: string[] = []
    rig.feed.subscribe(({ reason, selector }) =>
      seen.push(`${reason} ${'sid' in selector ? selector.sid : ''}`),
    )
    await Promise.all([sweepExpired(rig.deps), sweepExpired(rig.deps)])
    expect(seen.sort()).toEqual(sids.map((sid) => `idle ${sid}`).sort())
    expect(rig.queue.added).toHaveLength(3)
  })

  test('many that expire together end in acts of at most 25, with pauses as long as each took: sign-outs and refreshes have half of the time', async () => {
    const rig = await createRig()
    await Promise.all(Array.from({ length: 60 }, () => rig.openSession()))
    rig.clock.advance(9 * 3600)
    const acts: { begunMs: number; endedMs: number; ended: number }[] = []
    const expire = rig.store.expireSessions.bind(rig.store)
    vi.spyOn(rig.store, 'expireSessions').mockImplementation(async (input) => {
      const begunMs = performance.now()
      const committed = await expire(input)
      while (performance.now() - begunMs < 10);
      acts.push({ begunMs, endedMs: performance.now(), ended: committed.length })
      return committed
    })
    await sweepExpired(rig.deps)
    const pages = acts.map(({ ended }) => ended)
    expect(pages.reduce((sum, ended) => sum + ended, 0)).toBe(60)
    expect(Math.max(...pages)).toBeLessThanOrEqual(25)
    // Timers are exact to a millisecond.
    for (const [i, { begunMs }] of acts.slice(1).entries())
      expect(begunMs - (acts[i]?.endedMs ?? 0)).toBeGreaterThanOrEqual(9)
  })

  test('purges in small pieces until there is no more', async () => {
    const rig = await createRig()
    const sids = await users(rig, 2)
    rig.clock.advance(9 * 3600)
    await sweepExpired(rig.deps)
    rig.clock.advance(400 * 86_400)
    await purgeOld(rig.deps)
    for (const sid of sids)
      expect(await rig.deps.store.statusBySid(sid, rig.clock.now())).toEqual({ state: 'unknown' })
  })

  test('the purge pauses for a multiple of the time that each act took, and ends with the process', async () => {
    const rig = await createRig()
    const acts: { begunMs: number; endedMs: number }[] = []
    vi.spyOn(rig.deps.store, 'purge').mockImplementation(async () => {
      const begunMs = performance.now()
      while (performance.now() - begunMs < 10);
      acts.push({ begunMs, endedMs: performance.now() })
      return true
    })
    await purgeOneTime(rig.deps, () => acts.length < 4)
    const pauses = acts.slice(1).map(({ begunMs }, i) => begunMs - (acts[i]?.endedMs ?? 0))
    expect(acts).toHaveLength(4)
    for (const pause of pauses) expect(pause).toBeGreaterThanOrEqual(25)
  })

  test('a start purges nothing; what strangers make and lives for minutes is purged every minute, the rest every ten', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const rig = await createRig()
    const purged: string[] = []
    vi.spyOn(rig.deps.store, 'purge').mockImplementation(async ({ kind }) => {
      purged.push(kind)
      return false
    })
    const workers = await startWorkers(rig.deps)
    vi.advanceTimersByTime(59_900)
    await setImmediate()
    expect(purged).toEqual([])
    vi.advanceTimersByTime(200)
    await expect.poll(() => purged).toEqual(PURGED_SOON)
    vi.advanceTimersByTime(540_000)
    await expect
      .poll(() => purged.slice(PURGED_SOON.length))
      .toEqual(expect.arrayContaining([...PURGED_SOON, ...PURGED_LATE]))
    await workers.drain()
  })

  test('what ended sessions say of an erased user is forgotten, by the next process too', async () => {
    const rig = await createRig()
    const [sid = ''] = await users(rig, 1)
    await requestRevocation(rig.deps, {
      selector: { kind: 'session', sid },
      reason: 'administrator',
      actor: OLIVIA,
      now: rig.clock.now(),
    })
    const status = await rig.deps.store.statusBySid(sid, rig.clock.now())
    if (status.state === 'unknown') throw new Error('There is no session.')
    await rig.deps.store.eraseUser({
      sub: status.session.sub,
      actor: OLIVIA,
      now: rig.clock.now(),
    })
    const workers = await startWorkers(rig.deps)
    await expect
      .poll(async () => JSON.stringify(await rig.deps.store.statusBySid(sid, rig.clock.now())))
      .toContain('"device":""')
    await workers.drain()
  })
})

describe('rotate-keys', () => {
  test('changes keys when it is time, and tells guards; before that it says nothing', async () => {
    const rig = await createRig()
    let delivered = 0
    const feed = Object.assign(Object.create(rig.feed) as typeof rig.feed, {
      publishKeys: () => void delivered++,
    })
    await rotateKeys({ ...rig.deps, feed })
    expect(delivered).toBe(0)
    const before = rig.keys.jwks().keys.length
    rig.clock.advance(91 * 86_400)
    await rotateKeys({ ...rig.deps, feed })
    expect(rig.keys.jwks().keys.length).toBeGreaterThan(before)
    expect(delivered).toBe(1)
    await rotateKeys({ ...rig.deps, feed })
    expect(delivered).toBe(1)
  })
})

describe('work that repeats', () => {
  const log = createLog(() => {}, Date.now)

  test('never runs twice at a time, and once more where it was woken meanwhile', async () => {
    let runs = 0
    let atATime = 0
    const gates: (() => void)[] = []
    const work = repeat(log, 'test', 3_600_000, async () => {
      runs++
      expect(++atATime).toBe(1)
      await new Promise<void>((done) => gates.push(done))
      atATime--
    })
    for (let i = 0; i < 3; i++) work.wake()
    await expect.poll(() => gates).toHaveLength(1)
    gates[0]?.()
    await expect.poll(() => gates).toHaveLength(2)
    gates[1]?.()
    await work.stop()
    expect(runs).toBe(2)
  })

  test('goes on after a fault', async () => {
    let runs = 0
    const work = repeat(log, 'test', 20, async () => {
      runs++
      throw new Error('no')
    })
    await expect.poll(() => runs).toBeGreaterThan(2)
    await work.stop()
  })
})

test('a store that cannot write while it is to deliver: nothing is sent untold, and it goes on when the store does', async () => {
  const queue = new LocalQueue()
  const rig = await createRig({ deps: { queue } })
  const receiver = await startReceiver()
  const client = await rig.register('Sydney', { logoutUris: [receiver.url] })
  const { session } = await rig.openSession()
  await rig.signInAt(session.sid, client)
  let full = true
  const store = Object.create(rig.deps.store, {
    leaseDelivery: {
      value: (input: { id: string; attempt: number; nowMs: number; untilMs: number }) =>
        full
          ? Promise.reject(new StoreUnavailable('the disk is full'))
          : rig.deps.store.leaseDelivery(input),
    },
  }) as typeof rig.deps.store
  const workers = await startWorkers({ ...rig.deps, store })
  onTestFinished(() => workers.drain())
  const timer = setInterval(() => rig.clock.advance(0.2), 20)
  onTestFinished(() => clearInterval(timer))
  await requestRevocation(rig.deps, {
    selector: { kind: 'session', sid: session.sid },
    reason: 'signed_out',
    actor: { kind: 'user', id: session.sub },
    now: rig.clock.now(),
  })
  await expect.poll(() => rig.lines.join('\n')).toContain('the disk is full')
  expect(receiver.tokens).toEqual([])
  full = false
  await vi.waitFor(() => expect(receiver.tokens).toHaveLength(1), { timeout: 60_000 })
})

/** The lanes of a test, which keep what they take. */
function keepingLanes() {
  const taken: DeliveryRef[] = []
  return {
    taken,
    take: (refs: readonly DeliveryRef[]) => void taken.push(...refs),
    states: () => [],
  }
}

describe('the job of a revocation', () => {
  async function revoked(instances: number) {
    const rig = await createRig({ unannounced: true })
    const { session } = await rig.openSession()
    for (let n = 0; n < instances; n++)
      await rig.signInAt(
        session.sid,
        await rig.register(`I${n}`, { logoutUris: [`http://127.0.0.1:1/${n}`] }),
      )
    const answer = await rig.deps.store.revoke({
      selector: { kind: 'session', sid: session.sid },
      reason: 'signed_out',
      actor: { kind: 'user', id: session.sub },
      now: rig.clock.now(),
    })
    if (answer.outcome !== 'revoked') throw new Error(`not revoked: ${answer.outcome}`)
    const { pending, revocation } = answer.committed
    const attempt = (n: number) => ({
      attempt: n,
      atMs: rig.clock.nowMs(),
      latencyMs: 0,
      status: 200,
      jti: 'j',
    })
    const lanes = keepingLanes()
    return {
      rig,
      pending,
      lanes,
      seq: revocation.seq,
      drive: () => driveRevocation(rig.deps, lanes, revocation.seq),
      record: (id: string | undefined, result: 'delivered' | 'rejected') =>
        rig.deps.store.recordDelivery({
          id: id ?? '',
          result: { outcome: result, attempt: { ...attempt(1), outcome: result } },
        }),
      retry: (id: string | undefined, nextAttemptAtMs: number) =>
        rig.deps.store.recordDelivery({
          id: id ?? '',
          result: {
            outcome: 'retry',
            attempt: { ...attempt(1), outcome: 'retry' },
            nextAttemptAtMs,
          },
        }),
    }
  }

  test('passes on what is due, waits for what is due next, and ends with the counts', async () => {
    const { rig, pending, lanes, drive, record, retry } = await revoked(3)
    expect(await drive()).toMatchObject({ totals: { pending: 3 } })
    expect(lanes.taken.map(({ id }) => id).toSorted()).toEqual(
      pending.map(({ id }) => id).toSorted(),
    )
    expect(lanes.taken).toMatchObject(
      lanes.taken.map(({ id }) => pending.find((deliveryRef) => deliveryRef.id === id)),
    )
    lanes.taken.length = 0
    const [a, b, c] = pending.map(({ id }) => id)
    const nowMs = rig.clock.steadyMs()
    await record(a, 'delivered')
    await retry(b, nowMs + 4_000)
    await retry(c, nowMs + 2_000)
    expect(await drive()).toMatchObject({ totals: { pending: 2, delivered: 1 }, againMs: 2_000 })
    expect(lanes.taken).toEqual([])
    rig.clock.advance(3)
    expect(await drive()).toMatchObject({ againMs: 1_000 })
    expect(lanes.taken).toMatchObject([{ id: c, attempt: 2 }])
    for (const id of [b, c])
      await rig.deps.store.recordDelivery({
        id: id ?? '',
        result: {
          outcome: 'delivered',
          attempt: { attempt: 2, atMs: rig.clock.nowMs(), latencyMs: 0, outcome: 'delivered' },
        },
      })
    expect(await drive()).toEqual({
      totals: expect.objectContaining({ pending: 0, delivered: 3 }) as object,
    })
  })

  test('of a revocation that the log no longer has, or with nothing pending, does nothing', async () => {
    const { rig, lanes } = await revoked(1)
    expect(await driveRevocation(rig.deps, lanes, 99)).toEqual({ totals: undefined })
    expect(lanes.taken).toEqual([])
  })

  test('is not over while the deliveries of a wide revocation are being written', async () => {
    const rig = await createRig({ unannounced: true })
    const { session } = await rig.openSession()
    await rig.signInAt(
      session.sid,
      await rig.register('I', { logoutUris: ['http://127.0.0.1:1/'] }),
    )
    const answer = await rig.deps.store.revoke({
      selector: { kind: 'everything' },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'olivia' },
      now: rig.clock.now(),
    })
    if (answer.outcome !== 'revoked') throw new Error(`not revoked: ${answer.outcome}`)
    const { seq } = answer.committed.revocation
    const lanes = keepingLanes()
    expect(await driveRevocation(rig.deps, lanes, seq)).toMatchObject({ againMs: 5_000 })
    await fanOutDeliveries(rig.deps)
    expect(await driveRevocation(rig.deps, lanes, seq)).toMatchObject({ totals: { pending: 1 } })
    expect(lanes.taken).toMatchObject([{ seq, attempt: 1 }])
  })

  test('looks again soon if the store cannot be read', async () => {
    const { rig, lanes, seq } = await revoked(1)
    const store = Object.create(rig.deps.store, {
      listDeliveries: { value: () => Promise.reject(new StoreUnavailable('the disk is full')) },
    }) as typeof rig.deps.store
    expect(await driveRevocation({ ...rig.deps, store }, lanes, seq)).toEqual({ againMs: 5_000 })
    expect(rig.lines.join('\n')).toContain('drive-revocation')
  })

  test('is added again by the relay, round after round, as long as deliveries are pending', async () => {
    const { rig, seq, pending, record } = await revoked(2)
    const add = addingJobs(rig.deps)
    await add()
    await add()
    expect(rig.queue.changes).toEqual([seq, seq])
    for (const { id } of pending) await record(id, 'delivered')
    await add()
    expect(rig.queue.changes).toEqual([seq, seq])
  })
})
