import type { Tenant } from '../../../db/types.ts'
import { quarterOf } from '../../../db/session/accepted.ts'
import { guidanceFor } from '../../microsoft/guidance.ts'
import { sumOfCounts } from '../acts/sign-ins.ts'
import type { Check, CheckContext } from './check.ts'
import { type Found, ok, failed } from './finding.ts'
import { REMEDY } from './texts/fixes.ts'
import { FOUND } from './texts/found.ts'

/**
 * Checks whether the rejected share of a tenant's sign-ins has jumped. Locks are left out: an
 * operator set them.
 */
export const rejectedSignInChecks: readonly Check[] = [
  {
    id: 'rejected-sign-ins',
    cost: { everySeconds: 60 },
    severity: 'ticket',
    ofTenant: rejectedShare,
  },
]

const WINDOW_SECONDS = 1_800
const DAY = 86_400
/** Fewer rejections, or of fewer users, may be one user who tries again, or chance. */
const LEAST = { rejected: 10, users: 5 }
/** The share that is too large, where that of the day before was so many times smaller. */
const JUMP = { share: 0.25, times: 3 }

interface Tally {
  rejected: number
  accepted: number
}
const shareOf = ({ rejected, accepted }: Tally): number =>
  rejected === 0 ? 0 : rejected / (rejected + accepted)

async function rejectedShare(
  { deps: { store }, now }: CheckContext,
  { tid }: Tenant,
): Promise<Found> {
  const since = quarterOf(now - WINDOW_SECONDS)
  const of = (from: number, until: number) =>
    Promise.all([
      store.rejectedLately({ tid, since: from, until }),
      store.acceptedByClient({ tid, since: from, until }),
    ])
  const [rows, byClient] = await of(since, now + 1)
  const lately = { rejected: sumOfCounts(rows), accepted: sumOfCounts(byClient) }
  const users = new Set(rows.map(({ oid }) => oid)).size
  if (lately.rejected < LEAST.rejected || users < LEAST.users || shareOf(lately) < JUMP.share)
    return ok(FOUND.few_rejected)
  const [rowsBefore, byClientBefore] = await of(since - DAY, since)
  const before = { rejected: sumOfCounts(rowsBefore), accepted: sumOfCounts(byClientBefore) }
  if (shareOf(lately) < JUMP.times * shareOf(before)) return ok(FOUND.few_rejected)
  const reasons = Map.groupBy(rows, ({ reason }) => reason)
  const [[reason] = ['']] = [...reasons].toSorted(([, a], [, b]) => sumOfCounts(b) - sumOfCounts(a))
  return failed(
    FOUND.rejected_share({ ...lately, users, before, operator: guidanceFor(reason).operator }),
    REMEDY.rejected_sign_ins(tid),
    { since_ms: since * 1000 },
  )
}
