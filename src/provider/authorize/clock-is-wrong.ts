import type { Context } from 'hono'
import type { Deps } from '../deps.ts'
import { CLOCK_RETRY_SECONDS } from '../../runtime/clock-watch.ts'
import { guidancePage } from './pages.tsx'
import type { Errand } from './sealed.ts'

/**
 * The answer in place of a session, while the broker's clock is wrong: it would get wrong times, and a fresh sign-in might look old. The caller
 * consumes nothing before, so that the same request works once the clocks agree.
 */
export function clockIsWrong(deps: Deps, c: Context, errand: Errand, now: number): Response {
  deps.metrics.signIns.inc({ outcome: 'clock_wrong' })
  return guidancePage(deps, c, { key: 'clock_wrong', errand, now, retryAfterSeconds: CLOCK_RETRY_SECONDS })
}
