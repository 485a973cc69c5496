import type { Standing } from '../../../db/types.ts'
import { type ReasonClass, reasonClass } from '../../protocol/reason-class.ts'

/** Why the session of a browser has ended, in the words that its user may read. Undefined where it has not. */
export function endedClass(standing: Standing): ReasonClass | undefined {
  if (standing.state !== 'ended') return undefined
  const { ended, markReason } = standing.session
  const reason = ended?.reason ?? (standing.why === 'marked' ? markReason : undefined)
  return reason === undefined ? 'expired' : reasonClass(reason)
}
