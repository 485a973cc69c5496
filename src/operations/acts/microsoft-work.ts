import type { Deps } from '../deps.ts'
import type { Caller } from '../../clients/caller.ts'
import { withAudit } from '../../clients/with-audit.ts'

/** Retries of failed work at Microsoft Graph. */

/** Upper bound of the rows of one answer or page. */
export const MOST_SHOWN = 100

/**
 * Retries failed requests to Microsoft, of one tenant or all, recorded in the audit log.
 * @returns how many
 */
export function redriveWorkAs(
  deps: Pick<Deps, 'store' | 'clock' | 'log'>,
  caller: Caller,
  tid: string | undefined,
): Promise<number> {
  return withAudit(
    deps,
    caller,
    { act: 'microsoft.redrive', target: tid === undefined ? 'all' : `tenant ${tid}` },
    () => deps.store.redriveMicrosoftWork({ tid, nowMs: deps.clock.nowMs() }),
    (redriven) => ({ redriven }),
  )
}
