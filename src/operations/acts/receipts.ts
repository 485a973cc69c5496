import { type Receipt, receiptOf, RECEIPT_TYP } from '../../revocation/receipt.ts'
import type { Deps } from '../deps.ts'
import { receipt as shape } from '../contract/shapes.ts'
import { shown } from '../contract/wire.ts'

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

/** Returns the receipt of a revocation, signed. Undefined: it can no longer be computed. */
export async function signedReceiptOf(
  deps: Pick<Deps, 'store' | 'feed' | 'clock' | 'clients' | 'keys' | 'config'>,
  seq: number,
): Promise<(Receipt & { jws: string }) | undefined> {
  const receipt = await receiptOf(deps, seq)
  if (typeof receipt !== 'object') return undefined
  const { config, clock, keys } = deps
  const claims = { iss: config.issuer, iat: clock.now(), ...shown(shape, receipt) }
  return { ...receipt, jws: keys.sign('ES256', RECEIPT_TYP, claims) }
}
