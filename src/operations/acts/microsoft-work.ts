import type { Deps } from '../deps.ts'
import type { Caller } from '../../clients/caller.ts'
import { withAudit } from '../../clients/with-audit.ts'

/** Retries of failed work at Microsoft Graph. */

/** The most rows that one answer or page shows. */
export const MOST_SHOWN = 100

/**
 * Retries failed requests to Microsoft, of all tenants or of one, recorded; for every interface.
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
    async () => {
      const count = await deps.store.redriveMicrosoftWork({ tid, nowMs: deps.clock.nowMs() })
      deps.log.info('microsoft_work_redriven', {
        tid,
        count,
        actorKind: caller.actor.kind,
        actor: caller.actor.id,
      })
      return count
    },
    (redriven) => ({ redriven }),
  )
}
