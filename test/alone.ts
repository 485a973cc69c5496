import { afterAll, expect } from 'vitest'
import './quick-resolver.ts'

/**
 * Test files share their worker's modules (vitest.config.ts, `isolate: false`), so each file must
 * leave what all of them share as it was: the environment, the working directory, the clock and
 * other global functions, and the signals that this process listens for.
 */

const shared = () => ({
  environment: { ...process.env },
  directory: process.cwd(),
  globals: [Date, Date.now, setTimeout, setInterval, fetch, Math.random],
  signals: ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect', 'uncaughtException'].map((name) => [
    name,
    process.listenerCount(name),
  ]),
})

// The directory in memory that test/scratch.ts made.
if (process.env.BROKER_TEST_SCRATCH !== undefined)
  process.env.TMPDIR = process.env.BROKER_TEST_SCRATCH

const before = shared()
afterAll(() => {
  expect(
    shared(),
    'This file leaves something behind that the next test file of this worker meets.',
  ).toEqual(before)
})
