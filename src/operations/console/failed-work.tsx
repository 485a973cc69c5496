import type { Child } from 'hono/jsx'
import type { QueuedMicrosoftWork } from '../../../db/types.ts'
import { Button } from '../../pages/components.tsx'
import { targetName, tenantName } from '../acts/names.ts'
import { MOST_SHOWN, redriveWorkAs } from '../acts/microsoft-work.ts'
import { Hidden, Panel } from './layout.tsx'
import { plural } from './format.ts'
import { listOf, timeColumn } from './list.tsx'
import { type ConsoleRequest, linkOf } from './request.ts'

/** Requests to Microsoft that failed for a day, with a button that retries them. */

const WHAT: Record<QueuedMicrosoftWork['kind'], string> = {
  check_user: 'Look at a user',
  revoke_sessions: 'Sign a user out of Microsoft',
  revoke_reported: 'Sign a user out of Microsoft who reported a sign-in',
  tend_subscription: 'Renew the subscription',
}

export async function failedWorkPanel(
  request: ConsoleRequest,
  work: readonly QueuedMicrosoftWork[],
): Promise<Child> {
  const { deps } = request
  if (work.length === 0) return null
  return (
    <Panel title="Failed at Microsoft">
      {await listOf<QueuedMicrosoftWork>(request, {
        label: 'Failed at Microsoft',
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
      {work.length < MOST_SHOWN ? null : (
        <p class="soft">The newest {MOST_SHOWN}; there may be more.</p>
      )}
      <form method="post" action="/ops/microsoft/redrive">
        <Hidden request={request} />
        <Button kind="quiet">Ask Microsoft again</Button>
      </form>
    </Panel>
  )
}

export async function redriveFailed({ deps, c, viewer }: ConsoleRequest): Promise<Response> {
  const asked = await redriveWorkAs(deps, viewer.caller, undefined)
  return c.redirect(linkOf('/ops', { done: 'asked', number: String(asked) }), 303)
}

/** Says on the overview how many calls are retried. */
export const askedWords = (number: number): string =>
  `${plural(number, 'call')} to Microsoft will be retried now.`
