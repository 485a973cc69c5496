// The clocks and timers of a Node guard for the kit's message `clock`.
import { uptime } from 'node:os'

/** The clocks and timers of the guard. `move` lets them go on at once. */
export function movableClock() {
  const ahead = { wall_ms: 0, monotonic_ms: 0, elapsed_ms: 0 }
  const timers = new Set()
  const monotonicMs = () => performance.now() + ahead.monotonic_ms
  const arm = (timer) => {
    clearTimeout(timer.armed)
    timer.armed = setTimeout(
      () => {
        timers.delete(timer)
        timer.run()
      },
      Math.max(0, timer.atMs - monotonicMs()),
    )
  }
  return {
    nowMs: () => Date.now() + ahead.wall_ms,
    monotonicMs,
    // The machine's own clock that counts suspension, as the guard uses it on Linux.
    elapsedMs: () => Math.round(uptime() * 1000) + ahead.elapsed_ms,
    after(ms, run) {
      const timer = { atMs: monotonicMs() + ms, run }
      timers.add(timer)
      arm(timer)
      return () => {
        timers.delete(timer)
        clearTimeout(timer.armed)
      }
    },
    move(by) {
      for (const name of Object.keys(ahead)) ahead[name] += by[name]
      for (const timer of timers) arm(timer)
    },
  }
}
