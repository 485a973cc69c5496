import { describe, expect, test } from 'vitest'
import { benches, STORES, type Bench } from './fixture.ts'

const REQUEST = { caller: 'client robot', keyHash: 'key', requestHash: 'lock Alice' }
const DAY = 86_400

const find = ({ store, now }: Bench, changes: Partial<typeof REQUEST> = {}) =>
  store.findRepeatable({ ...REQUEST, ...changes, now })
const keep = ({ store, now }: Bench, changes: Partial<typeof REQUEST> = {}, answer = ANSWER) =>
  store.keepRepeatable({ ...REQUEST, ...changes, now, most: 10, ...answer })
const ANSWER = { status: 201, answer: '{"outcome":"locked"}' }
const DONE = { outcome: 'done', ...ANSWER }

describe.each(STORES)('requests that may be repeated, on %s', (_name, make) => {
  const open = benches(make)

  test('what is done is answered for a day with the answer that was kept first', async () => {
    const b = await open()
    expect(await find(b)).toEqual({ outcome: 'new' })
    await keep(b)
    await keep(b, { requestHash: 'lock Bob' }, { status: 200, answer: 'later' })
    b.now += DAY - 1
    expect(await find(b)).toEqual(DONE)
    b.now += 1
    expect(await find(b)).toEqual({ outcome: 'new' })
    await keep(b, { requestHash: 'lock Bob' })
    expect(await find(b, { requestHash: 'lock Bob' })).toEqual(DONE)
  })

  test('a key is its caller’s, and of one request alone', async () => {
    const b = await open()
    await keep(b)
    expect(await find(b, { requestHash: 'lock Bob' })).toEqual({ outcome: 'other' })
    expect(await find(b, { caller: 'client other' })).toEqual({ outcome: 'new' })
    expect(await find(b, { keyHash: 'other' })).toEqual({ outcome: 'new' })
  })

  test('keys are purged when their day is over', async () => {
    const b = await open()
    await keep(b)
    await keep(b, { keyHash: 'other' })
    const purge = (limit: number) => b.store.purge({ kind: 'idempotency_keys', now: b.now, limit })
    b.now += DAY - 1
    expect(await purge(1)).toBe(false)
    b.now += 1
    expect([await purge(1), await purge(1), await purge(1)]).toEqual([true, true, false])
  })

  test('one caller has so many keys at most, and another caller is not concerned', async () => {
    const b = await open()
    await Promise.all(Array.from({ length: 10 }, (_, i) => keep(b, { keyHash: `key ${i}` })))
    await keep(b)
    expect(await find(b)).toEqual({ outcome: 'new' })
    expect(await find(b, { keyHash: 'key 7' })).toEqual(DONE)
    await keep(b, { caller: 'client other' })
    expect(await find(b, { caller: 'client other' })).toEqual(DONE)
  })
})
