import { describe, expect, test } from 'vitest'
import { Problem } from '../../src/audit/problem.ts'
import { record } from '../../src/audit/record.ts'
import { createLog } from '../../src/runtime/log.ts'
import type { NewAuditEntry } from '../../db/types.ts'
import { benches, STORES, T0 } from './fixture.ts'

const ANN: NewAuditEntry = {
  actor: { kind: 'operator', id: 'u_ann' },
  via: 'console',
  act: 'revoke',
  target: 'session s_1',
}

describe.each(STORES)('the audit log, on %s', (_name, make) => {
  const open = benches(make)

  test('an entry is there before its act is done, and its end is written once', async () => {
    const { store } = await open()
    const id = await store.appendAudit({
      ...ANN,
      caseReference: 'INC-1',
      comment: 'laptop stolen',
      details: { dry_run: false },
    })
    const begun = {
      id,
      atMs: T0 * 1000,
      ...ANN,
      caseReference: 'INC-1',
      comment: 'laptop stolen',
      details: { dry_run: false },
    }
    expect(await store.listAudit({ limit: 10 })).toEqual([begun])
    await store.concludeAudit({ id, outcome: 'done', result: { seq: 7 } })
    await store.concludeAudit({ id, outcome: 'failed' })
    expect(await store.listAudit({ limit: 10 })).toEqual([
      { ...begun, ended: { outcome: 'done', atMs: T0 * 1000, result: { seq: 7 } } },
    ])
  })

  test('it is read in pages both ways, and filtered by actor, act, target, case and time', async () => {
    const b = await open()
    const ids: number[] = []
    for (const [i, act] of ['revoke', 'redrive', 'revoke', 'key.rotate'].entries()) {
      b.now = T0 + i
      ids.push(
        await b.store.appendAudit({
          ...ANN,
          act,
          actor: { kind: 'operator', id: i < 2 ? 'u_ann' : 'u_bob' },
          target: `t${i}`,
          caseReference: `INC-${i}`,
        }),
      )
    }
    const found = async (wanted: Partial<Parameters<typeof b.store.listAudit>[0]>) =>
      (await b.store.listAudit({ limit: 10, ...wanted })).map((entry) => ids.indexOf(entry.id))
    expect(ids).toEqual([...ids].sort((x, y) => x - y))
    expect(await found({ limit: 2 })).toEqual([3, 2])
    expect(await found({ before: ids[2] ?? 0 })).toEqual([1, 0])
    expect(await found({ after: 0, limit: 3 })).toEqual([0, 1, 2])
    expect(await found({ after: ids[2] ?? 0 })).toEqual([3])
    expect(await found({ act: 'revoke' })).toEqual([2, 0])
    expect(await found({ actorId: 'u_bob', act: 'revoke' })).toEqual([2])
    expect(await found({ target: 't1' })).toEqual([1])
    expect(await found({ caseReference: 'INC-3' })).toEqual([3])
    expect(await found({ sinceMs: (T0 + 1) * 1000, untilMs: (T0 + 3) * 1000 })).toEqual([2, 1])
  })

  test('what few entries fit is found in either direction, and the event loop goes on meanwhile', async () => {
    const b = await open()
    // The index of actors has all these entries.
    const many = { ...ANN, act: 'many' }
    const wanted = { ...ANN, act: 'few' }
    const actorId = ANN.actor.id
    const ids = [await b.store.appendAudit(wanted)]
    for (let n = 0; n < 4_500; n += 100)
      await Promise.all(Array.from({ length: 100 }, () => b.store.appendAudit(many)))
    ids.push(await b.store.appendAudit(wanted))
    let turns = 0
    // The count stops above the number expected below: Postgres answers slowly, and the loop would
    // run at full speed in the meantime.
    const count = (): unknown => ++turns < 8 && (again = setImmediate(count))
    let again = setImmediate(count)
    const found = async (how: object) =>
      (await b.store.listAudit({ actorId, act: 'few', limit: 9, ...how })).map(({ id }) => id)
    expect([
      await found({}),
      await found({ after: 0 }),
      await found({ before: ids[1] }),
      await found({ after: ids[0] }),
    ]).toEqual([ids.toReversed(), ids, ids.slice(0, 1), ids.slice(1)])
    clearImmediate(again)
    expect(turns).toBeGreaterThanOrEqual(8)
    expect(await b.store.listAudit({ actorId, act: 'none', limit: 9 })).toEqual([])
  })

  test('a target with two names is found by both, page by page, with the other filters', async () => {
    const b = await open()
    const ids: number[] = []
    for (const target of ['subject u_1', 'user t o', 'client x', 'user t o'])
      ids.push(await b.store.appendAudit({ ...ANN, act: `act${ids.length}`, target }))
    const found = async (how: object) =>
      (
        await b.store.listAudit({ target: 'subject u_1', orTarget: 'user t o', limit: 2, ...how })
      ).map(({ id }) => ids.indexOf(id))
    expect([
      await found({}),
      await found({ before: ids[1] }),
      await found({ after: 0 }),
      await found({ act: 'act1' }),
      await found({ orTarget: undefined }),
    ]).toEqual([[3, 1], [0], [0, 1], [1], [0]])
  })

  test('a page of a search looks at a bounded number of entries, in either direction, and says how far it came', async () => {
    const b = await open()
    const ids: number[] = []
    for (let n = 0; n < 12; n++) {
      b.now += 86_400
      ids.push(await b.store.appendAudit({ ...ANN, act: n % 6 === 0 ? 'rare' : 'often' }))
    }
    const page = async (how: object) => {
      const { found, searchedTo } = await b.store.pageOfAudit({
        actorId: ANN.actor.id,
        act: 'rare',
        limit: 9,
        most: 4,
        ...how,
      })
      return [found.map(({ id }) => ids.indexOf(id)), searchedTo && ids.indexOf(searchedTo.id)]
    }
    expect(await page({})).toEqual([[], 8])
    expect(await page({ before: ids[8] })).toEqual([[6], 4])
    expect(await page({ before: ids[4] })).toEqual([[0], 0])
    expect(await page({ before: ids[0] })).toEqual([[], undefined])
    expect([await page({ after: 0 }), await page({ after: ids[3] })]).toEqual([
      [[0], 3],
      [[6], 7],
    ])
    // The store looks up times. It reads nothing before and after them, except for one day by which
    // a clock may have been set back.
    const atMs = (n: number) => (b.now - (11 - n) * 86_400) * 1000
    expect([
      await page({ untilMs: atMs(2) }),
      await page({ after: 0, sinceMs: atMs(10), untilMs: atMs(11) }),
    ]).toEqual([
      [[0], undefined],
      [[], undefined],
    ])
  })

  test('an act whose entry cannot be written is not performed; its outcome is written, a rejection and a fault too', async () => {
    const { store } = await open()
    const deps = {
      store,
      log: createLog(
        () => {},
        () => T0 * 1000,
      ),
    }
    expect(
      await record(
        deps,
        ANN,
        ANN,
        async () => 5,
        (count) => ({ count }),
      ),
    ).toBe(5)
    const rejected = () => Promise.reject(new Problem(409, 'told', 'what to do'))
    await expect(record(deps, ANN, ANN, rejected)).rejects.toThrow('what to do')
    const failed = () => Promise.reject(new Error('bug'))
    await expect(record(deps, ANN, ANN, failed)).rejects.toThrow('bug')
    expect(
      (await store.listAudit({ after: 0, limit: 10 })).map((entry) => entry.ended),
    ).toMatchObject([
      { outcome: 'done', result: { count: 5 } },
      { outcome: 'rejected', result: { title: 'told', detail: 'what to do' } },
      { outcome: 'failed', result: {} },
    ])
    let done = false
    const full = { ...store, appendAudit: () => Promise.reject(new Error('full')) }
    const act = async () => (done = true)
    await expect(record({ ...deps, store: full }, ANN, ANN, act)).rejects.toThrow('full')
    expect(done).toBe(false)
  })
})
