import type { Child } from 'hono/jsx'
import type { QueuedMicrosoftWork } from '../../../db/types.ts'
import { Button } from '../../pages/components.tsx'
import { targetName, tenantName } from '../acts/names.ts'
import { ask } from '../contract/ask.ts'
import { MOST_FAILED_WORK } from '../contract/overview.ts'
import { Hidden, Panel } from './layout.tsx'
import { listOf, timeColumn } from './list.tsx'
import { type ConsoleRequest, linkOf } from './request.ts'
import { FAILED, WHAT } from './texts/failed-work.ts'

/** Requests to Microsoft that failed for a day, with a button that retries them. */

export async function failedWorkPanel(
  request: ConsoleRequest,
  work: readonly QueuedMicrosoftWork[],
): Promise<Child> {
  const { deps } = request
  if (work.length === 0) return null
  return (
    <Panel title={FAILED.title}>
      {await listOf<QueuedMicrosoftWork>(request, {
        label: FAILED.title,
        columns: [
          ['What', ({ kind }) => WHAT[kind]],
          ['Tenant', ({ tid }) => tenantName(deps, tid)],
          ['User', async ({ tid, oid }) => (await targetName(deps, `user ${tid} ${oid}`)) ?? oid],
          timeColumn(request, 'Asked for', ({ askedAtMs }) => askedAtMs),
          ['Last answer', ({ lastError }) => lastError ?? ''],
        ],
        entries: work,
        none: '',
      })}
      {work.length < MOST_FAILED_WORK ? null : (
        <p class="soft">{FAILED.newest(MOST_FAILED_WORK)}</p>
      )}
      <form method="post" action="/ops/microsoft/redrive">
        <Hidden request={request} />
        <Button kind="quiet">{FAILED.again}</Button>
      </form>
    </Panel>
  )
}

export async function redriveFailed(request: ConsoleRequest): Promise<Response> {
  const { caller } = request.viewer
  const { redriven } = await ask(request, caller, 'POST /microsoft-work/redrive', { all: true })
  return request.c.redirect(linkOf('/ops', { done: 'asked', number: String(redriven) }), 303)
}
