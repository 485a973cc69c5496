import { describe, expect, test } from 'vitest'
import type { Entry, Guard, RevocationListener } from '@case-manager/guard'
import { eventually, startBroker, startGuard, TestClock, type Broker } from './stand-in.ts'

async function listening(listener: RevocationListener): Promise<{
  broker: Broker
  clock: TestClock
  guard: Guard
  problems: string[]
  /** Waits until the broker has a report of `seq`, and lets time pass meanwhile. */
  reported: (seq: number) => Promise<void>
}> {
  const clock = new TestClock('turned')
  const broker = await startBroker(clock)
  const problems: string[] = []
  const guard = await startGuard(broker, {
    hooks: { problem: (error) => problems.push(error.message) },
  })
  guard.onRevocation(listener)
  const reported = (seq: number): Promise<void> =>
    eventually(() => {
      clock.advance(1)
      broker.heartbeat()
      expect(broker.reports.at(-1)?.seq).toBe(seq)
    })
  await reported(100)
  return { broker, clock, guard, problems, reported }
}

/** Lets time pass in which a report would be sent. */
async function pass(clock: TestClock, broker: Broker): Promise<void> {
  for (let second = 0; second < 10; second++) {
    clock.advance(1)
    broker.heartbeat()
    await new Promise((done) => setImmediate(done))
  }
}

describe('a listener of revocations', () => {
  test('that throws is a problem, is called again, and withholds the report until it succeeds', async () => {
    const calls: number[] = []
    let works = false
    const { broker, clock, guard, problems, reported } = await listening(({ seq }) => {
      calls.push(seq)
      if (!works && seq === 102) throw new Error('the database is down')
    })
    for (const sid of ['s_1', 's_2', 's_3']) broker.revoke({ kind: 'session', sid })
    await reported(101)
    await pass(clock, broker)
    expect(guard.status().enforcedSeq).toBe(103)
    expect(Math.max(...broker.reports.map(({ seq }) => seq))).toBe(101)
    expect(problems.join('\n')).toMatch(/no report from seq 102 on/)
    expect(calls.filter((seq) => seq === 102).length).toBeGreaterThan(2)
    works = true
    await reported(103)
    const called = calls.length
    await pass(clock, broker)
    expect(calls).toHaveLength(called)
    expect(calls.filter((seq) => seq !== 102)).toEqual([101, 103])
  })

  test('whose promise rejects is treated the same, and no report is sent before it has resolved', async () => {
    const waiting: { entry: Entry; resolve: () => void; reject: (error: Error) => void }[] = []
    const { broker, clock, problems, reported } = await listening(
      (entry) =>
        new Promise<void>((resolve, reject) => void waiting.push({ entry, resolve, reject })),
    )
    broker.revoke({ kind: 'session', sid: 's_1' })
    await eventually(() => expect(waiting).toHaveLength(1))
    await pass(clock, broker)
    expect(broker.reports.at(-1)?.seq).toBe(100)
    waiting[0]?.reject(new Error('the database is down'))
    await eventually(() => {
      clock.advance(1)
      expect(waiting).toHaveLength(2)
    })
    expect(problems).toHaveLength(1)
    expect(broker.reports.at(-1)?.seq).toBe(100)
    waiting[1]?.resolve()
    await reported(101)
  })

  test('that fails is removed with its debts', async () => {
    let remove = (): void => {}
    const { broker, guard, problems, reported } = await listening(() => {})
    remove = guard.onRevocation(() => {
      throw new Error('it never works')
    })
    broker.revoke({ kind: 'session', sid: 's_1' })
    await eventually(() => expect(problems).toHaveLength(1))
    remove()
    await reported(101)
  })

  test('that fails withholds no report of another log', async () => {
    const { broker, clock, guard, reported } = await listening(({ seq }) => {
      if (seq > 100) throw new Error('it never works')
    })
    broker.revoke({ kind: 'session', sid: 's_1' })
    await eventually(() => expect(guard.status().enforcedSeq).toBe(101))
    broker.restore()
    clock.advance(1)
    await reported(40)
  })
})
