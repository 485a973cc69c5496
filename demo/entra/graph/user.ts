import type { User } from '../users.ts'

const iso = (seconds: number): string =>
  new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')

function properties(user: User): Record<string, unknown> {
  return {
    id: user.oid,
    displayName: user.name,
    userPrincipalName: user.upn,
    accountEnabled: user.accountEnabled,
    signInSessionsValidFromDateTime: iso(user.sessionsValidFrom),
    lastPasswordChangeDateTime: iso(user.passwordChangedAt),
    createdDateTime: iso(user.createdAt),
  }
}

const BY_DEFAULT = ['id', 'displayName', 'userPrincipalName']

/**
 * Returns the selected properties of a user. Without `$select` Graph leaves out exactly those that
 * the broker needs.
 */
export function selectProperties(user: User, select: string | undefined): Record<string, unknown> {
  const all = properties(user)
  const wanted =
    select === undefined || select === ''
      ? BY_DEFAULT
      : select.split(',').map((name) => name.trim())
  return Object.fromEntries(wanted.filter((name) => name in all).map((name) => [name, all[name]]))
}
