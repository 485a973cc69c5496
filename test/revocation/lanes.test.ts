import type { Store } from '../../db/store.ts'
import { describe, expect, onTestFinished, test } from 'vitest'
import { randomBytes } from 'node:crypto'
import type { DeliveryRef } from '../../db/types.ts'
import { createLog } from '../../src/runtime/log.ts'
import type { AttemptKind } from '../../src/outbox/lane.ts'
import { Lanes, type Perform, type AttemptResult } from '../../src/outbox/lanes.ts'

/** Lanes over a store that is a list: how much goes to which target at a time. */

interface Row extends DeliveryRef {
  dueAtMs: number
}

const ref = (id: string, targetId = 't'): DeliveryRef => ({
  id,
  attempt: 1,
  targetId,
  priority: 'urgent',
  seq: 1,
})
const bulk = (seq: number, count: number, targetId = 't'): DeliveryRef[] =>
  Array.from({ length: count }, (_, i) => ({
    id: `b${seq}-${i}`,
    attempt: 1,
    targetId,
    priority: 'bulk',
    seq,
  }))
const rowOf = (id: string, targetId = 't', dueAtMs = 0): Row => ({ ...ref(id, targetId), dueAtMs })
const refs = (count: number, targetId = 't', name = 'x'): DeliveryRef[] =>
  Array.from({ length: count }, (_, i) => ref(`${name}${i}`, targetId))

/** The rows of a store: a delivered one is removed, and a failed one gets its next time. */
class Rows {
  readonly all = new Map<string, Row>()
  readonly leased = new Set<string>()
  nowMs = 1_000_000

  add(...rows: readonly Row[]): void {
    for (const row of rows) this.all.set(row.id, row)
  }
  #of(targetId: string | undefined, fits: (row: Row) => boolean): Row[] {
    const rows = [...this.all.values()].filter(
      (row) => row.targetId === targetId && !this.leased.has(row.id) && fits(row),
    )
    return rows.toSorted((a, b) => a.dueAtMs - b.dueAtMs || (a.id < b.id ? -1 : 1))
  }
  dueDeliveries: Store['dueDeliveries'] = async ({ targetId, limit }) => {
    const due = this.#of(targetId, (row) => row.dueAtMs <= this.nowMs)
    return { refs: due.slice(0, limit), more: due.length > limit }
  }
  earlyDeliveries: Store['earlyDeliveries'] = async ({ targetId, limit, after }) => {
    const found = this.#of(
      targetId,
      (row) =>
        row.dueAtMs > this.nowMs &&
        (after === undefined ||
          row.dueAtMs > after.dueAtMs ||
          (row.dueAtMs === after.dueAtMs && row.id > after.id)),
    ).slice(0, limit)
    const last = found.at(-1)
    return {
      refs: found,
      ...(found.length === limit && last !== undefined
        ? { next: { priority: 'urgent', dueAtMs: last.dueAtMs, id: last.id } }
        : {}),
    }
  }
  pendingTargetIds = async () => [...new Set([...this.all.values()].map((row) => row.targetId))]
}

function lanesOver(perform: Perform, rows = new Rows()) {
  const lines: string[] = []
  const clock = {
    now: () => 0,
    nowMs: () => 0,
    steadyMs: () => rows.nowMs,
    elapsedMs: () => rows.nowMs,
  }
  const lanes = new Lanes(
    {
      store: rows,
      random: (n) => randomBytes(n),
      log: createLog((line) => lines.push(line), Date.now),
      clock,
    },
    perform,
  )
  onTestFinished(async () => void (await lanes.drain(100)))
  return { lanes, rows, advance: (ms: number) => void (rows.nowMs += ms) }
}

function gated() {
  const open: {
    ref: DeliveryRef
    how: AttemptKind
    answer: (taken: AttemptResult['outcome']) => void
  }[] = []
  const perform: Perform = (deliveryRef, how) =>
    new Promise<AttemptResult>((done) =>
      open.push({ ref: deliveryRef, how, answer: (outcome) => done({ outcome }) }),
    )
  return { open, perform }
}

/** A target that has failed three times in a row. */
async function withOpenBreaker() {
  const { open, perform } = gated()
  const over = lanesOver(perform)
  over.lanes.take(refs(3))
  for (const attempt of open) attempt.answer('failed')
  await expect.poll(() => over.lanes.states()).toMatchObject([{ breaker: 'open', running: 0 }])
  return { ...over, open }
}

describe('lanes', () => {
  test('a few calls at a time to one target, the next as one ends; another target has its own', async () => {
    const { open, perform } = gated()
    const { lanes } = lanesOver(perform)
    lanes.take(refs(20, 'a'))
    lanes.take([ref('b', 'b')])
    expect(
      open
        .map((attempt) => attempt.ref.targetId)
        .sort()
        .join(''),
    ).toBe('aaaaaaaab')
    open[0]?.answer('delivered')
    await expect.poll(() => open).toHaveLength(10)
  })

  test('one that is on its way, or waits, is not taken twice', async () => {
    const { open, perform } = gated()
    const { lanes } = lanesOver(perform)
    for (let i = 0; i < 3; i++) lanes.take(refs(10))
    expect(lanes.states()).toMatchObject([{ running: 8, waiting: 2 }])
    expect(open).toHaveLength(8)
  })

  test('while its breaker is open a target is called once at a time and holds nothing in memory; the first success reads the rest from the store', async () => {
    const { open, lanes, rows, advance } = await withOpenBreaker()
    rows.add(...Array.from({ length: 30 }, (_, i) => rowOf(`y${i}`)))
    lanes.take(refs(30, 't', 'y'))
    expect(lanes.states()).toMatchObject([{ running: 0, waiting: 0 }])
    advance(3_000)
    await expect.poll(() => open).toHaveLength(4)
    expect(open[3]).toMatchObject({ ref: { id: 'y0' }, how: 'due' })
    expect(lanes.states()).toMatchObject([{ running: 1, waiting: 0 }])
    rows.all.delete('y0')
    open[3]?.answer('delivered')
    await expect.poll(() => open).toHaveLength(12)
    expect(lanes.states()).toMatchObject([{ breaker: 'closed', running: 8 }])
  })

  test('says why a target rejects until it accepts: its breaker is closed, and it is not well', async () => {
    const failure = {
      client_id: 'sydney',
      address: 'https://sydney.example/',
      cause: 'HTTP 400 invalid_request',
    }
    const answers: AttemptResult[] = [{ outcome: 'rejected', failure }, { outcome: 'delivered' }]
    const { lanes } = lanesOver(async () => answers.shift() ?? { outcome: 'delivered' })
    lanes.take([ref('a')])
    await expect
      .poll(() => lanes.states())
      .toMatchObject([
        { breaker: 'closed', lastFailure: 'HTTP 400 invalid_request', answeredAtMs: 0 },
      ])
    lanes.take([ref('b')])
    await expect
      .poll(() => lanes.states())
      .toMatchObject([{ breaker: 'closed', lastFailure: undefined }])
  })

  test('a new delivery to an open target is tried at once', async () => {
    const { open, perform } = gated()
    const { lanes, advance } = lanesOver(perform)
    lanes.take([ref('x1'), ref('x2'), ref('x3')])
    for (const attempt of open) attempt.answer('failed')
    await expect.poll(() => lanes.states()).toMatchObject([{ breaker: 'open', running: 0 }])
    advance(600)
    lanes.take([ref('fresh')])
    expect(open.at(-1)).toMatchObject({ ref: { id: 'fresh' }, how: 'due' })
  })

  test('where nothing is due, what is not yet due is probed, another each time', async () => {
    const { open, perform } = gated()
    const { lanes, rows, advance } = lanesOver(perform)
    lanes.take([ref('first')])
    open[0]?.answer('failed')
    await expect.poll(() => lanes.states()).toMatchObject([{ breaker: 'failing', running: 0 }])
    rows.add(rowOf('p', 't', 1e9), rowOf('q', 't', 1e9))
    for (const nth of [1, 2]) {
      advance(3_000)
      await expect.poll(() => open).toHaveLength(nth + 1)
      open[nth]?.answer('failed')
      await expect.poll(() => lanes.states()).toMatchObject([{ running: 0 }])
    }
    expect(open.slice(1)).toMatchObject([
      { ref: { id: 'p' }, how: 'probe' },
      { ref: { id: 'q' }, how: 'probe' },
    ])
  })

  test('what there is no room for is read from the store when there is', async () => {
    const done: string[] = []
    const gate = Promise.withResolvers<void>()
    const { lanes, rows } = lanesOver(async ({ id }) => {
      await gate.promise
      done.push(id)
      rows.all.delete(id)
      return { outcome: 'delivered' }
    })
    rows.add(...refs(1_200).map((deliveryRef) => ({ ...deliveryRef, dueAtMs: 0 })))
    lanes.take(refs(1_200))
    expect(lanes.states()).toMatchObject([{ running: 8, waiting: 492 }])
    gate.resolve()
    await expect.poll(() => new Set(done).size).toBe(1_200)
  })

  /**
   * Delays the next reading of the store until the test releases it. Its answer is the state at the
   * time of the question.
   */
  function slowly(rows: Rows, act: 'dueDeliveries' | 'earlyDeliveries') {
    const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const read: (page: never) => Promise<unknown> = rows[act]
    Object.assign(rows, {
      [act]: async (page: never) => {
        Object.assign(rows, { [act]: read })
        const answer = await read(page)
        asked.resolve()
        await gate.promise
        return answer
      },
    })
    return { asked: asked.promise, answer: () => gate.resolve() }
  }

  test('what there was no room for while the store was read, is read from it afterwards', async () => {
    const done: string[] = []
    const { lanes, rows } = lanesOver(async ({ id }) => {
      done.push(id)
      rows.all.delete(id)
      return { outcome: 'delivered' }
    })
    rows.add(rowOf('first'))
    const reading = slowly(rows, 'dueDeliveries')
    await lanes.look()
    await reading.asked
    rows.add(...refs(1_200).map((deliveryRef) => ({ ...deliveryRef, dueAtMs: 0 })))
    lanes.take(refs(1_200))
    reading.answer()
    await expect.poll(() => new Set(done).size).toBe(1_201)
  })

  test('what comes to a target that is down while a probe finds nothing to send, is the next probe', async () => {
    const { open, lanes, rows, advance } = await withOpenBreaker()
    const reading = slowly(rows, 'earlyDeliveries')
    advance(3_000)
    await reading.asked
    rows.add(rowOf('new'))
    lanes.take([ref('new')])
    reading.answer()
    advance(3_000)
    await expect.poll(() => open).toHaveLength(4)
    expect(open[3]).toMatchObject({ ref: { id: 'new' }, how: 'due' })
  })

  test('drained, it takes nothing more', async () => {
    const { lanes } = lanesOver(async () => ({ outcome: 'delivered' }))
    expect(await lanes.drain(1_000)).toBe(true)
    lanes.take([ref('x')])
    expect(lanes.states()).toEqual([])
  })
})

describe('what a user waits for goes first; bulk shares what is left', () => {
  /** Each call is answered at once; the order in which they begin is kept. */
  const quick = () => {
    const order: DeliveryRef[] = []
    const perform: Perform = async (deliveryRef) => {
      order.push(deliveryRef)
      await new Promise((turn) => setImmediate(turn))
      return { outcome: 'delivered' }
    }
    return { order, perform }
  }

  test('an urgent delivery is the next call, whatever bulk waits for the same target, and finds a free place although bulk hangs', async () => {
    const { open, perform } = gated()
    const { lanes } = lanesOver(perform)
    lanes.take(bulk(7, 1_000))
    await expect.poll(() => open).toHaveLength(6)
    lanes.take([ref('u1'), ref('u2'), ref('u3')])
    expect(open.slice(6).map((attempt) => attempt.ref.id)).toEqual(['u1', 'u2'])
    open[0]?.answer('delivered')
    await expect.poll(() => open).toHaveLength(9)
    expect(open[8]?.ref.id).toBe('u3')
  })

  test('a burst of bulk to a hundred targets begins a few calls at a time: an urgent delivery to another target is not behind all of them', async () => {
    const { order, perform } = quick()
    const { lanes } = lanesOver(perform)
    for (let n = 0; n < 100; n++)
      lanes.take(
        bulk(7, 6, `t${n}`).map((deliveryRef) => ({
          ...deliveryRef,
          id: `${deliveryRef.id}-${n}`,
        })),
      )
    await new Promise((turn) => setImmediate(turn))
    expect(order).toHaveLength(8)
    lanes.take([ref('urgent', 'other')])
    expect(order.at(-1)?.id).toBe('urgent')
    await expect.poll(() => order).toHaveLength(601)
  })

  test('two wide revocations take turns at a target, and so does what expired: a small one does not wait for a large one', async () => {
    const { order, perform } = quick()
    const { lanes } = lanesOver(perform)
    lanes.take(bulk(1, 60))
    lanes.take(bulk(2, 5))
    lanes.take(
      bulk(3, 5).map((deliveryRef): DeliveryRef => ({
        ...deliveryRef,
        id: `e${deliveryRef.id}`,
        priority: 'background',
      })),
    )
    await expect.poll(() => order).toHaveLength(70)
    const lastOf = (fits: (deliveryRef: DeliveryRef) => boolean) => order.findLastIndex(fits)
    expect(lastOf(({ seq }) => seq === 2)).toBeLessThan(20)
    expect(lastOf(({ priority }) => priority === 'background')).toBeLessThan(20)
  })
})

describe('a neighbor that is down or sick harms no other (DESIGN.md, invariant 7)', () => {
  const REJECTED = ['d1', 'd2', 'd3', 'd4', 'd5']

  test('five dead targets with 20,000 pending each: the sixth gets all of its deliveries as if it were alone', async () => {
    const delivered: string[] = []
    const { lanes, rows, advance } = lanesOver(async ({ id, targetId }) => {
      if (targetId !== 'healthy') return { outcome: 'failed' }
      delivered.push(id)
      rows.all.delete(id)
      return { outcome: 'delivered' }
    })
    for (const failed of REJECTED) {
      rows.add(
        ...refs(20_000, failed, failed).map((deliveryRef) => ({ ...deliveryRef, dueAtMs: 0 })),
      )
      lanes.take(refs(20_000, failed, failed))
    }
    await expect
      .poll(() => lanes.states().filter(({ breaker }) => breaker === 'open'))
      .toHaveLength(5)
    advance(10_000)
    rows.add(...refs(600, 'healthy', 'h').map((deliveryRef) => ({ ...deliveryRef, dueAtMs: 0 })))
    lanes.take(refs(600, 'healthy', 'h'))
    await expect.poll(() => new Set(delivered).size).toBe(600)
    expect(
      lanes.states().filter(({ targetId, waiting }) => targetId !== 'healthy' && waiting > 0),
    ).toEqual([])
  })

  test('a delivery that fails while its neighbors succeed keeps its retry schedule', async () => {
    const counted: string[] = []
    const { lanes, rows } = lanesOver(async ({ id }, how) => {
      if (id !== 'sick') {
        rows.all.delete(id)
        return { outcome: 'delivered' }
      }
      if (how === 'due') counted.push(id)
      rows.add(rowOf('sick', 't', rows.nowMs + 3_600_000))
      return { outcome: 'failed' }
    })
    rows.add(rowOf('sick'))
    lanes.take([ref('sick')])
    for (let i = 0; i < 20; i++) {
      lanes.take([ref(`well${i}`)])
      await expect.poll(() => lanes.states()).toMatchObject([{ running: 0, waiting: 0 }])
    }
    expect(counted).toEqual(['sick'])
  })

  test('when an open breaker closes, what is not yet due is tried once, and a failure then is not counted', async () => {
    const { open, perform } = gated()
    const { lanes, rows, advance } = lanesOver(perform)
    lanes.take(refs(3))
    for (const attempt of open) attempt.answer('failed')
    await expect.poll(() => lanes.states()).toMatchObject([{ breaker: 'open' }])
    rows.add(...['p', 'q', 'r'].map((id) => rowOf(id, 't', 1e9)))
    advance(3_000)
    await expect.poll(() => open).toHaveLength(4)
    rows.all.delete('p')
    open[3]?.answer('delivered')
    await expect.poll(() => open).toHaveLength(6)
    expect(open.slice(4)).toMatchObject([
      { ref: { id: 'q' }, how: 'early' },
      { ref: { id: 'r' }, how: 'early' },
    ])
    for (const attempt of open.slice(4)) attempt.answer('failed')
    await expect.poll(() => lanes.states()).toMatchObject([{ running: 0, breaker: 'failing' }])
    expect(open).toHaveLength(6)
  })

  test('a process that begins tries once what a former one scheduled, whose clock may have been wrong; later looks do not', async () => {
    const { open, perform } = gated()
    const { lanes, rows } = lanesOver(perform)
    rows.add(rowOf('p', 't', rows.nowMs + 90_000_000), rowOf('q', 't', rows.nowMs + 90_000_001))
    await lanes.look()
    await expect
      .poll(() => open)
      .toMatchObject([
        { ref: { id: 'p' }, how: 'early' },
        { ref: { id: 'q' }, how: 'early' },
      ])
    for (const attempt of open) attempt.answer('failed')
    await expect.poll(() => lanes.states()).toMatchObject([{ running: 0 }])
    await lanes.look()
    await lanes.look()
    expect(lanes.states()).toMatchObject([{ running: 0, waiting: 0 }])
    expect(open).toHaveLength(2)
  })

  test('a delivery that becomes due during an early attempt gets its due attempt', async () => {
    const { open, lanes, rows, advance } = await withOpenBreaker()
    rows.add(rowOf('p', 't', rows.nowMs + 3_500))
    await lanes.look()
    advance(3_000)
    await expect.poll(() => open).toHaveLength(4)
    expect(open[3]).toMatchObject({ ref: { id: 'p' }, how: 'probe' })
    advance(1_000)
    // The queue's job for the due attempt arrives while the probe is under way.
    lanes.take([ref('p')])
    open[3]?.answer('failed')
    advance(3_000)
    await expect.poll(() => open).toHaveLength(5)
    expect(open[4]).toMatchObject({ ref: { id: 'p' }, how: 'due' })
  })
})
