import type { MicrosoftWork } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { tendSubscription } from './subscription.ts'
import { graphTenants } from './tenants.ts'

/** What is asked of Microsoft Graph, one piece of work at a time. Done twice, the second time does nothing. A call that fails says nothing about anybody. */

/** @throws GraphProblem: to be tried again */
export async function doMicrosoftWork(deps: Deps, work: MicrosoftWork): Promise<void> {
  if (work.kind === 'revoke_sessions') return revokeAtMicrosoft(deps, work)
  // Switched off since.
  if (!graphTenants(deps).includes(work.tid)) return undefined
  return work.kind === 'check_user' ? checkUser(deps, work) : tendSubscription(deps, work.tid, work.oid)
}

/** Graph said that somebody has changed; this reads what it means. Who is not signed in here is not asked about. */
async function checkUser(deps: Deps, { tid, oid }: MicrosoftWork): Promise<void> {
  const subject = await deps.store.findSubjectByUser(tid, oid)
  const live = subject === undefined ? [] : await deps.store.liveSessionsOf(subject.sub, deps.clock.now())
  if (subject === undefined || live.length === 0) return count(deps, 'not_here')
  const found = await deps.microsoft.graph.user(tid, oid)
  if (found.state === 'gone') return end(deps, subject.sub, 'microsoft_account_deleted', undefined)
  if (!found.enabled) return end(deps, subject.sub, 'microsoft_account_disabled', undefined)
  // Whoever signed in before that moment is signed out; whoever did it at or after is not.
  if (found.sessionsValidFrom !== undefined) return end(deps, subject.sub, 'microsoft_session_revoked', found.sessionsValidFrom - 1)
  return count(deps, 'good')
}

type Reason = 'microsoft_account_deleted' | 'microsoft_account_disabled' | 'microsoft_session_revoked'

async function end(deps: Deps, sub: string, reason: Reason, until: number | undefined): Promise<void> {
  const committed = await deps.store.endAuthenticated({ sub, until, reason, actor: { kind: 'microsoft', id: 'graph' }, now: deps.clock.now() })
  count(deps, committed.length > 0 ? reason : 'good')
}

const count = (deps: Deps, outcome: string): void => deps.metrics.signals.inc({ kind: 'graph_user', outcome })

/** A user has signed out everywhere, and is to be signed out at Microsoft too. Who has signed in here again meanwhile is left alone. */
async function revokeAtMicrosoft(deps: Deps, { tid, oid }: MicrosoftWork): Promise<void> {
  const subject = await deps.store.findSubjectByUser(tid, oid)
  const since = subject === undefined ? [] : await deps.store.liveSessionsOf(subject.sub, deps.clock.now())
  const outcome = since.length > 0 ? 'superseded' : await deps.microsoft.graph.revokeSessions(tid, oid)
  deps.metrics.signals.inc({ kind: 'revoke_at_microsoft', outcome })
  if (outcome === 'asked') deps.log.info('signed_out_at_microsoft', { tid, sub: subject?.sub })
}
