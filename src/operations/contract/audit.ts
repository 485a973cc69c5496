import { z } from 'zod'
import { Problem } from '../../audit/problem.ts'
import { milliseconds, text } from '../../protocol/described.ts'
import { auditRange, signedLines } from '../acts/evidence.ts'
import { withNames } from '../acts/names.ts'
import { idNamedBy, MOST_ENTRIES, targetsNamedBy } from '../acts/search.ts'
import { entryNumber, idText, instantMs, limit } from './fields.ts'
import { auditEntry } from './shapes.ts'
import { JSON_LINES, Lines, route } from './route.ts'

/** The audit log, read-only: newest first, or in rising order after `after` for an export. */

const filter = idText.optional()
const period = {
  since_ms: instantMs.optional(),
  until_ms: instantMs.optional(),
}
const entries = z.object({
  entries: z.array(auditEntry),
  next: z.int().nullable(),
  searched_to: z.object({ id: z.int(), at_ms: milliseconds }).nullable(),
})

export const auditRoutes = [
  route(
    'GET /audit',
    {
      id: 'readAudit',
      query: z.strictObject({
        before: entryNumber.optional(),
        after: entryNumber.optional(),
        actor: filter,
        act: filter,
        target: filter,
        case_reference: filter,
        ...period,
        limit,
      }),
      answers: entries,
      rejects: [422],
    },
    async ({ deps, query: { actor, target, ...rest } }) => {
      const [actorId, targets] = await Promise.all([
        idNamedBy(deps, 'actor', actor),
        targetsNamedBy(deps, target),
      ])
      const wanted = { ...rest, actorId, ...targets }
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
      query: z.strictObject(period),
      answers: { 200: ['The lines; the last signs the others.', { [JSON_LINES]: text }] },
      rejects: [404],
    },
    async ({ deps, query }) => {
      const range = await auditRange(deps, query)
      if (range !== undefined) return new Lines(signedLines(deps, range), 'audit')
      throw new Problem(
        404,
        'No such entries',
        'The audit log has no entry in that range; cmb audit lists those it has.',
      )
    },
  ),
]
