import type { Client } from '../protocol/client-metadata.ts'
import type { User } from '../../db/types.ts'

/**
 * Whether a user may use an instance: its tenants, its app role. Asked at every sign-in, refresh and exchange, because roles and
 * registrations change while sessions live.
 */
export function admits(client: Client, whom: { user: Pick<User, 'tid'>; roles: readonly string[] }): boolean {
  const { tenants, appRole } = client.metadata
  return (tenants === undefined || tenants.includes(whom.user.tid)) && (appRole === undefined || whom.roles.includes(appRole))
}

/** RFC 8707 §2: which audience a client asks for. Undefined where it may not have that one. */
export function audienceFor(client: Client, resource: string | undefined): string | undefined {
  const { audience, resources } = client.metadata
  if (resource === undefined || resource === audience) return audience
  return resources.includes(resource) ? resource : undefined
}
