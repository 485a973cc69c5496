import { describe, expect, test } from 'vitest'
import { PURGED_LATE } from '../../db/store.ts'
import type { WallPass } from '../../db/types.ts'
import { benches, STORES } from './fixture.ts'
import type { Bench } from './fixture.ts'

const DAY = 86_400

const passOf = ({ now }: Bench, id: string, days = 30): WallPass => ({
  id,
  name: `Room ${id}`,
  madeBy: 'u_adam',
  createdAt: now,
  endsAt: now + days * DAY,
})
const add = (b: Bench, id: string, { days = 30, most = 20 } = {}) =>
  b.store.addWallPass({ pass: passOf(b, id, days), passHash: `hash of ${id}`, now: b.now, most })
const use = (b: Bench, id: string) => b.store.useWallPass({ passHash: `hash of ${id}`, now: b.now })

describe.each(STORES)('passes of wall displays, on %s', (_name, make) => {
  const open = benches(make)

  test('one is valid until it expires, and its use is noted once an hour at most', async () => {
    const b = await open()
    const [pass, begun] = [passOf(b, 'a'), b.now]
    expect(await add(b, 'a')).toBe(true)
    expect(await b.store.listWallPasses(9)).toEqual([pass])
    expect(await use(b, 'b')).toBeUndefined()
    for (const [after, noted] of [
      [0, 0],
      [3599, 0],
      [3600, 3600],
      [30 * DAY - 1, 30 * DAY - 1],
    ] as const) {
      b.now = begun + after
      expect(await use(b, 'a')).toMatchObject({ id: 'a', name: 'Room a' })
      expect(await b.store.listWallPasses(9)).toEqual([{ ...pass, usedAt: begun + noted }])
    }
    b.now = begun + 30 * DAY
    expect(await use(b, 'a')).toBeUndefined()
  })

  test('one that is revoked ends at once, and is revoked once; others stay', async () => {
    const b = await open()
    for (const id of ['a', 'b']) await add(b, id)
    b.now += 60
    const revoke = (id: string) => b.store.revokeWallPass({ id, now: b.now })
    expect(await Promise.all([revoke('a'), revoke('a'), revoke('c')]).then((done) => done.toSorted())).toEqual([false, false, true])
    expect([await use(b, 'a'), (await use(b, 'b'))?.id]).toEqual([undefined, 'b'])
    expect((await b.store.listWallPasses(9)).find(({ id }) => id === 'a')).toMatchObject({ endsAt: b.now, revokedAt: b.now })
  })

  test('there are as many valid ones as there may be; those that ended do not count', async () => {
    const b = await open()
    expect([await add(b, 'a', { most: 2 }), await add(b, 'b', { most: 2 }), await add(b, 'c', { most: 2 })]).toEqual([true, true, false])
    await b.store.revokeWallPass({ id: 'a', now: b.now })
    expect(await add(b, 'd', { most: 2 })).toBe(true)
    b.now += 1
    await b.store.revokeWallPass({ id: 'd', now: b.now })
    await add(b, 'e', { most: 2 })
    expect((await b.store.listWallPasses(1)).map(({ id }) => id)).toEqual(['e'])
  })

  test('one that ended is deleted 30 days later, some at a time', async () => {
    const b = await open()
    for (const id of ['a', 'b', 'c']) await add(b, id, { days: 1 })
    await add(b, 'd', { days: 2 })
    const purge = (now: number) => b.store.purge({ kind: 'wall_passes', now, limit: 2 })
    expect(PURGED_LATE).toContain('wall_passes')
    expect(await purge(b.now + 31 * DAY - 1)).toBe(false)
    expect(await b.store.listWallPasses(9)).toHaveLength(4)
    expect([await purge(b.now + 31 * DAY), await purge(b.now + 31 * DAY)]).toEqual([true, false])
    expect((await b.store.listWallPasses(9)).map(({ id }) => id)).toEqual(['d'])
  })
})
