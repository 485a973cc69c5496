import { ROLE } from './names.ts'

/**
 * Defines which users are administrators of a customer's tenant: those with the app role, or with
 * one directory role of that tenant. Directory roles that Entra gives to every user are rejected.
 */

export const APP_ROLE = 'app_role'
/**
 * The form of the setting in a request. `isAdministratorsSetting` also rejects directory roles that
 * every user has.
 */
export const ADMINISTRATORS =
  /^(?:app_role|directory_role:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/
const DIRECTORY_ROLE = /^directory_role:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/
export const ADMINISTRATORS_EXPECTED = `${APP_ROLE}, or directory_role: with the template id of a directory role (a GUID in lower case) that not every user has`

/**
 * Microsoft's template ids of roles that users have without an assignment: User, Guest User,
 * Restricted Guest User, Device Users and similar.
 */
const OF_EVERY_USER = new Set([
  'a0b1b346-4d3e-4e8b-98f8-753987be4970',
  'b79fbf4d-3ef9-4689-8143-76b194e85509',
  '10dae51f-b6af-4016-8d66-8c2a99b929b3',
  '2af84b1e-32c8-42b7-82bc-daa82404023b',
])

const directoryRole = (setting: string): string | undefined => {
  const id = DIRECTORY_ROLE.exec(setting)?.[1]
  return id === undefined || OF_EVERY_USER.has(id) ? undefined : id
}

export const isAdministratorsSetting = (setting: string): boolean =>
  setting === APP_ROLE || directoryRole(setting) !== undefined

/**
 * Returns the role that an administrator's session has, or undefined if the tenant has no
 * administrators.
 */
export function administratorRole(setting: string | undefined): string | undefined {
  if (setting === APP_ROLE) return ROLE.tenantAdministrator
  const id = setting === undefined ? undefined : directoryRole(setting)
  return id === undefined ? undefined : OF_DIRECTORY + id
}
/**
 * The prefix of a role that only the broker assigns: from `wids`, for the directory role in the
 * tenant's setting.
 */
const OF_DIRECTORY = `${ROLE.tenantAdministrator}:`

/**
 * Returns the roles of a session from the claims of an ID token.
 * @param setting the setting of the user's tenant
 */
export function sessionRoles(
  { roles, directoryRoles }: { roles: readonly string[]; directoryRoles: readonly string[] },
  setting: string | undefined,
): string[] {
  const own = roles.filter((role) => !role.startsWith(OF_DIRECTORY))
  const id = setting === undefined ? undefined : directoryRole(setting)
  return id !== undefined && directoryRoles.some((candidate) => candidate.toLowerCase() === id)
    ? [...own, OF_DIRECTORY + id]
    : own
}
