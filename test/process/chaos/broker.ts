import { uptime } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { resolveQuickly } from '../../../broker-dev/src/resolve-quickly.ts'
import type { SteadyClock } from '../../../src/runtime/clock.ts'
import { DIST, type ClockMessage } from './clock.ts'

/**
 * The built broker with a wall clock that the run sets, as an operator or NTP sets a machine's: by
 * message, and by CHAOS_CLOCK_MS at its start. The monotonic time goes on, as on a machine, and
 * starts with the wall clock's time at the start.
 */
resolveQuickly(pathToFileURL(`${DIST}/`).href)
const { serve } = (await import(
  pathToFileURL(join(DIST, 'src/main.js')).href
)) as typeof import('../../../src/main.ts')

let aheadMs = Number(process.env.CHAOS_CLOCK_MS ?? 0)
const beganMs = performance.timeOrigin + aheadMs
process.on('message', (message: ClockMessage) => {
  aheadMs = message.clockMs
  process.send?.(message)
})
const nowMs = (): number => Date.now() + aheadMs
const clock: SteadyClock = {
  nowMs,
  now: () => Math.floor(nowMs() / 1000),
  steadyMs: () => Math.floor(beganMs + performance.now()),
  elapsedMs: () => uptime() * 1000,
}

process.exit(await serve(process.env, { clock }))
