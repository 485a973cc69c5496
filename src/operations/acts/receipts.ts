import { receiptOf, RECEIPT_TYP } from '../../revocation/receipt.ts'
import type { z } from 'zod'
import type { Deps } from '../deps.ts'
import { receipt as shape, type signedReceipt } from '../contract/shapes.ts'
import { shown } from '../contract/wire.ts'

type Shown = z.output<typeof shape>

/** Says of a participant what the receipt claims. */
export const receiptWords = ({ state, by }: Shown['participants'][number]): string =>
  by === null
    ? { confirmed: '', bounded: 'stops by itself', not_bounded: 'not confirmed, no bound' }[state]
    : {
        report: 'confirmed by its guards',
        logout_token: 'confirmed by its logout token',
        lease: 'its leases are over',
      }[by]

/** Says how many of the guards that listened have confirmed. */
export const guardsWords = ({ guards }: Shown['participants'][number]): string =>
  guards.listening === 0 ? 'none' : `${guards.confirmed} of ${guards.listening}`

/** Returns the receipt of a revocation, signed. Undefined: it can no longer be computed. */
export async function signedReceiptOf(
  deps: Pick<Deps, 'store' | 'feed' | 'clock' | 'clients' | 'keys' | 'config'>,
  seq: number,
): Promise<z.output<typeof signedReceipt> | undefined> {
  const receipt = await receiptOf(deps, seq)
  if (receipt === undefined || receipt === 'gone') return undefined
  const wire = shown(shape, receipt)
  const { config, clock, keys } = deps
  const claims = { iss: config.issuer, iat: clock.now(), ...wire }
  return { ...wire, jws: keys.sign('ES256', RECEIPT_TYP, claims) }
}
