import { describe, expect, test } from 'vitest'
import { Breaker, PROBE_MS } from '../../src/outbox/lane.ts'

const failing = (times: number, nowMs = 0): Breaker => {
  const breaker = new Breaker()
  for (let i = 0; i < times; i++) breaker.failed(nowMs, undefined)
  return breaker
}

describe('the breaker of a target', () => {
  test('opens at the third failure in a row, and says so once', () => {
    const breaker = new Breaker()
    expect([1, 2, 3, 4].map(() => breaker.failed(0, undefined))).toEqual([
      false,
      false,
      true,
      false,
    ])
    expect(breaker.open).toBe(true)
  })

  test('a success between failures keeps it closed, and releases nothing: a delivery that fails among others keeps its schedule', () => {
    const breaker = new Breaker()
    breaker.succeeded()
    for (let i = 0; i < 2; i++) breaker.failed(0, undefined)
    expect(breaker.succeeded()).toBe(false)
    breaker.failed(0, undefined)
    expect(breaker.state).toBe('failing')
    expect(breaker.open).toBe(false)
  })

  test('the first success closes it, and tells that what waits may go; the next tells nothing', () => {
    const breaker = failing(50)
    expect(breaker.succeeded()).toBe(true)
    expect(breaker.state).toBe('closed')
    expect(breaker.succeeded()).toBe(false)
  })

  test('not called since the start it is suspect: deliveries from before may be waiting for its return', () => {
    const breaker = new Breaker()
    expect(breaker.state).toBe('unknown')
    expect(breaker.suspect).toBe(true)
    breaker.succeeded()
    expect(breaker.suspect).toBe(false)
  })

  test('is probed every few seconds for as long as it takes: twice within 6 s, however long it has been down', () => {
    const breaker = failing(10_000)
    let probes = 0
    for (let nowMs = 0; nowMs < 6_000; nowMs += 50) {
      if (!breaker.mayProbe(nowMs, 0.999)) continue
      probes++
      breaker.called(nowMs)
    }
    expect(probes).toBeGreaterThanOrEqual(2)
    expect(PROBE_MS * 1.1).toBeLessThan(5_000 - 2_000)
  })

  test('a new delivery may be the probe, but not one of a burst each', () => {
    const breaker = failing(3)
    breaker.called(1_000)
    expect(breaker.mayTryFresh(1_100)).toBe(false)
    expect(breaker.mayTryFresh(1_600)).toBe(true)
  })

  test('Retry-After keeps probes away, for a minute at most: it may be back before', () => {
    const breaker = new Breaker()
    breaker.failed(0, 20)
    expect(breaker.mayProbe(19_000, 0)).toBe(false)
    expect(breaker.mayProbe(21_000, 0)).toBe(true)
    breaker.failed(21_000, 86_400)
    expect(breaker.mayProbe(80_000, 0)).toBe(false)
    expect(breaker.mayProbe(82_000, 0)).toBe(true)
  })
})
