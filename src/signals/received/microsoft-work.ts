import type { MicrosoftWork, User } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { type Graph, GraphProblem } from '../../microsoft/interface.ts'
import type { Reason } from '../../protocol/revocation.ts'
import { tendSubscription, chosen, graphTenants } from './subscription.ts'

/**
 * Executes requests to Microsoft Graph, one piece of work at a time. Work that is executed twice
 * does nothing the second time. A failed request says nothing about the user.
 */

/**
 * Executes one piece of work.
 * @throws GraphProblem if it must be retried later
 */
export async function doMicrosoftWork(deps: Deps, work: MicrosoftWork): Promise<void> {
  if (work.kind === 'revoke_sessions' || work.kind === 'revoke_reported')
    return revokeAtMicrosoft(deps, work)
  // Graph was switched off for the tenant in the meantime.
  if (!graphTenants(deps).includes(work.tid)) return undefined
  return work.kind === 'check_user'
    ? checkUser(deps, work)
    : tendSubscription(deps, work.tid, work.oid)
}

/** Reads from Graph how a user has changed. A user who is not signed in here is not requested. */
async function checkUser(deps: Deps, { tid, oid }: MicrosoftWork): Promise<void> {
  const subject = await deps.store.findSubjectByUser(tid, oid)
  const live =
    subject === undefined ? [] : await deps.store.liveSessionsOf(subject.sub, deps.clock.now())
  if (subject === undefined || live.length === 0) return count(deps, 'not_here')
  const found = await deps.microsoft.graph.user(tid, oid)
  let ended = false
  for (const word of wordsOf(found)) ended = (await end(deps, subject.sub, word)) || ended
  if (found.state === 'there' && found.enabled)
    ended = (await checkRisk(deps, { tid, oid }, subject.sub)) || ended
  if (!ended) count(deps, 'good')
}

/**
 * Reads the risk of a user and ends their sessions if it is high. A failure is only counted,
 * because the next probe of the user reads the risk again and the check of the account must not
 * wait for it.
 */
async function checkRisk(deps: Deps, { tid, oid }: User, sub: string): Promise<boolean> {
  if (!chosen(deps.config.signals.risk, deps).includes(tid)) return false
  try {
    const since = await deps.microsoft.graph.riskSince(tid, oid)
    if (since === 'paused') count(deps, 'risk_paused')
    // Sign-ins from that second on are kept, because Microsoft's own policies have judged them.
    return (
      typeof since === 'number' &&
      (await end(deps, sub, { reason: 'microsoft_user_at_risk', until: since - 1 }))
    )
  } catch (error) {
    if (!(error instanceof GraphProblem)) throw error
    count(deps, `risk_${error.kind}`)
    deps.log.warn('microsoft_risk_not_read', {
      tid,
      problem: error.message,
      next: 'See docs/microsoft.md, section Graph.',
    })
    return false
  }
}

/**
 * The sessions that an answer of Graph ends: all of the user, or those authenticated up to `until`.
 * A sign-in during which the moment `sparing` falls is kept, because the change was part of it.
 */
interface Word {
  reason: Reason
  until?: number
  sparing?: number
}

function wordsOf(found: Awaited<ReturnType<Graph['user']>>): Word[] {
  if (found.state === 'gone') return [{ reason: 'microsoft_account_deleted' }]
  if (!found.enabled) return [{ reason: 'microsoft_account_disabled' }]
  const { sessionsValidFrom: from, passwordChangedAt: changed } = found
  return [
    // Sign-ins before that second are revoked; those from that second on are not.
    ...(from === undefined
      ? []
      : [{ reason: 'microsoft_session_revoked' as const, until: from - 1 }]),
    // Earlier sessions are based on the old password. When a user changes it, Microsoft keeps the
    // tokens of confidential clients valid.
    ...(changed === undefined
      ? []
      : [{ reason: 'microsoft_password_changed' as const, until: changed - 1, sparing: changed }]),
  ]
}

async function end(deps: Deps, sub: string, word: Word): Promise<boolean> {
  const committed = await deps.store.endAuthenticated({
    sub,
    ...word,
    actor: { kind: 'microsoft', id: 'graph' },
    now: deps.clock.now(),
  })
  if (committed.length > 0) count(deps, word.reason)
  return committed.length > 0
}

const count = (deps: Deps, outcome: string): void =>
  deps.metrics.signals.inc({ kind: 'graph_user', outcome })

/**
 * Signs a user out at Microsoft. A user who signed out everywhere and has since signed in here
 * again is skipped. A user who reported a sign-in is never skipped, because the live session may be
 * the attacker's.
 */
async function revokeAtMicrosoft(deps: Deps, { kind, tid, oid }: MicrosoftWork): Promise<void> {
  const subject = await deps.store.findSubjectByUser(tid, oid)
  const since =
    subject === undefined || kind === 'revoke_reported'
      ? []
      : await deps.store.liveSessionsOf(subject.sub, deps.clock.now())
  // If Microsoft gives no time of the sign-in, no fresh one could be required, so the live session
  // may not be the user's.
  const isBack = since.length > 0 && since.every(({ session }) => session.authTime > 0)
  const outcome = isBack ? 'superseded' : await deps.microsoft.graph.revokeSessions(tid, oid)
  deps.metrics.signals.inc({ kind: 'revoke_at_microsoft', outcome })
  if (outcome === 'asked') deps.log.info('signed_out_at_microsoft', { tid, sub: subject?.sub })
}
