import type { ClientMetadata } from '../protocol/client-metadata.ts'

/** Addresses that a page may link to. */

/** Where a user who is signed in signs in with another account. */
export const ANOTHER_ACCOUNT = '/signin/start?return_to=/&account=another'

/** The console of one tenant, for its own administrators. */
export const TENANT_CONSOLE = '/tenant'

/** The app's home, only where a browser may be sent there. */
export const homeOf = ({ uri }: Pick<ClientMetadata, 'uri'>): string | undefined =>
  uri !== undefined && /^https?:\/\//.test(uri) ? uri : undefined

/**
 * Where the app starts a new sign-in, with a `state` of its own (OpenID Connect Core 1.0 §4): an
 * old one may have expired, or be used. Undefined: the app has registered no such address.
 */
export function startsAnew(
  { initiateLoginUri }: Pick<ClientMetadata, 'initiateLoginUri'>,
  issuer: string,
): string | undefined {
  if (initiateLoginUri === undefined) return undefined
  return `${initiateLoginUri}${initiateLoginUri.includes('?') ? '&' : '?'}${new URLSearchParams({ iss: issuer })}`
}
