import type { Reason } from '../../src/protocol/revocation.ts'
import { encodeSelector } from '../../src/protocol/selector.ts'
import type { WebhookEvent } from '../../src/protocol/webhook-event.ts'
import type { Revocation } from '../types.ts'

/** Which webhook events a revocation is. */

const THEFT: readonly Reason[] = ['refresh_token_reuse', 'refresh_token_late', 'code_reuse']

/** A client that redeems codes, refreshes or revokes its own tokens acts for itself, not for an operator. */
const OF_TOKENS: readonly Reason[] = [...THEFT, 'token_revoked']

export function eventsOf(revocation: Revocation, sub: string | undefined): WebhookEvent[] {
  const { seq, tid, reason, actor, caseReference: case_reference, comment } = revocation
  const selector = encodeSelector(revocation.selector)
  const about = { seq, selector, tid, sub, reason, actor_kind: actor.kind, actor: actor.id, case_reference, comment }
  const events: WebhookEvent[] = []
  if (reason === 'signed_out_everywhere' && sub !== undefined) events.push({ type: 'user.signed_out_everywhere', data: { ...about, sub } })
  if (THEFT.includes(reason)) events.push({ type: 'revocation.theft', data: about })
  if (actor.kind === 'operator' || (actor.kind === 'client' && !OF_TOKENS.includes(reason)))
    events.push({ type: 'revocation.by_operator', data: about })
  if (selector.kind === 'client' || selector.kind === 'tenant' || selector.kind === 'everything')
    events.push({ type: 'revocation.wide', data: about })
  return events
}
