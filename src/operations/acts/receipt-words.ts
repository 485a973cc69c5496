import type { z } from 'zod'
import type { receipt } from '../contract/shapes.ts'

/** Says in words what a receipt claims, for the console and `cmb`. */

export type Receipt = z.output<typeof receipt>

const BY = {
  report: 'confirmed by its guards',
  logout_token: 'confirmed by its logout token',
  lease: 'stopped by itself: a guard without news accepts nothing',
}

/** Returns the cells of a participant: what is claimed, the time of it, and the guards. */
export const claimWords = (
  { acknowledged_at_ms: from }: Receipt,
  { state, by, no_later_than_ms: at, guards }: Receipt['participants'][number],
  when: (atMs: number) => string,
): [claim: string, nothingAfter: string, guards: string] => [
  by === null
    ? state === 'bounded'
      ? 'stops by itself'
      : 'not confirmed: may still accept what was revoked'
    : BY[by],
  at === null ? '' : by === null || by === 'lease' ? when(at) : `${Math.max(0, at - from)} ms`,
  guards.listening === 0 ? 'none' : `${guards.confirmed} of ${guards.listening}`,
]

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
    bounded + open === 0 ? `the last after ${last - from} ms` : '',
  ]
    .filter(Boolean)
    .join(', ')
}
