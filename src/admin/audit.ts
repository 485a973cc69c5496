import { Hono } from 'hono'
import { z } from 'zod'
import { auditEntryShown, auditLines, JSON_LINES } from '../acts/audit.ts'
import type { Deps } from '../deps.ts'
import { limit, query } from './body.ts'
import { callerOf, type AdminEnv } from './caller.ts'

/** What operators did: newest first, or, to export it whole, rising from `after` on; as JSON lines where those are asked for. It can be read and not written. */

const id = z.coerce.number().int().min(0).optional()
const words = z.string().min(1).max(200).optional()
const listing = z.object({ before: id, after: id, actor: words, act: words, target: words, case_reference: words, limit })

export function auditRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  routes.get('/audit', async (c) => {
    callerOf(c, 'operate')
    const { actor: actorId, case_reference: caseReference, ...rest } = query(c, listing)
    if (c.req.header('accept')?.includes(JSON_LINES) === true) return auditLines(deps, { ...rest, actorId, caseReference })
    return c.json({ entries: (await deps.store.listAudit({ ...rest, actorId, caseReference })).map(auditEntryShown) })
  })
  return routes
}
