import { describe, expect, onTestFinished, test } from 'vitest'
import { randomBytes } from 'node:crypto'
import type { DeliveryRef } from '../../db/types.ts'
import { createLog } from '../../src/log.ts'
import { createLanes, type Taken } from '../../src/revocation/lanes.ts'

/** Lanes over a store that is a list: how much goes to whom at a time. */

const ref = (id: string, targetId = 't'): DeliveryRef => ({ id, attempt: 1, targetId })

function lanesOver(perform: (ref: DeliveryRef, early: boolean) => Promise<Taken>, due: DeliveryRef[] = []) {
  let nowMs = 0
  const released: string[] = []
  const store = {
    dueDeliveries: async ({ targetId, limit }: { targetId?: string | undefined; limit: number }) =>
      due.filter((one) => one.targetId === targetId).slice(0, limit),
    owedTargets: async () =>
      [...new Set(due.map((one) => one.targetId))].map((targetId) => ({
        targetId,
        clientId: 'c',
        uri: 'https://c.example/',
        owed: 1,
        oldestAtMs: 0,
      })),
    releaseTarget: async ({ targetId }: { targetId: string }) => void released.push(targetId),
  }
  const lanes = createLanes(
    { store, random: (n) => randomBytes(n), log: createLog(() => {}, Date.now), clock: { now: () => Math.floor(nowMs / 1000), nowMs: () => nowMs } },
    perform,
  )
  onTestFinished(async () => void (await lanes.drain(100)))
  return { lanes, released, advance: (ms: number) => void (nowMs += ms) }
}

function gated() {
  const open: { ref: DeliveryRef; early: boolean; answer: (taken: Taken['outcome']) => void }[] = []
  const perform = (one: DeliveryRef, early: boolean) =>
    new Promise<Taken>((done) => open.push({ ref: one, early, answer: (outcome) => done({ outcome }) }))
  return { open, perform }
}

describe('lanes', () => {
  test('a few calls at a time to one target, the next as one ends; another target has its own', async () => {
    const { open, perform } = gated()
    const { lanes } = lanesOver(perform)
    expect(lanes.take(Array.from({ length: 20 }, (_, i) => ref(`a${i}`, 'a')))).toEqual([])
    lanes.take([ref('b', 'b')])
    expect(
      open
        .map((one) => one.ref.targetId)
        .sort()
        .join(''),
    ).toBe('aaaaaaaab')
    open[0]?.answer('delivered')
    await expect.poll(() => open).toHaveLength(10)
  })

  test('one that is on its way, or waits, is not taken twice', async () => {
    const { open, perform } = gated()
    const { lanes } = lanesOver(perform)
    for (let i = 0; i < 3; i++) lanes.take(Array.from({ length: 10 }, (_, n) => ref(`x${n}`)))
    expect(lanes.states()).toMatchObject([{ running: 8, waiting: 2 }])
    expect(open).toHaveLength(8)
  })

  test('an open one is called once at a time; what waits keeps waiting; the first success lets all of it go', async () => {
    const { open, perform } = gated()
    const { lanes, released, advance } = lanesOver(perform)
    lanes.take([ref('x1'), ref('x2'), ref('x3')])
    for (const one of open) one.answer('failed')
    await expect.poll(() => lanes.states()).toMatchObject([{ breaker: 'open', running: 0 }])
    lanes.take(Array.from({ length: 30 }, (_, i) => ref(`y${i}`)))
    expect(lanes.states()).toMatchObject([{ running: 0, waiting: 30 }])
    // A probe: one of those that wait.
    advance(3_000)
    await expect.poll(() => open).toHaveLength(4)
    expect(lanes.states()).toMatchObject([{ running: 1, waiting: 29 }])
    open[3]?.answer('delivered')
    await expect.poll(() => open).toHaveLength(12)
    expect(released).toEqual(['t'])
    expect(lanes.states()).toMatchObject([{ breaker: 'closed', running: 8 }])
  })

  test('a new delivery to an open target is tried at once', async () => {
    const { open, perform } = gated()
    const { lanes, advance } = lanesOver(perform)
    lanes.take([ref('x1'), ref('x2'), ref('x3')])
    for (const one of open) one.answer('failed')
    await expect.poll(() => lanes.states()).toMatchObject([{ breaker: 'open', running: 0 }])
    advance(600)
    lanes.take([ref('fresh')])
    expect(open.at(-1)).toMatchObject({ ref: { id: 'fresh' }, early: false })
  })

  test('where only what is not yet due is owed, it is probed early, another each time', async () => {
    const { open, perform } = gated()
    const owed = [ref('p'), ref('q')]
    const { lanes, advance } = lanesOver(perform, owed)
    // Not due: the first look finds none.
    const due = owed.splice(0)
    await lanes.look()
    lanes.take([ref('first')])
    open[0]?.answer('failed')
    await expect.poll(() => lanes.states()).toMatchObject([{ breaker: 'failing', running: 0 }])
    owed.push(...due)
    for (const nth of [1, 2]) {
      advance(3_000)
      await expect.poll(() => open).toHaveLength(nth + 1)
      open[nth]?.answer('failed')
      await expect.poll(() => lanes.states()).toMatchObject([{ running: 0 }])
    }
    expect(open.slice(1)).toMatchObject([
      { ref: { id: 'p' }, early: true },
      { ref: { id: 'q' }, early: true },
    ])
  })

  test('what there is no room for is left, and read from the store when there is', async () => {
    const due = Array.from({ length: 3 }, (_, i) => ref(`due${i}`))
    const done: string[] = []
    const gate = Promise.withResolvers<void>()
    const { lanes } = lanesOver(async ({ id }) => {
      await gate.promise
      done.push(id)
      const at = due.findIndex((one) => one.id === id)
      if (at >= 0) due.splice(at, 1)
      return { outcome: 'delivered' }
    }, due)
    const left = lanes.take(Array.from({ length: 20_020 }, (_, i) => ref(`x${i}`)))
    expect(left).toHaveLength(20)
    gate.resolve()
    await expect.poll(() => done).toHaveLength(20_003)
    expect(done.slice(-3).sort()).toEqual(['due0', 'due1', 'due2'])
  })

  test('drained, it takes nothing more', async () => {
    const { lanes } = lanesOver(async () => ({ outcome: 'delivered' }))
    expect(await lanes.drain(1_000)).toBe(true)
    expect(lanes.take([ref('x')])).toEqual([ref('x')])
  })
})
