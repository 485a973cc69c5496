import type { SteadyClock } from './clock.ts'

/** The one place that reads the machine's clock; everything else is handed a `Clock`. */
export const systemClock: SteadyClock = {
  now: () => Math.floor(Date.now() / 1000),
  nowMs: () => Date.now(),
  steadyMs: () => Math.floor(performance.timeOrigin + performance.now()),
}
