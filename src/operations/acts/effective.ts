import type { LoggedRevocation } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { type Claim, type Participant, type Receipt, receiptsOf } from '../../revocation/receipt.ts'
import { isBound } from './receipt-words.ts'

/** Since when revocations are effective everywhere, in short, by their receipts. */

type ReceiptDeps = Parameters<typeof receiptsOf>[0]

/** The most instances that are named; the receipt names all. */
const NAMED = 10

/** The short form of a receipt. */
interface Effective {
  /** The weakest state of an instance that took part. */
  state: Claim['state']
  /** By then it is effective everywhere. Undefined: that is not bounded, or not known. */
  noLaterThanMs: number | undefined
  /** The same, from the acknowledgment on. */
  afterMs: number | undefined
  /** False: the last instance confirmed it at that time. */
  atMost: boolean
  participants: number
  /** How many of them have not confirmed, and the first of these. */
  openParticipants: number
  open: Participant[]
}
export type Listed = LoggedRevocation & { effective?: Effective | undefined }

export function effectiveOf({ acknowledgedAtMs: from, participants }: Receipt): Effective {
  const open = participants.filter(({ state }) => state !== 'confirmed')
  const times = participants.map(({ noLaterThanMs }) => noLaterThanMs ?? Infinity)
  const last = Math.max(from, ...times)
  return {
    state:
      open.find(({ state }) => state === 'not_bounded')?.state ?? open[0]?.state ?? 'confirmed',
    noLaterThanMs: last === Infinity ? undefined : last,
    afterMs: last === Infinity ? undefined : last - from,
    atMost: participants.some(({ tokens, sessions, leaseSeconds }) =>
      [tokens, sessions].some(
        ({ by, noLaterThanMs = Infinity }) =>
          noLaterThanMs === last && isBound(by, last - from, leaseSeconds),
      ),
    ),
    participants: participants.length,
    openParticipants: open.length,
    open: open.slice(0, NAMED),
  }
}

/** Adds to each revocation of a page since when it is effective everywhere. */
export async function withEffective(
  deps: Pick<Deps, keyof ReceiptDeps>,
  page: readonly LoggedRevocation[],
): Promise<Listed[]> {
  const receipts = await receiptsOf(
    deps,
    page.map(({ seq }) => seq),
  )
  return page.map((revocation) => {
    const receipt = receipts.get(revocation.seq)
    return { ...revocation, effective: receipt && effectiveOf(receipt) }
  })
}
