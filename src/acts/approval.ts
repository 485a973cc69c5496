import type { ScheduledAct } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { Selector } from '../protocol/revocation.ts'
import type { Caller } from './caller.ts'
import { type Answered, mustBeThere, type Revoking, revokeAs } from './revocations.ts'
import { scheduleAs } from './scheduled.ts'

/** A second administrator's approval of a revocation that ends more sessions than BROKER_APPROVAL_SESSIONS. */

/** How long a request waits. It is as long as an incident may wait for a colleague; then it has to be made again. */
const APPROVAL_SECONDS = 1800

/** Of one user, one session or one grant, a revocation never waits. */
const isWide = ({ kind }: Selector): boolean => kind === 'client' || kind === 'tenant' || kind === 'everything'

export async function needsApproval({ config, store }: Pick<Deps, 'config' | 'store'>, what: Selector, now: number): Promise<boolean> {
  const most = config.approvalSessions
  if (most === undefined || !isWide(what)) return false
  return (await store.previewRevocation(what, now, { stopAfter: most })).sessions > most
}

/** An administrator's revocation, or the request for it. What it covers is what it covers when it is approved. @throws Problem 404 */
export async function revokeOrRequest(
  deps: Deps,
  caller: Caller,
  what: Selector,
  asked: Revoking,
): Promise<Answered | { outcome: 'proposed'; act: ScheduledAct }> {
  // Rejects an unknown target itself, and records that.
  if (!(await needsApproval(deps, what, asked.now))) return revokeAs(deps, caller, what, asked)
  await mustBeThere(deps, what, asked.now)
  const wanted = { ...asked, what: { act: 'revoke', selector: what }, dueAt: undefined, confirmSeconds: APPROVAL_SECONDS } as const
  return { outcome: 'proposed', act: await scheduleAs(deps, caller, wanted) }
}
