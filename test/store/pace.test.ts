import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { pacing } from '../../db/engine/pace.ts'

function hold(ms: number): void {
  const begunMs = performance.now()
  while (performance.now() - begunMs < ms);
}

test('the page after one that held the loop for long is smaller, and never smaller than 2 rows', async () => {
  const pace = pacing({ most: 100 })
  const first = pace.rows
  expect(first).toBeLessThanOrEqual(4)
  hold(6)
  await pace.rest()
  expect(pace.rows).toBeLessThanOrEqual(first / 2)
  hold(50)
  await pace.rest()
  expect(pace.rows).toBe(2)
})

test('pages that hold the loop for less than a millisecond grow, to the most rows that are allowed', async () => {
  const pace = pacing({ most: 100 })
  hold(50)
  for (await pace.rest(); pace.rows < 100;) await pace.rest()
  expect(pace.rows).toBe(100)
})

test('the pause is as long as the page took, and no longer than it may be', async () => {
  // Timers fire in the order of their times, however busy the machine is.
  const first = async (heldMs: number, timerMs: number): Promise<string> => {
    const pace = pacing({ most: 10, mostPauseMs: 20 })
    hold(heldMs)
    const paused = pace.rest().then(() => 'pause')
    return Promise.race([paused, sleep(timerMs, 'timer')])
  }
  expect(await first(10, 5)).toBe('timer')
  expect(await first(100, 90)).toBe('pause')
})
