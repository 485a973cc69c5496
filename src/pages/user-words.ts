import type { User } from '../../db/types.ts'
import type { Texts } from './texts.ts'

/** A user, as users read it. */
export function userWords({ name, username, email }: User, t: Texts): string {
  const address = username ?? email
  if (name === undefined) return address ?? t.shared.unnamedUser
  return address === undefined ? name : `${name} (${address})`
}
