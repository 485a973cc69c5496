import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { GuardReport } from '../../db/types.ts'
import { bench, benches, statementsOf, STORES, T0, type Bench } from './fixture.ts'

const revokeSome = async (b: Bench, count: number) => {
  for (let i = 0; i < count; i++) await b.revoke({ kind: 'tenant', tid: `tenant-${i}` })
}

describe.each(STORES)('the log as guards follow it, on %s', (_name, make) => {
  const open = benches(make)

  test('it begins at 0 in an epoch of its own, and rises by one with each revocation', async () => {
    const b = await open()
    const { epoch, seq } = await b.store.head()
    expect(seq).toBe(0)
    expect(epoch).toMatch(/^[\w-]{12}$/)
    await revokeSome(b, 3)
    expect(await b.store.head()).toEqual({ epoch, seq: 3 })
    expect((await (await open()).store.head()).epoch).not.toBe(epoch)
  })

  test('entries older than asked for are left out, also where a clock went backwards', async () => {
    const b = await open()
    for (const at of [T0, T0 + 100, T0 + 40, T0 + 110]) {
      b.now = at
      await revokeSome(b, 1)
    }
    const since = async (at: number) =>
      (await b.store.revocationsAfter({ after: 0, since: at, limit: 10 })).map(({ seq }) => seq)
    expect(await since(T0 + 50)).toEqual([2, 3, 4])
    expect(await since(T0 + 200)).toEqual([])
  })

  test('every client gets exactly what is after its position and young enough, in order, whatever the clock does', async () => {
    const clock = fc.array(fc.integer({ min: -3, max: 5 }), { minLength: 1, maxLength: 30 })
    const questions = fc.array(
      fc.record({ after: fc.nat(30), back: fc.nat(12), limit: fc.integer({ min: 1, max: 40 }) }),
      { maxLength: 4 },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ clock, questions }), { minLength: 1, maxLength: 4 }),
        async (rounds) => {
          const b = await bench(make())
          try {
            const log: number[] = []
            for (const round of rounds) {
              for (const step of round.clock) {
                b.now += step
                log.push(Math.max(b.now, log.at(-1) ?? 0))
                await revokeSome(b, 1)
              }
              for (const { after, back, limit } of round.questions) {
                const wanted = log
                  .map((at, i) => ({ at, seq: i + 1 }))
                  .filter(({ at, seq }) => seq > after && at >= b.now - back)
                const rows = await b.store.revocationsAfter({ after, since: b.now - back, limit })
                expect(rows.map(({ seq }) => seq)).toEqual(
                  wanted.map(({ seq }) => seq).slice(0, limit),
                )
              }
            }
          } finally {
            await b.close()
          }
        },
      ),
      { numRuns: 12 },
    )
  })

  test('read while others revoke, it has no gap', async () => {
    const b = await open()
    const revoking = Promise.all(
      Array.from({ length: 40 }, (_, i) => b.revoke({ kind: 'tenant', tid: `tenant-${i}` })),
    )
    const seen: number[] = []
    while ((seen.at(-1) ?? 0) < 40) {
      seen.push(
        ...(await b.store.revocationsAfter({ after: seen.at(-1) ?? 0, since: T0, limit: 100 })).map(
          ({ seq }) => seq,
        ),
      )
      await turn()
    }
    await revoking
    expect(seen).toEqual(Array.from({ length: 40 }, (_, i) => i + 1))
  })

  test('a guard reports how far it is: only rising, never past the head, and each revocation reached is reported once', async () => {
    const b = await open()
    const { epoch } = await b.store.head()
    await revokeSome(b, 4)
    const report = async (enforcedSeq: number, guardId = 'g-1') =>
      (
        await b.store.recordEnforced({
          clientId: 'sydney',
          guardId,
          epoch,
          enforcedSeq,
          reportedAtMs: b.now * 1000,
        })
      ).reached
    // The first report says where the guard begins.
    expect(await report(1)).toEqual([])
    const reachedBy = { clientId: 'sydney', atMs: T0 * 1000, reportedAtMs: b.now * 1000 }
    expect(await report(3)).toEqual([
      { seq: 2, ...reachedBy },
      { seq: 3, ...reachedBy },
    ])
    expect(await report(2)).toEqual([])
    expect(await report(3)).toEqual([])
    expect((await Promise.all([report(99), report(99)])).flat()).toMatchObject([{ seq: 4 }])
    await report(1, 'g-2')
    expect(await b.store.guardReports()).toMatchObject([
      { clientId: 'sydney', guardId: 'g-1', enforcedSeq: 4, epoch },
      { clientId: 'sydney', guardId: 'g-2', enforcedSeq: 1 },
    ])
  })

  test('of two first reports of a guard at once, the higher counts, whichever comes last', async () => {
    const b = await open()
    const { epoch } = await b.store.head()
    await revokeSome(b, 4)
    const report = (enforcedSeq: number, guardId: string) =>
      b.store.recordEnforced({
        clientId: 'sydney',
        guardId,
        epoch,
        enforcedSeq,
        reportedAtMs: b.now * 1000,
      })
    await Promise.all([report(3, 'g-1'), report(1, 'g-1'), report(1, 'g-2'), report(3, 'g-2')])
    expect(
      (await b.store.guardReports()).map(({ guardId, enforcedSeq }) => [guardId, enforcedSeq]),
    ).toEqual([
      ['g-1', 3],
      ['g-2', 3],
    ])
  })

  test('a sign of life changes only when a guard was heard, and names the guards that are known', async () => {
    const b = await open()
    const { epoch } = await b.store.head()
    await revokeSome(b, 2)
    const sign = (guardId: string, reportedAtMs: number, ofEpoch = epoch) => ({
      clientId: 'sydney',
      guardId,
      epoch: ofEpoch,
      reportedAtMs,
    })
    await b.store.recordEnforced({ ...sign('g-1', 1_000), enforcedSeq: 2, version: '1.0.0' })
    expect(await b.store.hearGuards([sign('g-1', 2_000), sign('g-2', 2_000)])).toMatchObject([
      { clientId: 'sydney', guardId: 'g-1' },
    ])
    await b.store.hearGuards([sign('g-1', 1_500)])
    expect(await b.store.guardReports()).toMatchObject([
      { guardId: 'g-1', enforcedSeq: 2, version: '1.0.0', reportedAtMs: 2_000 },
    ])
    expect(await b.store.hearGuards([sign('g-1', 3_000, 'former')])).toEqual([])
  })

  test('of many reports at once each counts, with the revocations that it reached', async () => {
    const b = await open()
    const { epoch } = await b.store.head()
    const report = (guardId: string, enforcedSeq: number, reportedAtMs: number) => ({
      clientId: 'sydney',
      guardId,
      epoch,
      enforcedSeq,
      reportedAtMs,
    })
    await b.store.recordEnforced(report('g-1', 0, 1), report('g-2', 0, 1), report('g-3', 0, 1))
    await revokeSome(b, 5)
    const startMs = b.now * 1000
    const { reached } = await b.store.recordEnforced(
      report('g-1', 2, startMs + 10),
      report('g-2', 3, startMs + 30),
      report('g-3', 1, startMs + 20),
    )
    expect(reached.map(({ seq, reportedAtMs }) => [seq, reportedAtMs - startMs])).toEqual([
      [1, 10],
      [2, 10],
      [1, 30],
      [2, 30],
      [3, 30],
      [1, 20],
    ])
  })

  test('of several reports of one guard that are recorded together, each counts after the one before', async () => {
    const b = await open()
    const { epoch } = await b.store.head()
    await revokeSome(b, 3)
    const report = (guardId: string, enforcedSeq: number, version: string) => ({
      clientId: 'sydney',
      guardId,
      epoch,
      enforcedSeq,
      version,
      reportedAtMs: b.now * 1000,
    })
    const { reached } = await b.store.recordEnforced(
      report('g-1', 1, 'a'),
      report('g-2', 2, 'a'),
      report('g-1', 3, 'b'),
      report('g-1', 2, 'c'),
    )
    expect(reached.map(({ seq }) => seq)).toEqual([2, 3])
    expect(
      (await b.store.guardReports()).map(({ guardId, enforcedSeq, version }) => [
        guardId,
        enforcedSeq,
        version,
      ]),
    ).toEqual([
      ['g-1', 3, 'c'],
      ['g-2', 2, 'a'],
    ])
  })

  test('for each guard the store knows its latest report, and when its lease last ran out', async () => {
    const b = await open()
    const { epoch } = await b.store.head()
    const report = (enforcedSeq: number, reportedAtMs: number, more: Partial<GuardReport> = {}) =>
      b.store.recordEnforced({
        clientId: 'sydney',
        guardId: 'g-1',
        epoch,
        enforcedSeq,
        reportedAtMs,
        ...more,
      })
    await revokeSome(b, 3)
    await report(2, 5000, {
      version: '0.1.0',
      withoutLease: 'introspect',
      leasesRunOut: 3,
      clockOffsetSeconds: -7,
    })
    expect(await b.store.guardReports()).toMatchObject([
      {
        enforcedSeq: 2,
        reportedAtMs: 5000,
        version: '0.1.0',
        withoutLease: 'introspect',
        leasesRunOut: 3,
        leaseRanOutAtMs: 5000,
        clockOffsetSeconds: -7,
      },
    ])
    const again = await report(3, 7000, { leasesRunOut: 3 })
    expect(again.ranOut).toEqual([])
    // The guard was restarted, and its lease has run out once since.
    const anew = await report(3, 8000, { leasesRunOut: 1 })
    expect(anew.ranOut).toEqual([{ clientId: 'sydney', times: 1 }])
    await report(3, 9000)
    const [latest] = await b.store.guardReports()
    expect(latest).toMatchObject({ enforcedSeq: 3, reportedAtMs: 9000 })
    expect(latest?.leaseRanOutAtMs).toBe(8000)
    expect([latest?.version, latest?.withoutLease, latest?.clockOffsetSeconds]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })

  test('a report of another epoch counts for nothing', async () => {
    const b = await open()
    await revokeSome(b, 2)
    const report = {
      clientId: 'sydney',
      guardId: 'g-1',
      epoch: 'another',
      enforcedSeq: 2,
      reportedAtMs: 0,
    }
    expect(await b.store.recordEnforced(report)).toEqual({ reached: [], ranOut: [] })
    expect(await b.store.guardReports()).toEqual([])
  })

  test('of a client’s guards the latest thousand are kept, of another’s all', async () => {
    const b = await open()
    const { epoch } = await b.store.head()
    const report = (clientId: string, n: number) =>
      b.store.recordEnforced({
        clientId,
        guardId: `g-${n}`,
        epoch,
        enforcedSeq: 0,
        reportedAtMs: b.now * 1000 + n,
      })
    await report('perth', 0)
    // Two new guards that report at once may each leave one row too many, which the next one
    // deletes.
    await Promise.all(Array.from({ length: 1002 }, (_, n) => report('sydney', n)))
    await report('sydney', 1002)
    const kept = await b.store.guardReports()
    expect(kept.filter(({ clientId }) => clientId === 'perth')).toHaveLength(1)
    const names = kept.filter(({ clientId }) => clientId === 'sydney').map(({ guardId }) => guardId)
    expect(names).toHaveLength(1000)
    expect(names).toContain('g-1002')
    expect(names).not.toContain('g-2')
  })

  test('the first report after a long absence covers the last hundred revocations at most', async () => {
    const b = await open()
    const { epoch } = await b.store.head()
    const report = (enforcedSeq: number) =>
      b.store.recordEnforced({
        clientId: 'sydney',
        guardId: 'g',
        epoch,
        enforcedSeq,
        reportedAtMs: 0,
      })
    await report(0)
    await Promise.all(Array.from({ length: 130 }, () => b.revoke({ kind: 'everything' })))
    const { reached } = await report(130)
    expect(reached).toHaveLength(100)
    expect([reached[0]?.seq, reached.at(-1)?.seq]).toEqual([31, 130])
  })
})

describe.each(STORES.slice(0, 1))('statements of one act, on %s', (_name, make) => {
  const open = benches(make)

  test('the reports of fifty guards that came the same way run as many statements as those of two', async () => {
    const b = await open()
    const { epoch } = await b.store.head()
    const reports = (of: string, guards: number, enforcedSeq: number) =>
      Array.from({ length: guards }, (_, n) => ({
        clientId: of,
        guardId: `g-${n}`,
        epoch,
        enforcedSeq,
        reportedAtMs: b.now * 1000,
      }))
    await b.store.recordEnforced(...reports('sydney', 50, 0), ...reports('perth', 2, 0))
    await revokeSome(b, 3)
    const of = (...all: GuardReport[]) => statementsOf(() => b.store.recordEnforced(...all))
    expect(await of(...reports('sydney', 50, 3))).toBe(await of(...reports('perth', 2, 3)))
  })
})
