import type { z } from 'zod'
import type { receipt } from '../contract/shapes.ts'
import { span } from '../times.ts'

/** Says in words what a receipt claims, for the console and `cmb`. */

export type Receipt = z.output<typeof receipt>

const BY = {
  report: 'confirmed by its guards',
  logout_token: 'confirmed by its logout token',
  lease: 'stopped by itself: a guard without news accepts nothing',
}

/**
 * Returns whether only the bound of a confirmation is known: the time of a guard's report is kept
 * until it reports a later revocation.
 */
const isBound = (
  from: number,
  { by, no_later_than_ms: at, lease_seconds: lease }: Receipt['participants'][number],
): boolean => by === 'report' && at === from + lease * 1000

/** Returns the cells of a participant: what is claimed, the time of it, and the guards. */
export function claimWords(
  { acknowledged_at_ms: from }: Receipt,
  participant: Receipt['participants'][number],
  when: (atMs: number) => string,
): [claim: string, nothingAfter: string, guards: string] {
  const { state, by, no_later_than_ms: at, guards } = participant
  const open =
    state === 'bounded' ? 'stops by itself' : 'not confirmed: may still accept what was revoked'
  const after = (atMs: number): string =>
    by === null || by === 'lease' ? when(atMs) : span(Math.max(0, atMs - from))
  return [
    by === null ? open : BY[by],
    at === null ? '' : isBound(from, participant) ? `${after(at)} at most` : after(at),
    guards.listening === 0 ? 'none' : `${guards.confirmed} of ${guards.listening}`,
  ]
}

/**
 * Returns for example "2 of 5 instances have confirmed, 1 stopped by itself, 1 stops by itself, 1
 * may still accept what was revoked".
 */
export function receiptWords({ participants, acknowledged_at_ms: from }: Receipt): string {
  const of = (wanted: string): number =>
    participants.filter(({ state, by }) => (by === 'lease' ? by : state) === wanted).length
  const all = participants.length
  const [stopped, bounded, open] = [of('lease'), of('bounded'), of('not_bounded')]
  if (all === 0) return 'No instance took part'
  const last = Math.max(from, ...participants.map((one) => one.no_later_than_ms ?? from))
  return [
    `${of('confirmed')} of ${all} ${all === 1 ? 'instance has' : 'instances have'} confirmed`,
    stopped > 0 ? `${stopped} stopped by ${stopped === 1 ? 'itself' : 'themselves'}` : '',
    bounded > 0 ? `${bounded} ${bounded === 1 ? 'stops by itself' : 'stop by themselves'}` : '',
    open > 0 ? `${open} may still accept what was revoked` : '',
    bounded + open === 0
      ? `the last ${participants.some((one) => isBound(from, one)) ? 'within' : 'after'} ${span(last - from)}`
      : '',
  ]
    .filter(Boolean)
    .join(', ')
}
