import type { z } from 'zod'
import type { receipt } from '../contract/shapes.ts'
import { span } from '../times.ts'

/**
 * Says in words what a receipt claims, for the console and `cmb`. A guard speaks of tokens. Only
 * an answered logout token shows that the sessions of the instance itself have ended.
 */

export type Receipt = z.output<typeof receipt>
type Participant = Receipt['participants'][number]

const SESSIONS = {
  ended: 'own sessions ended by its logout token',
  open: 'own sessions may still be open',
}
const TOKENS = {
  report: 'accepts no token',
  lease: 'accepts no token, its leases are over',
  logout_token: 'without a guard, tokens go on until they expire',
  bounded: 'stops accepting tokens by itself',
  not_bounded: 'may still accept what was revoked',
}

/**
 * Returns whether only the bound of a confirmation is known: the time of a guard's report is kept
 * until it reports a later revocation.
 */
const isBound = (from: number, { by, no_later_than_ms: at, lease_seconds: lease }: Participant) =>
  by === 'report' && at === from + lease * 1000

/** Returns whether an instance has confirmed the end of its own sessions, and not tokens alone. */
export const hasConfirmed = ({ state, sessions_confirmed: areEnded }: Participant): boolean =>
  state === 'confirmed' && areEnded

/**
 * Returns the cells of a participant: what is known of its tokens and sessions, since or from when,
 * and its guards.
 */
export function claimWords(
  { acknowledged_at_ms: from }: Receipt,
  participant: Participant,
  when: (atMs: number) => string,
): [claim: string, since: string, guards: string] {
  const { state, by, no_later_than_ms: at, guards } = participant
  const tokens = TOKENS[by ?? (state === 'bounded' ? 'bounded' : 'not_bounded')]
  const sessions = SESSIONS[participant.sessions_confirmed ? 'ended' : 'open']
  const after = (atMs: number): string =>
    by === null || by === 'lease' ? when(atMs) : span(Math.max(0, atMs - from))
  return [
    state === 'not_bounded'
      ? `not confirmed: ${tokens}`
      : by === 'logout_token'
        ? `${sessions}; ${tokens}`
        : `${tokens}; ${sessions}`,
    at === null ? '' : isBound(from, participant) ? `${after(at)} at most` : after(at),
    guards.listening === 0 ? 'none' : `${guards.confirmed} of ${guards.listening}`,
  ]
}

/**
 * Returns for example "2 of 5 instances have ended their own sessions, 1 accepts no token, 1 stops
 * accepting tokens by itself, 1 may still accept what was revoked".
 */
export function receiptWords({ participants, acknowledged_at_ms: from }: Receipt): string {
  const all = participants.length
  if (all === 0) return 'No instance took part'
  const ended = participants.filter(hasConfirmed).length
  const stateCount = (wanted: Participant['state']): number =>
    participants.filter(({ state }) => state === wanted).length
  const [bounded, open] = [stateCount('bounded'), stateCount('not_bounded')]
  const rejecting = stateCount('confirmed') - ended
  const last = Math.max(from, ...participants.map((one) => one.no_later_than_ms ?? from))
  return [
    `${ended} of ${all} ${all === 1 ? 'instance has ended its' : 'instances have ended their'} own sessions`,
    rejecting > 0 ? `${rejecting} ${rejecting === 1 ? 'accepts' : 'accept'} no token` : '',
    bounded > 0
      ? `${bounded} ${bounded === 1 ? 'stops accepting tokens by itself' : 'stop accepting tokens by themselves'}`
      : '',
    open > 0 ? `${open} may still accept what was revoked` : '',
    bounded + open === 0
      ? `the last ${participants.some((one) => isBound(from, one)) ? 'within' : 'after'} ${span(last - from)}`
      : '',
  ]
    .filter(Boolean)
    .join(', ')
}
