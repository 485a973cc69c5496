import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Run } from './floor-run.ts'
import { step } from './floor-steps.ts'

/**
 * An ended session stays ended in Microsoft's own time: browsers of one user come and go in any
 * order, the broker's clock is off, and some browsers are a thief's.
 */

const rules = fc.record({
  most: fc.constantFrom(undefined, 1),
  maxAuthenticationSeconds: fc.constantFrom(undefined, 3600),
})
const steps = fc.array(step, { minLength: 20, maxLength: 60, size: 'max' })

test('no sequence of sign-ins, remote ends, locks, expiry, restarts and clocks opens a session by a visit or a password from before the latest end, nor lets what is locked live', async () => {
  const prepared = await Run.prepare()
  const seen = { opened: 0, used: 0, kept: 0 }
  const property = fc.asyncProperty(rules, steps, async (limits, all) => {
    const closing: (() => Promise<void>)[] = []
    try {
      const run = await Run.begin(prepared, limits, (close) => closing.unshift(close))
      for (const taken of all) await run.take(taken)
      for (const name of ['opened', 'used', 'kept'] as const) seen[name] += run.seen[name]
    } finally {
      for (const close of closing) await close()
    }
  })
  const seed = Number(process.env.FLOOR_SEED) || 20_261_127
  await fc.assert(property, {
    numRuns: Number(process.env.FLOOR_RUNS) || 20,
    seed,
    interruptAfterTimeLimit: 150_000,
  })
  // Sessions after a remote end, grants in use, and sign-ins that a lock kept out.
  expect(seen.opened).toBeGreaterThan(5)
  expect(seen.used).toBeGreaterThan(5)
  expect(seen.kept).toBeGreaterThan(5)
}, 180_000)
