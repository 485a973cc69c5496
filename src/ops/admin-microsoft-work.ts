import { Hono } from 'hono'
import { z } from 'zod'
import type { OwedMicrosoftWork } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { jsonBody, shaped } from './body.ts'
import { callerOf, type AdminEnv, type Caller } from './caller.ts'
import { recorded } from './recorded.ts'

/** What was to be asked of Microsoft Graph and was given up after a day: shown, and tried again where somebody says so. It ends nothing here by itself. */

/** More than anybody reads. */
export const MOST_SHOWN = 100

const redriving = z
  .strictObject({ tid: z.guid('has to be a tenant id (a GUID)').toLowerCase().optional(), all: z.literal(true).optional() })
  .refine((wanted) => Object.keys(wanted).length === 1, 'name exactly one of tid, or all: true')

export function microsoftWorkRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  routes.post('/microsoft-work/redrive', async (c) => {
    const caller = callerOf(c, 'operate')
    const { tid } = shaped(redriving, await jsonBody(c))
    return c.json({ redriven: await redriveWorkAs(deps, caller, tid) })
  })
  return routes
}

/** All that was given up, or that of one tenant, tried again, recorded; by whatever way the caller came. @returns how many */
export function redriveWorkAs(deps: Pick<Deps, 'store' | 'clock' | 'log'>, caller: Caller, tid: string | undefined): Promise<number> {
  return recorded(
    deps,
    caller,
    { act: 'microsoft.redrive', target: tid === undefined ? 'all' : `tenant ${tid}` },
    async () => {
      const count = await deps.store.redriveMicrosoftWork({ tid, nowMs: deps.clock.nowMs() })
      deps.log.info('microsoft_work_redriven', { tid, count, actorKind: caller.actor.kind, actor: caller.actor.id })
      return count
    },
    (redriven) => ({ redriven }),
  )
}

export const workShown = (work: OwedMicrosoftWork): Record<string, unknown> => ({
  kind: work.kind,
  tid: work.tid,
  oid: work.oid,
  attempts_made: work.attempts,
  asked_at_ms: work.askedAtMs,
  last_error: work.lastError ?? null,
})
