import { Hono } from 'hono'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import type { AdminEnv } from './caller.ts'
import { guid, ok, route } from './route.ts'
import { redriveWorkAs } from '../acts/microsoft-work.ts'

/** Requests to Microsoft Graph that failed for a day: lists them, and retries them when an operator asks. It ends no session by itself. */

const redriving = z.union(
  [z.strictObject({ tid: guid('a tenant id') }), z.strictObject({ all: z.literal(true) })],
  'name exactly one of tid, or all: true',
)
const about = {
  id: 'redriveMicrosoftWork',
  summary: 'Retries requests to Microsoft that failed for a day: of one tenant, or all',
  may: 'operate' as const,
  body: redriving,
  answers: { 200: ok('How many.', z.object({ redriven: z.int() })) },
}

export function microsoftWorkRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  route(routes, 'post', '/microsoft-work/redrive', about, async ({ caller, body }, c) =>
    c.json({ redriven: await redriveWorkAs(deps, caller, 'tid' in body ? body.tid : undefined) }),
  )
  return routes
}
