import { DELIVERY_STATES, type DeliveryTotals } from '../../../db/types.ts'

/** Totals of one revocation's deliveries, as text for the console and `cmb`. */

export const totalOf = (totals: DeliveryTotals): number =>
  DELIVERY_STATES.reduce((sum, state) => sum + totals[state], 0)

/**
 * Returns for example "5,504 of 5,506 delivered, 2 failed". While deliveries are still being
 * written, the text says so.
 */
export function totalsInWords(totals: DeliveryTotals, fanOut: 'complete' | 'pending'): string {
  const count = (value: number): string => value.toLocaleString('en-US')
  const total = totalOf(totals)
  const rest = DELIVERY_STATES.filter((state) => state !== 'delivered' && totals[state] > 0).map(
    (state) => `${count(totals[state])} ${state}`,
  )
  const words =
    total === 0
      ? 'none'
      : [`${count(totals.delivered)} of ${count(total)} delivered`, ...rest].join(', ')
  return fanOut === 'complete'
    ? words
    : `${total === 0 ? 'none written yet' : `${words} so far`}; more deliveries are being written`
}
