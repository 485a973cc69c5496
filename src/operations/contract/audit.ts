import { z } from 'zod'
import { Problem } from '../../clients/problem.ts'
import { milliseconds, text } from '../../protocol/described.ts'
import { auditLines, JSON_LINES, linesResponse } from '../acts/audit.ts'
import { auditRange, signedLines } from '../acts/evidence.ts'
import { withNames } from '../acts/names.ts'
import { idNamedBy, MOST_ENTRIES } from '../acts/search.ts'
import { entryNumber, idText, instantMs, limit, NAMED } from './fields.ts'
import { auditEntry } from './shapes.ts'
import { route, searchedTo } from './route.ts'

/**
 * The audit log, read-only: newest first, or in rising order after `after` for an export, also as
 * JSON lines.
 */

const filter = idText.optional()
const period = {
  since_ms: instantMs.optional(),
  until_ms: instantMs.optional().meta({ description: 'not included' }),
}
const entries = z.object({
  entries: z.array(auditEntry),
  next: z.int().nullable().meta({ description: 'before (or, rising, after) of the next page' }),
  searched_to: searchedTo({ id: z.int(), at_ms: milliseconds }),
})

export const auditRoutes = [
  route(
    'GET /audit',
    {
      id: 'readAudit',
      summary:
        'Lists the audit log, newest first, or rising with `after`; with Accept: application/jsonl streams all of it, oldest first',
      query: z.strictObject({
        before: entryNumber.optional(),
        after: entryNumber.optional(),
        actor: filter.meta({ description: NAMED }),
        act: filter,
        target: filter,
        case_reference: filter,
        ...period,
        limit,
      }),
      answers: {
        200: [
          'The entries.',
          {
            'application/json': entries,
            [JSON_LINES]: text.meta({ description: 'one AuditEntry a line' }),
          },
        ],
      },
      rejects: [422],
    },
    async ({ deps, c, query: { actor: actorId, ...rest } }) => {
      const wanted = { ...rest, actorId: await idNamedBy(deps, 'actor', actorId) }
      if (c.req.header('accept')?.includes(JSON_LINES) === true) return auditLines(deps, wanted)
      const { found, searchedTo: to } = await deps.store.pageOfAudit({
        ...wanted,
        most: MOST_ENTRIES,
      })
      const last = found.length < rest.limit ? to : found.at(-1)
      const entries = await withNames(deps, found, ({ target }) => target)
      return { entries, next: last?.id, searchedTo: to }
    },
  ),
  route(
    'GET /audit/evidence',
    {
      id: 'readAuditEvidence',
      summary:
        'Exports signed evidence of a range of the audit log, one JSON object a line; cmb evidence verify checks it without the broker',
      query: z.strictObject({
        from_id: entryNumber.optional().meta({ description: 'the first entry' }),
        to_id: entryNumber.optional().meta({ description: 'the last entry' }),
        ...period,
      }),
      answers: { 200: ['The lines; the last signs the others.', { [JSON_LINES]: text }] },
      rejects: [404],
    },
    async ({ deps, query }) => {
      const range = await auditRange(deps, query)
      if (range !== undefined) return linesResponse(signedLines(deps, range), 'audit')
      throw new Problem(
        404,
        'No such entries',
        'The audit log has no entry in that range; GET /admin/v1/audit (cmb audit) lists those it has.',
      )
    },
  ),
]
