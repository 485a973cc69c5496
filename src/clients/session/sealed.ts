import type { User } from '../../../db/types.ts'
import type { Sealer } from '../../keys/interface.ts'

/**
 * What a session keeps of Microsoft's that is secret at rest. Bound to column and user, not to the
 * `sid`: whether a sign-in renews a session or opens one is only known in the transaction that
 * stores it, and a value moved between one user's own sessions gains nothing.
 */
type SealedColumn = 'login_hint' | 'microsoft_cache'

const place = (column: SealedColumn, { tid, oid }: User): string =>
  `sessions/${column}/${tid}/${oid}`

export const sealForSession = (
  sealer: Sealer,
  column: SealedColumn,
  user: User,
  value: string,
): string => sealer.seal(place(column, user), value)

/** Undefined where there is none, or where it was not sealed for that user and column. */
export function openFromSession(
  sealer: Sealer,
  column: SealedColumn,
  user: User,
  sealed: string | undefined,
): string | undefined {
  return sealed === undefined
    ? undefined
    : sealer.open(place(column, user), sealed)?.toString('utf8')
}
