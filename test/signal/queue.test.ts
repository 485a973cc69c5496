import { describe, expect, test, vi } from 'vitest'
import {
  AT_ONCE,
  MOST_OF_ONE,
  MOST_WAITING,
  SignalQueue,
} from '../../src/signals/received/queue.ts'
import { createRig, ISSUER } from '../rig.ts'

/** Returns work that runs until the test releases it, and a list of what was begun. */
function gate() {
  const begun: string[] = []
  const open = Promise.withResolvers<void>()
  return {
    begun,
    open: open.resolve,
    work: (key: string) => async () => {
      begun.push(key)
      await open.promise
      return key
    },
  }
}

describe('the queue of signals', () => {
  test('processes a few at a time, joins repeats that wait, loses no distinct signal, and rejects beyond its bounds', async () => {
    const queue = new SignalQueue()
    const { begun, open, work } = gate()
    const add = (source: string, key: string) => queue.add({ source, key }, work(key))
    const most = MOST_WAITING + AT_ONCE
    const keys = Array.from({ length: most }, (_, i) => `k${i}`)
    const added = keys.map((key, i) => add(`s${i % 5}`, key))
    expect(begun).toHaveLength(AT_ONCE)
    expect(queue.size).toBe(MOST_WAITING)
    expect(add('s9', 'new')).toBeUndefined()
    const repeats = keys.slice(AT_ONCE).map((key) => add('s9', key))
    expect(repeats.every((repeat) => repeat?.merged)).toBe(true)
    open()
    expect(await Promise.all(added.map(async (signal) => signal?.done))).toEqual(keys)
    expect(await Promise.all(repeats.map(async (repeat) => repeat?.done))).toEqual(
      keys.slice(AT_ONCE),
    )
    expect(begun.toSorted()).toEqual(keys.toSorted())
  })

  test('a repeat of a signal that runs already is processed again: a session may have opened meanwhile', async () => {
    const queue = new SignalQueue()
    const { begun, open, work } = gate()
    const [first, second] = [
      queue.add({ source: 's', key: 'k' }, work('k')),
      queue.add({ source: 's', key: 'k' }, work('k')),
    ]
    open()
    await Promise.all([first?.done, second?.done])
    expect(begun).toEqual(['k', 'k'])
  })

  test('a source that floods neither fills the queue nor delays another; work that fails frees its place', async () => {
    const queue = new SignalQueue()
    const { begun, open, work } = gate()
    const flood = Array.from({ length: AT_ONCE + MOST_OF_ONE }, (_, i) =>
      queue.add({ source: 'flood', key: `f${i}` }, work(`f${i}`)),
    )
    expect(queue.add({ source: 'flood', key: 'more' }, work('more'))).toBeUndefined()
    const failed = queue.add({ source: 'other', key: 'bad' }, () =>
      Promise.reject(new Error('no store')),
    )
    const other = queue.add({ source: 'other', key: 'o' }, work('o'))
    const rejects = expect(failed?.done).rejects.toThrow('no store')
    open()
    await rejects
    expect(await other?.done).toBe('o')
    expect(begun.indexOf('o')).toBeLessThan(AT_ONCE * 3)
    await Promise.all(flood.map(async (signal) => signal?.done))
    expect(queue.size).toBe(0)
  })
})

test('front-channel logouts beyond the queue get 503 with Retry-After; every distinct one that waits ends its session once', async () => {
  const rig = await createRig()
  const bound = AT_ONCE + MOST_OF_ONE
  const sids = Array.from({ length: bound }, (_, i) => `m-${i}`)
  await rig.openSession({ microsoftSid: sids.at(-1) })
  const { begun, open, work } = gate()
  const end = rig.store.endMicrosoftSession.bind(rig.store)
  vi.spyOn(rig.store, 'endMicrosoftSession').mockImplementation(async (act) => {
    await work(act.microsoftSid)()
    return end(act)
  })
  const logout = async (sid: string) =>
    rig.app.request(`${ISSUER}/signal/microsoft/front-channel-logout?sid=${sid}`)
  const answers = [...sids, ...sids.slice(AT_ONCE)].map(logout)
  const over = await logout('one-more')
  expect([over.status, over.headers.get('retry-after')]).toEqual([503, '2'])
  open()
  expect(new Set((await Promise.all(answers)).map(({ status }) => status))).toEqual(new Set([200]))
  expect(begun.toSorted()).toEqual(sids.toSorted())
  expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(0)
  expect(await rig.deps.metrics.registry.metrics()).toMatch(
    /broker_signals_total\{kind="front_channel",outcome="queue_full"\} 1\n/,
  )
})
