import type { Person } from '../people.ts'

const iso = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')

function properties(person: Person): Record<string, unknown> {
  return {
    id: person.oid,
    displayName: person.name,
    userPrincipalName: person.upn,
    mail: person.upn,
    accountEnabled: person.accountEnabled,
    signInSessionsValidFromDateTime: iso(person.sessionsValidFrom),
    createdDateTime: iso(person.createdAt),
  }
}

const BY_DEFAULT = ['id', 'displayName', 'userPrincipalName', 'mail']

/** Without `$select` Graph leaves out exactly what the broker wants to know. */
export function selectProperties(person: Person, select: string | undefined): Record<string, unknown> {
  const all = properties(person)
  const wanted = select === undefined || select === '' ? BY_DEFAULT : select.split(',').map((name) => name.trim())
  return Object.fromEntries(wanted.filter((name) => name in all).map((name) => [name, all[name]]))
}
