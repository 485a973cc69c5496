import type { Receipt } from '../../revocation/receipt.ts'

/** Says in words what a receipt claims. */

interface Claim {
  state: Receipt['participants'][number]['state']
  by?: Receipt['participants'][number]['by'] | null
  guards: { listening: number; confirmed: number }
}

/** Says of a participant what the receipt claims. */
export const receiptWords = ({ state, by }: Claim): string =>
  by
    ? {
        report: 'confirmed by its guards',
        logout_token: 'confirmed by its logout token',
        lease: 'its leases are over',
      }[by]
    : state === 'bounded'
      ? 'stops by itself'
      : 'not confirmed, no bound'

/** Says how many of the guards that listened have confirmed. */
export const guardsWords = ({ guards: { listening, confirmed } }: Claim): string =>
  listening === 0 ? 'none' : `${confirmed} of ${listening}`
