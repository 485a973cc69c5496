import { describe, expect, test } from 'vitest'
import { benches, STORES } from './fixture.ts'
import type { Bench } from './fixture.ts'

const REQUEST = { caller: 'client robot', keyHash: 'key', requestHash: 'lock Alice' }
const DAY = 86_400

const begin = ({ store, now }: Bench, changes: Partial<typeof REQUEST> = {}) => store.beginRepeatable({ ...REQUEST, ...changes, now, most: 10 })
const conclude = ({ store }: Bench, answer?: { status: number; body: string }) => store.concludeRepeatable({ ...REQUEST, answer })
const ANSWER = { status: 201, body: '{"outcome":"locked"}' }
const DONE = { outcome: 'done', status: 201, answer: ANSWER.body }

describe.each(STORES)('requests that may be repeated, on %s', (_name, make) => {
  const open = benches(make)

  test('of ten at once one begins, and the others find that it runs', async () => {
    const b = await open()
    const outcomes = (await Promise.all(Array.from({ length: 10 }, () => begin(b)))).map(({ outcome }) => outcome)
    expect(outcomes.toSorted()).toEqual(['begun', ...Array.from({ length: 9 }, () => 'running')])
  })

  test('what is done is answered with the first answer for a day', async () => {
    const b = await open()
    expect(await begin(b)).toEqual({ outcome: 'begun' })
    await conclude(b, ANSWER)
    b.now += DAY - 1
    expect(await begin(b)).toEqual(DONE)
    b.now += 1
    expect(await begin(b)).toEqual({ outcome: 'begun' })
    expect(await begin(b)).toEqual({ outcome: 'running' })
  })

  test('a key is its caller’s, and of one request alone', async () => {
    const b = await open()
    await begin(b)
    expect(await begin(b, { requestHash: 'lock Bob' })).toEqual({ outcome: 'other' })
    await conclude(b, ANSWER)
    expect(await begin(b, { requestHash: 'lock Bob' })).toEqual({ outcome: 'other' })
    expect(await begin(b, { caller: 'client other' })).toEqual({ outcome: 'begun' })
    expect(await begin(b, { keyHash: 'other' })).toEqual({ outcome: 'begun' })
  })

  test('what was rejected leaves its key free; what is done keeps its answer', async () => {
    const b = await open()
    await begin(b)
    await conclude(b)
    expect(await begin(b, { requestHash: 'lock Bob' })).toEqual({ outcome: 'begun' })
    await b.store.concludeRepeatable({ ...REQUEST, requestHash: 'lock Bob', answer: ANSWER })
    await b.store.concludeRepeatable({ ...REQUEST, requestHash: 'lock Bob', answer: undefined })
    expect(await begin(b, { requestHash: 'lock Bob' })).toEqual(DONE)
  })

  test('a request whose process ended may be done again after a minute, by the same request alone', async () => {
    const b = await open()
    await begin(b)
    b.now += 59
    expect(await begin(b)).toEqual({ outcome: 'running' })
    b.now += 1
    expect(await begin(b, { requestHash: 'lock Bob' })).toEqual({ outcome: 'other' })
    expect(await begin(b)).toEqual({ outcome: 'begun' })
    expect(await begin(b)).toEqual({ outcome: 'running' })
  })

  test('keys are purged when their day is over', async () => {
    const b = await open()
    await begin(b)
    await conclude(b, ANSWER)
    await begin(b, { keyHash: 'left' })
    const purge = (limit: number) => b.store.purge({ kind: 'idempotency_keys', now: b.now, limit })
    b.now += DAY - 1
    expect(await purge(1)).toBe(false)
    b.now += 1
    expect([await purge(1), await purge(1), await purge(1)]).toEqual([true, true, false])
  })

  test('one caller has so many keys at most, and another caller is not concerned', async () => {
    const b = await open()
    await Promise.all(Array.from({ length: 10 }, (_, i) => begin(b, { keyHash: `key ${i}` })))
    expect(await begin(b)).toEqual({ outcome: 'full' })
    expect(await begin(b, { keyHash: 'key 7' })).toEqual({ outcome: 'running' })
    expect(await begin(b, { caller: 'client other' })).toEqual({ outcome: 'begun' })
  })
})
