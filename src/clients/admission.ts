import { type Client, isPublic } from '../protocol/client-metadata.ts'
import type { User } from '../../db/types.ts'

/**
 * Whether a user may use an instance: its tenants, its app role. Asked at every sign-in, refresh
 * and exchange, because roles and registrations change while sessions live.
 */
export function admits(
  client: Client,
  whom: { user: Pick<User, 'tid'>; roles: readonly string[] },
): boolean {
  const { tenants, appRole } = client.metadata
  return (
    (tenants === undefined || tenants.includes(whom.user.tid)) &&
    (appRole === undefined || whom.roles.includes(appRole))
  )
}

/** RFC 8707 §2: which audience a client asks for. Undefined where it may not have that one. */
export function audienceFor(client: Client, resource: string | undefined): string | undefined {
  const { audience, resources } = client.metadata
  if (resource === undefined || resource === audience) return audience
  return resources.includes(resource) ? resource : undefined
}

const LOOPBACK_PORT = /(?<=^http:\/\/(?:127\.0\.0\.1|\[::1\])):\d{1,5}(?=[/?]|$)/

/**
 * Whether codes of a client may be sent there: an exact match (RFC 9700 §4.1.3), except that a
 * public client which is registered with a loopback address without a port may use any port there
 * (RFC 8252 §7.3).
 */
export const redirectsTo = (client: Client, address: string): boolean =>
  [
    address,
    ...(isPublic(client) && URL.canParse(address) ? [address.replace(LOOPBACK_PORT, '')] : []),
  ].some((each) => client.metadata.redirectUris.includes(each))
