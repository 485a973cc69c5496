import type { ClientMetadata } from '../protocol/client-metadata.ts'

/** Addresses that pages link to. */

/** The address that starts a sign-in with another account for a user who is signed in. */
export const ANOTHER_ACCOUNT = '/signin/start?return_to=/&account=another'

/** The console of one tenant, for its own administrators. */
export const TENANT_CONSOLE = '/tenant'

/** Returns the app's home address if a browser may be sent there. */
export const homeOf = ({ uri }: Pick<ClientMetadata, 'uri'>): string | undefined =>
  uri !== undefined && /^https?:\/\//.test(uri) ? uri : undefined

/**
 * Returns the address at which the app starts a new sign-in with a new `state` (OpenID Connect Core
 * 1.0 §4), because the old one may have expired or been used. Undefined if the app has not
 * registered one.
 */
export function startsAnew(
  { initiateLoginUri }: Pick<ClientMetadata, 'initiateLoginUri'>,
  issuer: string,
): string | undefined {
  if (initiateLoginUri === undefined) return undefined
  return `${initiateLoginUri}${initiateLoginUri.includes('?') ? '&' : '?'}${new URLSearchParams({ iss: issuer })}`
}
