import { type ClientId, CLIENTS } from './site.ts'
import type { Asked } from '../servers/broker.ts'
import type { Subject } from './tally.ts'

/** Reads receipts about the clients of the guards, in a form that compares with what was seen. */

export type Receipt = Asked['receipt']['out']
/** From when on (`sharedMs`) a client accepts nothing, by receipts. Infinity: they do not say. */
export type Claimed = Partial<Record<ClientId, Partial<Record<Subject, number>>>>

/** Times of the log are whole milliseconds, and the clocks may differ in speed. */
const toleranceMs = (apartMs: number): number => 5 + Math.abs(apartMs) / 1_000

/**
 * Returns what a receipt says of tokens or of sessions.
 * @param isRight false if the broker's clock was set in the meantime, so that the receipt's times
 *   cannot be compared
 */
export function claimedOf(
  { participants, atMs, nowMs }: Receipt,
  subject: Subject,
  isRight: boolean,
): Claimed {
  const claimed: Claimed = {}
  for (const client of CLIENTS) {
    const part = participants.find(({ clientId }) => clientId === client)
    if (part === undefined) continue
    const { state, noLaterThanMs } = part[`${subject}s`]
    const apartMs = (noLaterThanMs ?? nowMs) - nowMs
    const boundMs =
      isRight && noLaterThanMs !== undefined ? atMs + apartMs + toleranceMs(apartMs) : Infinity
    claimed[client] = { [subject]: Math.min(boundMs, state === 'confirmed' ? atMs : Infinity) }
  }
  return claimed
}

const STATES = ['not_bounded', 'bounded', 'confirmed']

/** Returns what a later receipt of the same revocation says less of than an earlier one. */
export function worse(before: Receipt | undefined, after: Receipt): string[] {
  return (before?.participants ?? []).flatMap((earlier) => {
    const later = after.participants.find(({ clientId }) => clientId === earlier.clientId)
    return (['tokens', 'sessions'] as const).flatMap((subject) => {
      const [from, to] = [earlier[subject], later?.[subject]]
      const isLess =
        to === undefined ||
        STATES.indexOf(to.state) < STATES.indexOf(from.state) ||
        (from.state === 'confirmed' &&
          (to.noLaterThanMs ?? Infinity) > (from.noLaterThanMs ?? Infinity))
      return isLess
        ? `A receipt got worse: ${subject} of ${earlier.clientId} ${JSON.stringify(from)}, then ${JSON.stringify(to)}.`
        : []
    })
  })
}
