import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TokenBuckets } from '../../src/runtime/rate-limits.ts'

describe('a token bucket', () => {
  const steps = fc.array(fc.integer({ min: -5_000, max: 20_000 }), { minLength: 1, maxLength: 300 })

  test('gives no more than the burst and the rate allow between any two moments', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 20 }),
        steps,
        (perSecond, burst, advances) => {
          const buckets = new TokenBuckets({ perSecond, burst })
          const taken: number[] = []
          let nowMs = 0
          for (const advance of advances) {
            nowMs += Math.max(0, advance)
            if (buckets.take('a', nowMs).outcome === 'taken') taken.push(nowMs)
          }
          for (const [index, from] of taken.entries())
            for (const [further, until] of taken.slice(index).entries())
              expect(further + 1).toBeLessThanOrEqual(
                burst + ((until - from) / 1000) * perSecond + 1e-6,
              )
        },
      ),
    )
  })

  test('is never empty for longer than it takes to fill, whichever way the clock is set', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 20 }),
        steps,
        (perSecond, burst, advances) => {
          const buckets = new TokenBuckets({ perSecond, burst })
          let nowMs = 1_000_000
          for (const advance of advances) {
            nowMs += advance
            const taken = buckets.take('a', nowMs)
            if (taken.outcome === 'empty')
              expect(taken.retryAfterSeconds).toBeLessThanOrEqual(Math.ceil(burst / perSecond) + 1)
          }
          expect(buckets.take('a', nowMs + (burst / perSecond) * 1000).outcome).toBe('taken')
        },
      ),
    )
  })

  test('of one key says nothing about another, and only the latest keys are remembered', () => {
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1 }, 100)
    for (let key = 0; key < 1_000; key++) expect(buckets.take(String(key), 0).outcome).toBe('taken')
    expect(buckets.size).toBe(100)
    expect(buckets.take('999', 0)).toEqual({ outcome: 'empty', retryAfterSeconds: 1, first: true })
    expect(buckets.take('999', 0)).toMatchObject({ first: false })
  })
})
