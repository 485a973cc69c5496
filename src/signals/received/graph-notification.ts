import { parseJson } from '../../protocol/params.ts'
import type { Context } from 'hono'
import { z } from 'zod'
import type { MicrosoftWork } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { equalInConstantTime, sha256 } from '../../runtime/compare.ts'
import { isGuid } from '../../protocol/guid.ts'
import { readUpTo } from '../../clients/form.ts'
import type { InTurn } from './queue.ts'
import { clientStateOf, graphTenants } from './subscription.ts'

/**
 * Receives Microsoft Graph's notifications that a user changed. It answers within milliseconds,
 * because Graph waits only three seconds: the notification is stored as work for later. It proves
 * only that a check is needed, and only with the right `clientState`.
 */

const MOST_BYTES = 512 * 1024
const MOST_USERS = 1000
const HEADERS = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' } as const

const guid = z.string().toLowerCase().refine(isGuid)
const notification = z.object({
  clientState: z.string().max(256),
  tenantId: guid,
  lifecycleEvent: z.enum(['reauthorizationRequired', 'subscriptionRemoved', 'missed']).optional(),
  resourceData: z.object({ id: guid }).optional(),
})
const notifications = z.object({ value: z.array(z.unknown()).max(MOST_USERS) })

export async function graphNotification(deps: Deps, inTurn: InTurn, c: Context): Promise<Response> {
  if (graphTenants(deps).length === 0) return c.notFound()
  const tokens = new URL(c.req.url).searchParams.getAll('validationToken')
  if (tokens.length > 0) return handshake(deps, c, tokens)
  const body = await readUpTo(c, MOST_BYTES)
  if (body === undefined) return rejected(deps, c, 413, 'The notification is too long.')
  const read = notifications.safeParse(parseJson(body))
  if (!read.success)
    return rejected(deps, c, 400, 'The body is not a change notification of Microsoft Graph.')
  const believed = await believable(deps, read.data.value)
  if (believed.length > 0)
    await inTurn(c, sha256(JSON.stringify(believed)), () => keep(deps, believed))
  return c.body(null, 202, HEADERS)
}

/**
 * Returns the validation token decoded, as plain text, which Graph requires. A token that could be
 * read as another content type is rejected.
 */
function handshake(deps: Deps, c: Context, [token = '', ...more]: string[]): Response {
  if (more.length > 0 || token.length > 1024 || !/^[\x20-\x3b\x3d\x3f-\x7e]+$/.test(token))
    return rejected(deps, c, 400, 'The validation token is not valid.')
  deps.metrics.signals.inc({ kind: 'graph', outcome: 'handshake' })
  return c.body(token, 200, {
    ...HEADERS,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  })
}

function rejected(deps: Deps, c: Context, status: 400 | 413, description: string): Response {
  deps.metrics.signals.inc({ kind: 'graph', outcome: 'malformed' })
  return c.json({ error: 'invalid_request', error_description: description }, status, HEADERS)
}

/**
 * Returns the work of notifications with the right `clientState`. Others, which may be an
 * attacker's, get the usual answer, because another one would reveal how far the attacker has come.
 */
async function believable(deps: Deps, value: readonly unknown[]): Promise<MicrosoftWork[]> {
  const states = new Map<string, string | undefined>()
  for (const tid of graphTenants(deps)) states.set(tid, await clientStateOf(deps, tid))
  const work: MicrosoftWork[] = []
  for (const element of value) {
    const read = notification.safeParse(element)
    const expected = read.success ? states.get(read.data.tenantId) : undefined
    if (
      !read.success ||
      expected === undefined ||
      !equalInConstantTime(read.data.clientState, expected)
    ) {
      deps.metrics.signals.inc({ kind: 'graph', outcome: 'foreign' })
      continue
    }
    const { tenantId: tid, lifecycleEvent, resourceData } = read.data
    if (lifecycleEvent !== undefined)
      work.push({ kind: 'tend_subscription', tid, oid: lifecycleEvent })
    else if (resourceData !== undefined)
      work.push({ kind: 'check_user', tid, oid: resourceData.id })
    deps.metrics.signals.inc({ kind: 'graph', outcome: lifecycleEvent ?? 'changed' })
  }
  return work
}

/**
 * Stores the work, only for users who have signed in here. Whatever is sent, there are at most as
 * many rows as subjects; an existing row is renewed.
 */
async function keep(deps: Deps, believed: readonly MicrosoftWork[]): Promise<void> {
  const work: MicrosoftWork[] = []
  for (const microsoftWork of believed)
    if (
      microsoftWork.kind === 'tend_subscription' ||
      (await deps.store.findSubjectByUser(microsoftWork.tid, microsoftWork.oid)) !== undefined
    )
      work.push(microsoftWork)
  if (work.length > 0) await deps.store.askMicrosoft(work, deps.clock.nowMs())
}
