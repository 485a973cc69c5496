import { expect, test } from 'vitest'
import { totalsInWords } from '../../src/operations/acts/totals.ts'

const NONE = { pending: 0, delivered: 0, rejected: 0, failed: 0, superseded: 0, closed: 0 }

test.each([
  ['complete', { delivered: 5504, failed: 2 }, '5,504 of 5,506 delivered, 2 failed'],
  [
    'pending',
    { delivered: 40, pending: 60 },
    '40 of 100 delivered, 60 pending so far; more deliveries are being written',
  ],
  ['pending', {}, 'none written yet; more deliveries are being written'],
  ['complete', {}, 'none'],
  [
    'complete',
    { delivered: 1, rejected: 1, superseded: 1, closed: 1 },
    '1 of 4 delivered, 1 rejected, 1 superseded, 1 closed',
  ],
] as const)('the totals of a revocation in words: %s %j', (fanOut, counts, words) => {
  expect(totalsInWords({ ...NONE, ...counts }, fanOut)).toBe(words)
})
