import { TYP } from '../../protocol/names.ts'
import { receiptOf } from '../../revocation/receipt.ts'
import type { Deps } from '../deps.ts'
import { receipt as shape } from '../contract/shapes.ts'
import { toWire } from '../contract/wire.ts'

/** Returns the receipt of a revocation, signed. Undefined: it can no longer be computed. */
export async function signedReceiptOf(
  deps: Pick<Deps, 'store' | 'feed' | 'clock' | 'clockWatch' | 'clients' | 'keys' | 'config'>,
  seq: number,
) {
  const receipt = await receiptOf(deps, seq)
  if (receipt === undefined) return undefined
  const { config, clock, keys } = deps
  const claims = { iss: config.issuer, iat: clock.now(), ...toWire(shape, receipt) }
  return { ...receipt, jws: keys.sign('ES256', TYP.receipt, claims) }
}
