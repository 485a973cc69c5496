import type { MicrosoftWork, User } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { type Graph, GraphProblem } from '../../microsoft/interface.ts'
import type { Reason } from '../../protocol/revocation.ts'
import { tendSubscription, chosen, graphTenants } from './subscription.ts'

/**
 * What is asked of Microsoft Graph, one piece of work at a time. Done twice, the second time does
 * nothing. A call that fails says nothing about the user.
 */

/** @throws GraphProblem: retry later */
export async function doMicrosoftWork(deps: Deps, work: MicrosoftWork): Promise<void> {
  if (work.kind === 'revoke_sessions' || work.kind === 'revoke_reported')
    return revokeAtMicrosoft(deps, work)
  // Switched off since.
  if (!graphTenants(deps).includes(work.tid)) return undefined
  return work.kind === 'check_user'
    ? checkUser(deps, work)
    : tendSubscription(deps, work.tid, work.oid)
}

/**
 * Graph said that a user has changed; this reads what it means. A user who is not signed in here is
 * not asked about.
 */
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
 * A failure is counted and the work goes on: the next probe of the user reads the risk again, and
 * no account's check waits for it.
 */
async function checkRisk(deps: Deps, { tid, oid }: User, sub: string): Promise<boolean> {
  if (!chosen(deps.config.signals.risk, deps).includes(tid)) return false
  try {
    const since = await deps.microsoft.graph.riskSince(tid, oid)
    if (since === 'paused') count(deps, 'risk_paused')
    // Microsoft's own policies judged a sign-in at that second or later.
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
 * What Graph's answer ends: all sessions of the user, or those that were authenticated up to a
 * moment.
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
    // A sign-in before that moment is revoked; one at that second or later is not.
    ...(from === undefined
      ? []
      : [{ reason: 'microsoft_session_revoked' as const, until: from - 1 }]),
    // They rest on the old password. Microsoft keeps the tokens of confidential clients alive where
    // the user changes it.
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
 * Signs a user out at Microsoft too. A user who signed out everywhere, and has signed in here again
 * meanwhile, is left alone; one who reported a sign-in that was not theirs never is, because the
 * live session may be the attacker's.
 */
async function revokeAtMicrosoft(deps: Deps, { kind, tid, oid }: MicrosoftWork): Promise<void> {
  const subject = await deps.store.findSubjectByUser(tid, oid)
  const since =
    subject === undefined || kind === 'revoke_reported'
      ? []
      : await deps.store.liveSessionsOf(subject.sub, deps.clock.now())
  // Where Microsoft dates no sign-in, none has proved that it is the user's: no fresh one could be
  // demanded.
  const isBack = since.length > 0 && since.every(({ session }) => session.authTime > 0)
  const outcome = isBack ? 'superseded' : await deps.microsoft.graph.revokeSessions(tid, oid)
  deps.metrics.signals.inc({ kind: 'revoke_at_microsoft', outcome })
  if (outcome === 'asked') deps.log.info('signed_out_at_microsoft', { tid, sub: subject?.sub })
}
