import { z } from 'zod'
import type { User } from './users.ts'
import type { World } from './world.ts'

/**
 * Changes of an account, and which of them end its grants: exactly the causes that Microsoft
 * documents for confidential clients.
 */

export const userPatch = z.strictObject({
  accountEnabled: z.boolean().optional(),
  revokeSessions: z.literal(true).optional(),
  mfa: z.enum(['none', 'authenticator']).optional(),
  assigned: z.boolean().optional(),
  deleted: z.boolean().optional(),
  password: z.string().min(1).max(200).optional(),
  /** A reset by an administrator revokes refresh tokens; a change by the user does not. */
  by: z.enum(['user', 'admin']).optional(),
  /** True if Identity Protection reports the user at high risk. */
  atRisk: z.boolean().optional(),
  roles: z.array(z.string()).optional(),
  wids: z.array(z.string()).optional(),
  name: z.string().min(1).max(200).optional(),
})
export type UserPatch = z.infer<typeof userPatch>

export function changeUser(world: World, user: User, patch: UserPatch): void {
  if (patch.mfa !== undefined) user.mfa = patch.mfa
  if (patch.assigned !== undefined) user.assigned = patch.assigned
  if (patch.roles !== undefined) user.roles = patch.roles
  if (patch.wids !== undefined) user.wids = patch.wids
  if (patch.name !== undefined) user.name = patch.name
  if (patch.atRisk !== undefined) user.riskSince = patch.atRisk ? world.clock.now() : undefined
  if (patch.accountEnabled !== undefined && patch.accountEnabled !== user.accountEnabled) {
    user.accountEnabled = patch.accountEnabled
    if (!patch.accountEnabled) endGrants(user)
  }
  if (patch.password !== undefined) {
    user.password = patch.password
    user.passwordChangedAt = world.clock.now()
    user.browserGeneration++
    if (patch.by === 'admin') endGrants(user)
  }
  if (patch.deleted !== undefined && patch.deleted !== user.deleted) {
    user.deleted = patch.deleted
    if (patch.deleted) endGrants(user)
  }
  if (patch.revokeSessions) revokeSessions(world, user)
  announce(world, user, patch)
}

/** Ends the sessions of the user's applications and browsers. Graph shows the moment. */
export function revokeSessions(world: World, user: User): void {
  endGrants(user)
  user.sessionsValidFrom = world.clock.now()
}

function endGrants(user: User): void {
  user.grantGeneration++
  user.browserGeneration++
}

/**
 * Notifies Graph's subscribers. App roles and MFA methods are not properties of the user, so Graph
 * sends no notification of them.
 */
function announce(world: World, user: User, patch: UserPatch): void {
  if (patch.deleted) return world.changed(user, 'deleted')
  const seen =
    patch.accountEnabled !== undefined ||
    patch.password !== undefined ||
    patch.name !== undefined ||
    patch.deleted !== undefined
  if (seen || (patch.revokeSessions && world.switches.revokeNotifies))
    world.changed(user, 'updated')
}
