import { Hono } from 'hono'
import { z } from 'zod'
import type { AuditEntry } from '../../db/types.ts'
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
    return c.json({ entries: (await deps.store.listAudit({ ...rest, actorId, caseReference })).map(shown) })
  })
  return routes
}

const JSON_LINES = 'application/jsonl'
const PAGE = 500

/** All that fits, oldest first, a line each: read page by page as fast as it is taken, so that its size does not matter. */
export function auditLines(deps: Pick<Deps, 'store'>, filter: Omit<Parameters<Deps['store']['listAudit']>[0], 'limit' | 'before'>): Response {
  let after = filter.after ?? 0
  const body = new ReadableStream<Uint8Array>({
    async pull(out) {
      const entries = await deps.store.listAudit({ ...filter, after, limit: PAGE })
      after = entries.at(-1)?.id ?? after
      if (entries.length > 0) out.enqueue(new TextEncoder().encode(entries.map((entry) => `${JSON.stringify(shown(entry))}\n`).join('')))
      if (entries.length < PAGE) out.close()
    },
  })
  const headers = { 'Content-Type': JSON_LINES, 'Cache-Control': 'no-store', 'Content-Disposition': 'attachment; filename="broker-audit.jsonl"' }
  return new Response(body, { headers: { ...headers, 'X-Content-Type-Options': 'nosniff' } })
}

function shown({ atMs, caseReference, ended, ...entry }: AuditEntry): Record<string, unknown> {
  return {
    ...entry,
    at_ms: atMs,
    case_reference: caseReference ?? null,
    ended: ended === undefined ? null : { outcome: ended.outcome, at_ms: ended.atMs, result: ended.result },
  }
}
