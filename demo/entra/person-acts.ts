import { z } from 'zod'
import type { Person } from './people.ts'
import type { World } from './world.ts'

/** What becomes of an account, and what of its grants that ends: exactly the causes Microsoft documents for confidential clients. */

export const personPatch = z.strictObject({
  accountEnabled: z.boolean().optional(),
  revokeSessions: z.literal(true).optional(),
  mfa: z.enum(['none', 'authenticator']).optional(),
  assigned: z.boolean().optional(),
  deleted: z.boolean().optional(),
  password: z.string().min(1).max(200).optional(),
  /** A reset by an administrator kills refresh tokens; a change by the person does not. */
  by: z.enum(['user', 'admin']).optional(),
  roles: z.array(z.string()).optional(),
  wids: z.array(z.string()).optional(),
  name: z.string().min(1).max(200).optional(),
})
export type PersonPatch = z.infer<typeof personPatch>

export function changePerson(world: World, person: Person, patch: PersonPatch): void {
  if (patch.mfa !== undefined) person.mfa = patch.mfa
  if (patch.assigned !== undefined) person.assigned = patch.assigned
  if (patch.roles !== undefined) person.roles = patch.roles
  if (patch.wids !== undefined) person.wids = patch.wids
  if (patch.name !== undefined) person.name = patch.name
  if (patch.accountEnabled !== undefined && patch.accountEnabled !== person.accountEnabled) {
    person.accountEnabled = patch.accountEnabled
    if (!patch.accountEnabled) endGrants(person)
  }
  if (patch.password !== undefined) {
    person.password = patch.password
    person.browserGeneration++
    if (patch.by === 'admin') endGrants(person)
  }
  if (patch.deleted !== undefined && patch.deleted !== person.deleted) {
    person.deleted = patch.deleted
    if (patch.deleted) endGrants(person)
  }
  if (patch.revokeSessions) revokeSessions(world, person)
  announce(world, person, patch)
}

/** Of the person's applications and browsers alike. Graph shows the moment. */
export function revokeSessions(world: World, person: Person): void {
  endGrants(person)
  person.sessionsValidFrom = world.clock.now()
}

function endGrants(person: Person): void {
  person.grantGeneration++
  person.browserGeneration++
}

/** App roles and methods are no property of the user: nobody is notified of them. */
function announce(world: World, person: Person, patch: PersonPatch): void {
  if (patch.deleted) return world.changed(person, 'deleted')
  const seen = patch.accountEnabled !== undefined || patch.password !== undefined || patch.name !== undefined || patch.deleted !== undefined
  if (seen || (patch.revokeSessions && world.switches.revokeNotifies)) world.changed(person, 'updated')
}
