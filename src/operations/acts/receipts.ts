import { receiptOf, RECEIPT_TYP } from '../../revocation/receipt.ts'
import type { z } from 'zod'
import type { Deps } from '../deps.ts'
import { receipt as shape, type signedReceipt } from '../contract/shapes.ts'
import { shown } from '../contract/wire.ts'

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
