import type { User } from '../../db/types.ts'
import type { Sealer } from '../keys/interface.ts'

/**
 * A session column that holds a secret of Microsoft's, sealed at rest. The value is bound to the
 * column and the user, not to the `sid`, because only the transaction that stores it decides
 * between renewing a session and opening one. Moving a value between sessions of one user gains
 * nothing.
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

/**
 * Returns the opened value, or undefined if there is none or it was sealed for another user or
 * column.
 */
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
