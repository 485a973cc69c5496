import type { Client } from '../protocol/client-metadata.ts'
import { OAuthError } from '../protocol/error.ts'
import type { AuthenticateDeps } from './authenticate-deps.ts'
import { authenticateClient } from './authenticate.ts'
import { signedByClient } from './assertion.ts'
import type { ClientCredentialsInput } from './interface.ts'

/**
 * Whether the credentials that opened something that lasts would still open it: a client, secret or key that was removed would not. An assertion
 * is valid once and for minutes (RFC 7523 §3), so only its key counts here.
 */
export async function stillAuthenticated(deps: AuthenticateDeps, client: Client, input: ClientCredentialsInput): Promise<boolean> {
  const assertion = input.params.get('client_assertion')
  if (assertion !== undefined) {
    const now = deps.clients.find(client.clientId)
    return now?.metadata.authMethod === 'private_key_jwt' && (await signedByClient(deps, now, assertion, input.now)) === 'good'
  }
  try {
    return (await authenticateClient(deps, input)).clientId === client.clientId
  } catch (error) {
    if (error instanceof OAuthError) return false
    throw error
  }
}
