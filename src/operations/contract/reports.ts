import { z } from 'zod'
import type { SecurityEvent } from '../../../db/types.ts'
import { readReportId, REPORT_SECONDS, reportId } from '../acts/reports.ts'
import { existing, noSuch } from '../acts/no-such.ts'
import { userIn } from '../acts/scope.ts'
import type { Deps } from '../deps.ts'
import { caseAndComment, guid, limit, named } from './fields.ts'
import { report } from './shapes.ts'
import { route } from './route.ts'

/** Reports of users: those to act on, those that are done, and the act that marks one. */

export const reportRoutes = [
  route(
    'GET /reports',
    {
      id: 'listReports',
      tenant: ({ query }, tid) => query.tid === tid,
      query: z.strictObject({
        tid: guid('a tenant id').optional(),
        state: z.enum(['open', 'done']).default('open'),
        limit,
      }),
      answers: z.object({ reports: z.array(report) }),
    },
    async ({ deps, now, query: { tid, state, limit: most } }) => {
      const since = now - REPORT_SECONDS
      const found = await deps.store.userReports({
        tid,
        since,
        done: state === 'done',
        limit: most,
      })
      return { reports: await Promise.all(found.map((row) => reportShown(deps, row))) }
    },
  ),
  route(
    'POST /reports/:id/done',
    {
      id: 'finishReport',
      may: 'operate',
      audit: 'report.done',
      tenant: async ({ deps, caller, params }) =>
        (await userIn(deps, caller.actor, readReportId(params.id)?.sub ?? '')) !== undefined,
      params: named,
      body: z.strictObject(caseAndComment),
      answers: z.object({ outcome: z.enum(['done', 'already']), report }),
    },
    async ({ deps, caller: { actor }, now, record, params }) => {
      const key = existing('report', readReportId(params.id))
      const finish = async () => {
        const { kind, id } = actor
        const answer = await deps.store.markReportDone({ ...key, actor: { kind, id }, now })
        if (answer.outcome === 'unknown') throw noSuch('report')
        return answer
      }
      const done = await record(`subject ${key.sub}`, { report: params.id }, finish, (answer) => ({
        outcome: answer.outcome,
      }))
      return { outcome: done.outcome, report: await reportShown(deps, done.report) }
    },
  ),
]

async function reportShown({ store }: Deps, row: SecurityEvent) {
  const { sub, at, device, actor, doneAt } = row
  const user = await store.findSubject(sub)
  const done =
    doneAt === undefined || actor === undefined
      ? null
      : { at: doneAt, actor: { kind: actor.kind, id: actor.id } }
  return { id: reportId(row), at, sub, user, device, done }
}
