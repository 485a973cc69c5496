import type { Child } from 'hono/jsx'
import type { SecurityEvent } from '../../../db/types.ts'
import { Button } from '../../pages/components.tsx'
import { ask } from '../contract/ask.ts'
import { actorWords } from './format.ts'
import { Hidden } from './layout.tsx'
import { type ConsoleRequest, type Mounted, pageLink, userLink } from './request.ts'
import { timeAt } from './time.tsx'

/** The button that marks a user's report as acted on, and who pressed it when. */

export const REPORT_RESULT = {
  reported: 'Marked as done. The user’s page and the audit log keep the report.',
  reported_before: 'Another administrator had marked the report as done before.',
} as const

/**
 * The button's accessible name begins with its text and names the user (`of`), for readers who hear
 * the button alone.
 */
export const ReportDone = ({
  request,
  id,
  of,
}: {
  request: ConsoleRequest
  id: string
  of: string
}) => (
  <form method="post" action={pageLink(request, '/reports/done')}>
    <Hidden request={request} fields={{ id, back: request.c.req.path }} />
    <Button kind="quiet" label={`Mark as done: the report by ${of}`} small>
      Mark as done
    </Button>
  </form>
)

/** Says when and by whom a report was marked as done. */
export async function doneWords(
  request: ConsoleRequest,
  { doneAt, actor }: SecurityEvent,
): Promise<Child> {
  if (doneAt === undefined || actor === undefined) return ''
  const by = await actorWords(request, actor)
  return (
    <>
      {timeAt(request, doneAt)}, by {by}
    </>
  )
}

/** Marks a report as done, and returns to the page with the button. */
async function finish(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const { outcome, report } = await ask(request, request.viewer.caller, 'POST /reports/:id/done', {
    id: form.get('id') ?? '',
  })
  const done = outcome === 'done' ? 'reported' : 'reported_before'
  const user = userLink(request, report.sub, { done })
  const isOfUser = form.get('back') === userLink(request, report.sub)
  return request.c.redirect(isOfUser ? user : pageLink(request, '', { done }), 303)
}

export const reportRoutes: readonly Mounted[] = [
  { path: '/reports/done', tenant: true, form: finish },
]
