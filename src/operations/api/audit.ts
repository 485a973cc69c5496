import { Hono } from 'hono'
import { z } from 'zod'
import { auditEntryShown, auditLines, JSON_LINES, linesResponse } from '../acts/audit.ts'
import { auditEvidence, auditRange } from '../acts/evidence.ts'
import { Problem } from '../../clients/problem.ts'
import { MOST_ENTRIES } from '../acts/searched.ts'
import type { Deps } from '../deps.ts'
import { milliseconds } from '../../protocol/described.ts'
import type { AdminEnv } from './caller.ts'
import { entryNumber, instantMs, limit, route, searchedTo, shape } from './route.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** What operators did: newest first, or, to export it whole, rising from `after` on; as JSON lines where those are asked for. It can be read and not written. */

const filter = storedText().min(1).max(200).optional()
const listing = z.strictObject({
  before: entryNumber.optional(),
  after: entryNumber.optional(),
  actor: filter,
  act: filter,
  target: filter,
  case_reference: filter,
  since_ms: instantMs.optional(),
  until_ms: instantMs.optional().meta({ description: 'not included' }),
  limit,
})

export const actorSchema = shape('Actor', { kind: z.string(), id: z.string() })
const values = z.record(z.string(), z.unknown())
const entry = shape('AuditEntry', {
  id: z.int(),
  at_ms: milliseconds,
  actor: actorSchema,
  via: z.enum(['console', 'api', 'command', 'setup', 'file', 'account', 'broker']),
  act: z.string().meta({ description: 'revoke, redrive, client.add, key.rotate …' }),
  target: z.string().optional(),
  case_reference: z.string().nullable(),
  comment: z.string().optional(),
  details: values,
  ended: z.object({ outcome: z.enum(['done', 'rejected', 'failed']), at_ms: milliseconds, result: values }).nullable(),
})
const entries = z.object({
  entries: z.array(entry),
  next: z.int().nullable().meta({ description: 'before (or, rising, after) of the next page' }),
  searched_to: searchedTo({ id: z.int(), at_ms: milliseconds }),
})

const EVIDENCE = {
  id: 'readAuditEvidence',
  summary: 'Exports signed evidence of a range of the audit log, one JSON object a line; cmb evidence verify checks it without the broker',
  may: 'operate' as const,
  query: z.strictObject({
    from_id: entryNumber.optional().meta({ description: 'the first entry' }),
    to_id: entryNumber.optional().meta({ description: 'the last entry' }),
    since_ms: instantMs.optional(),
    until_ms: instantMs.optional().meta({ description: 'not included' }),
  }),
  answers: { 200: ['The lines; the last signs the others.', { [JSON_LINES]: z.string() }] as const },
  rejects: [404] as const,
}

export function auditRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  const about = {
    id: 'readAudit',
    summary: 'Lists the audit log, newest first, or rising with `after`; with Accept: application/jsonl streams all of it, oldest first',
    may: 'operate' as const,
    query: listing,
    answers: {
      200: ['The entries.', { 'application/json': entries, [JSON_LINES]: z.string().meta({ description: 'one AuditEntry a line' }) }] as const,
    },
  }
  route(routes, 'get', '/audit', about, async ({ query }, c) => {
    const { actor: actorId, case_reference: caseReference, since_ms: sinceMs, until_ms: untilMs, ...rest } = query
    const wanted = { ...rest, actorId, caseReference, sinceMs, untilMs }
    if (c.req.header('accept')?.includes(JSON_LINES) === true) return auditLines(deps, wanted)
    const { found, searchedTo: to } = await deps.store.pageOfAudit({ ...wanted, most: MOST_ENTRIES })
    const last = found.length < rest.limit ? to : found.at(-1)
    return c.json({
      entries: found.map(auditEntryShown),
      next: last?.id ?? null,
      searched_to: to === undefined ? null : { id: to.id, at_ms: to.atMs },
    })
  })
  route(routes, 'get', '/audit/evidence', EVIDENCE, async ({ query: { from_id: fromId, to_id: toId, since_ms: sinceMs, until_ms: untilMs } }) => {
    const range = await auditRange(deps, { fromId, toId, sinceMs, untilMs })
    if (range === undefined)
      throw new Problem(404, 'No such entries', 'The audit log has no entry in that range; GET /admin/v1/audit (cmb audit) lists those it has.')
    return linesResponse(auditEvidence(deps, range))
  })
  return routes
}
