import { z } from 'zod'
import { HIDDEN_SECONDS, hideable, setHidden } from '../acts/hidden-problems.ts'
import { brokersNow } from '../acts/brokers.ts'
import { openLocks } from '../acts/names.ts'
import { guardsNow } from '../acts/guards.ts'
import { readinessOf } from '../checks/readiness.ts'
import { caseAndComment, named } from './fields.ts'
import { finding, guard, position, problem, status } from './shapes.ts'
import { route } from './route.ts'

/** The status of the broker, its guards, and the findings of its checks. */

/** Upper bound of the failed requests to Microsoft Graph in one answer or page. */
export const MOST_FAILED_WORK = 100

const guards = z.object({ log: position, guards: z.array(guard) })

const hiding = <At extends `POST /problems/:id/${'hide' | 'unhide'}`>(
  at: At,
  operation: string,
  hides: boolean,
) =>
  route(
    at,
    {
      id: operation,
      may: 'operate',
      audit: hides ? 'problem.hide' : 'problem.unhide',
      params: named,
      body: z.strictObject(caseAndComment),
      answers: problem,
      rejects: [409],
    },
    async ({ deps, checks, caller, now, record, params: { id } }) => {
      const { problems } = await readinessOf(deps, checks)
      const { hidden_by: _, hidden_until: __, ...problem } = hideable(problems, id)
      const { kind, id: by } = caller.actor
      const until = now + HIDDEN_SECONDS
      const hidden = { id, actor: { kind, id: by }, until }
      await record(`problem ${id}`, { found: problem.found }, () => setHidden(deps, hidden, hides))
      return hides ? { ...problem, hiddenBy: by, hiddenUntil: until } : problem
    },
  )

export const overviewRoutes = [
  route(
    'GET /status',
    {
      id: 'readStatus',
      answers: status,
    },
    async ({ deps, checks, now }) => {
      const { store, config } = deps
      const [report, log, pending, liveSessions, failedWork, counts, brokers, locks, jobs] =
        await Promise.all([
          readinessOf(deps, checks),
          store.head(),
          store.pendingTargets(),
          store.liveSessionCount(now),
          store.failedMicrosoftWork(MOST_FAILED_WORK),
          store.deliveryCounts(),
          brokersNow(deps),
          openLocks(deps, 20),
          deps.queue.jobs(),
        ])
      const undelivered = counts.flatMap(({ state, ...count }) =>
        state === 'rejected' || state === 'failed' ? [{ ...count, state }] : [],
      )
      const failedMicrosoftWork = failedWork.map((work) => ({
        ...work,
        attemptsMade: work.attempts,
      }))
      return {
        ...report,
        issuer: config.issuer,
        log,
        liveSessions,
        brokers,
        jobs,
        locks,
        pending,
        undelivered,
        failedMicrosoftWork,
      }
    },
  ),
  hiding('POST /problems/:id/hide', 'hideProblem', true),
  hiding('POST /problems/:id/unhide', 'unhideProblem', false),
  route(
    'GET /guards',
    {
      id: 'listGuards',
      answers: guards,
    },
    async ({ deps }) => {
      const now = await guardsNow(deps)
      return {
        log: now.log,
        guards: now.guards.map((guardState) => ({
          ...guardState,
          enforcedSeq: guardState.enforced,
        })),
      }
    },
  ),
  route(
    'GET /doctor',
    {
      id: 'examine',
      answers: z.object({ findings: z.array(finding) }),
    },
    async ({ checks }) => ({ findings: await checks.look({ fresh: true }) }),
  ),
]
