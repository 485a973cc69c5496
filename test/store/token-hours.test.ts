import { describe, expect, test } from 'vitest'
import { PURGED_LATE } from '../../db/store.ts'
import { benches, STORES, T0 } from './fixture.ts'

const HOUR = 3600
type Counts = [issued: number, refreshed: number, rejected: number]
const of = (clientId: string, at: number, [issued, refreshed, rejected]: Counts = [1, 10, 100]) => ({ clientId, at, issued, refreshed, rejected })

describe.each(STORES)('token requests by the hour, on %s', (_name, make) => {
  const open = benches(make)

  test('what brokers add is summed for each client and hour, also where they add at once; the newest hour is first', async () => {
    const { store } = await open()
    await store.addTokenHours([])
    const both = [of('sydney', T0), of('melbourne', T0), of('sydney', T0 + HOUR)]
    await Promise.all(Array.from({ length: 8 }, (_, broker) => store.addTokenHours(broker % 2 === 0 ? both : both.toReversed())))
    expect(await store.tokenHours({ clientId: 'sydney', since: T0 - 1 })).toEqual([
      of('sydney', T0 + HOUR, [8, 80, 800]),
      of('sydney', T0, [8, 80, 800]),
    ])
    expect(await store.tokenHours({ clientId: 'sydney', since: T0 })).toEqual([of('sydney', T0 + HOUR, [8, 80, 800])])
    expect(await store.tokenHours({ clientId: 'melbourne', since: 0 })).toEqual([of('melbourne', T0, [8, 80, 800])])
    expect(await store.tokenHours({ clientId: 'perth', since: 0 })).toEqual([])
  })

  test('an hour is deleted 25 hours after its beginning, some at a time', async () => {
    const { store } = await open()
    await store.addTokenHours(['a', 'b', 'c'].map((clientId) => of(clientId, T0)))
    await store.addTokenHours([of('a', T0 + HOUR)])
    const purge = (now: number) => store.purge({ kind: 'token_hours', now, limit: 2 })
    expect(PURGED_LATE).toContain('token_hours')
    expect(await purge(T0 + 25 * HOUR - 1)).toBe(false)
    expect(await store.tokenHours({ clientId: 'a', since: 0 })).toHaveLength(2)
    expect([await purge(T0 + 25 * HOUR), await purge(T0 + 25 * HOUR)]).toEqual([true, false])
    expect(await store.tokenHours({ clientId: 'a', since: 0 })).toEqual([of('a', T0 + HOUR)])
    expect(await store.tokenHours({ clientId: 'c', since: 0 })).toEqual([])
  })
})
