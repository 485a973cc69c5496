import { type Client, isPublic } from '../protocol/client-metadata.ts'
import type { User } from '../../db/types.ts'

/**
 * Returns whether a user may use an instance: the user's tenant is allowed and the user has the
 * required app role. Checked at every sign-in, refresh and exchange, because roles and
 * registrations change during a session.
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

/**
 * Returns the audience of a requested resource (RFC 8707 §2), or undefined if the client may not
 * request it.
 */
export function audienceFor(client: Client, resource: string | undefined): string | undefined {
  const { audience, resources } = client.metadata
  if (resource === undefined || resource === audience) return audience
  return resources.includes(resource) ? resource : undefined
}

const LOOPBACK_PORT = /(?<=^http:\/\/(?:127\.0\.0\.1|\[::1\])):\d{1,5}(?=[/?]|$)/

/**
 * Returns whether the client may receive codes at this address. The match is exact (RFC 9700
 * §4.1.3), except that a public client registered with a loopback address without a port may use
 * any port there (RFC 8252 §7.3).
 */
export const redirectsTo = (client: Client, address: string): boolean =>
  [
    address,
    ...(isPublic(client) && URL.canParse(address) ? [address.replace(LOOPBACK_PORT, '')] : []),
  ].some((each) => client.metadata.redirectUris.includes(each))
