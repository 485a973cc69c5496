import { Hono } from 'hono'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { jsonBody, shaped } from './body.ts'
import { callerOf, type AdminEnv } from './caller.ts'
import { redriveWorkAs } from '../acts/microsoft-work.ts'

/** What was to be asked of Microsoft Graph and was given up after a day: shown, and tried again where somebody says so. It ends nothing here by itself. */

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
