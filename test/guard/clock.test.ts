import { describe, expect, test } from 'vitest'
import { completeClock, type GuardClock, type GuardOptions, type Logout } from '@case-manager/guard'
import { elapsed, WALL_STEP_MS } from '../../src/runtime/clock.ts'
import { eventually, logoutRequest, startBroker, startGuard, TestClock, why } from './stand-in.ts'

/** A guard whose machine's clock is `aheadSeconds` ahead of the broker's. */
async function skewed(aheadSeconds: number, options: Partial<GuardOptions> = {}) {
  const clock = new TestClock('turned')
  const broker = await startBroker(clock)
  broker.aheadSeconds = -aheadSeconds
  const problems: string[] = []
  const ended: Logout[] = []
  const guard = await startGuard(broker, {
    hooks: { problem: ({ message }) => problems.push(message) },
    onLogout: (logout) => void ended.push(logout),
    ...options,
  })
  return { broker, clock, ended, guard, problems }
}

describe('a guard whose clock is wrong', () => {
  test.each([
    [0, 0],
    [1, 0],
    [-1, 0],
    [6, -6],
    [-600, 600],
  ])('%i s ahead: status() says how far the broker’s is from it (%i)', async (ahead, offset) => {
    const { guard } = await skewed(ahead)
    expect(guard.status().clockOffsetSeconds).toBe(offset)
  })

  test.each([600, -600])('by %i s: it loses no logout token', async (ahead) => {
    const { broker, ended, guard } = await skewed(ahead)
    expect(
      (await guard.receiveLogout(logoutRequest(await broker.logoutToken({ jti: 'j' })))).status,
    ).toBe(200)
    expect(ended).toEqual([{ sid: 's_1', rev: 100, jti: 'j' }])
  })

  test.each([6, 60, 3600])(
    '%i s behind: tokens are valid, and expire by the broker’s clock',
    async (behind) => {
      const { broker, clock, guard } = await skewed(-behind)
      const token = await broker.token()
      expect(await why(guard, token)).toBe('good')
      // The feed sends heartbeats in the meantime.
      for (let passed = 0; passed < 300; passed += 10) {
        clock.advance(10)
        broker.heartbeat()
        await eventually(() => expect(guard.status().leaseMs).toBeGreaterThan(29_000))
      }
      clock.advance(6)
      expect(await why(guard, token)).toBe('expired')
    },
  )

  test('a little ahead: a token that seems expired is refreshed (401); far ahead refreshing would never end: 503', async () => {
    const little = await skewed(100)
    const old = await little.broker.token({
      iat: little.broker.now - 250,
      exp: little.broker.now + 50,
    })
    expect(await little.guard.check(old)).toMatchObject({ status: 401, why: 'expired' })
    expect(await why(little.guard, await little.broker.token())).toBe('good')
    const far = await skewed(600)
    expect(await far.guard.check(await far.broker.token())).toMatchObject({
      status: 503,
      why: 'clock',
      description:
        "This machine's clock is 600 s ahead of the broker's: a new token would seem expired too. Set the clock.",
    })
  })

  test('is warned of once, and again when it has parted further', async () => {
    const { broker, clock, guard, problems } = await skewed(-60)
    const warned = () => problems.filter((problem) => problem.startsWith("This machine's clock"))
    expect(warned()).toEqual([
      "This machine's clock is 60 s behind the broker's. Set it: the broker's clock decides meanwhile.",
    ])
    await eventually(() => expect(guard.status().reportedSeq).toBe(100))
    broker.revoke({ kind: 'session', sid: 's_9' })
    await eventually(() => expect(guard.status().enforcedSeq).toBe(101))
    clock.advance(1.1)
    await eventually(() => expect(guard.status().reportedSeq).toBe(101))
    expect(warned()).toHaveLength(1)
    broker.aheadSeconds = 90
    broker.revoke({ kind: 'session', sid: 's_9' })
    await eventually(() => {
      clock.advance(1.1)
      expect(guard.status().reportedSeq).toBe(102)
    })
    expect(warned()).toHaveLength(2)
  })

  test('that is set while it runs: what was measured is forgotten, until the broker is next heard', async () => {
    const { broker, clock, guard } = await skewed(-600)
    clock.set(600)
    broker.aheadSeconds = 0
    expect(guard.status().clockOffsetSeconds).toBeUndefined()
    await eventually(async () => {
      broker.heartbeat()
      expect(await why(guard, await broker.token())).toBe('good')
    })
    broker.cut()
    await eventually(() => {
      clock.advance(0.2)
      expect(guard.status().clockOffsetSeconds).toBe(0)
    })
  })
})

describe('a wall clock that is set, where another clock counts suspension', () => {
  test.each([3600, -3600])('by %i s: what was measured is corrected at once', async (seconds) => {
    const clock = new TestClock('turned')
    const counting = Object.assign(clock, { elapsedMs: () => clock.monotonicMs() })
    const broker = await startBroker(clock)
    const guard = await startGuard(broker, { clock: counting })
    const token = await broker.token()
    clock.set(seconds)
    broker.aheadSeconds = -seconds
    expect(guard.status().clockOffsetSeconds).toBe(-seconds)
    // With 401 the client would refresh without end.
    expect(await guard.check(token)).toMatchObject(
      seconds > 0 ? { ok: false, status: 503, why: 'clock' } : { ok: true },
    )
  })
})

const CLOCKS: [whose: string, of: (clock: GuardClock) => () => number][] = [
  ['a guard', (clock) => completeClock(clock).elapsedMs],
  [
    'a broker',
    (clock) =>
      elapsed(
        () => clock.nowMs(),
        WALL_STEP_MS,
        () => clock.monotonicMs?.() ?? clock.nowMs(),
      ),
  ],
]

describe.each(CLOCKS)('the clock of %s that is summed from reading to reading', (_, elapsedOf) => {
  const summing = (): [TestClock, () => number] => {
    const clock = new TestClock()
    return [clock, elapsedOf(clock)]
  }

  test('counts what the machine slept, and not that its clock was set back', () => {
    const [clock, sum] = summing()
    clock.advance(1)
    expect(sum()).toBe(1000)
    clock.set(60)
    expect(sum()).toBe(61_000)
    clock.set(-3600)
    expect(sum()).toBe(61_000)
    clock.advance(1)
    expect(sum()).toBe(62_000)
  })

  test.each(['goes back by 5 s', 'stands still'])(
    'goes on by the monotonic clock where the wall clock %s',
    (fault) => {
      const [clock, sum] = summing()
      clock.advance(10)
      const before = sum()
      for (let n = 0; n < 1000; n++) {
        clock.advance(0.01)
        clock.set(fault === 'stands still' ? -0.01 : n === 500 ? -5 : 0)
        sum()
      }
      expect(Math.abs(sum() - before - 10_000)).toBeLessThanOrEqual(2)
      clock.set(60)
      expect(Math.abs(sum() - before - 70_000)).toBeLessThanOrEqual(2)
    },
  )

  test('does not gain by the rounding of the wall clock, however often it is read', () => {
    let ms = 0
    const rounded = { nowMs: () => Math.round(ms), monotonicMs: () => ms }
    const sum = elapsedOf(rounded)
    for (let n = 0; n < 10_000; n++) {
      ms += 0.1
      sum()
    }
    expect(Math.abs(sum() - 1000)).toBeLessThan(1)
  })
})
