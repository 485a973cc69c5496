import { hash } from 'node:crypto'
import type { User, Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { TYP } from '../../protocol/names.ts'

/** What the scopes `profile` and `email` let a client see (OpenID Connect Core §5.4). Microsoft does not prove the address, so it says so. */
export function userInfo(user: User, scope: readonly string[]): Record<string, unknown> {
  return {
    ...(scope.includes('profile') && user.name !== undefined && { name: user.name }),
    ...(scope.includes('profile') && user.username !== undefined && { preferred_username: user.username }),
    ...(scope.includes('email') && user.email !== undefined && { email: user.email, email_verified: false }),
  }
}

/** OpenID Connect Core §3.1.3.6: the left half of the access token's hash; SHA-256 for both of our algorithms. */
const atHash = (accessToken: string): string => hash('sha256', accessToken, 'buffer').subarray(0, 16).toString('base64url')

/** An ID token (OpenID Connect Core §2), signed with the algorithm that the client is registered with. It lives as long as the access token. */
export function mintIdToken(
  deps: Pick<Deps, 'keys' | 'config'>,
  input: {
    client: Client
    session: Session
    scope: readonly string[]
    nonce: string | undefined
    accessToken: string
    expiresIn: number
    now: number
  },
): string {
  const { client, session } = input
  return deps.keys.sign(client.metadata.idTokenAlg, TYP.idToken, {
    iss: deps.config.issuer,
    sub: session.sub,
    aud: client.clientId,
    exp: input.now + input.expiresIn,
    iat: input.now,
    ...(session.authTime > 0 && { auth_time: session.authTime }),
    sid: session.sid,
    at_hash: atHash(input.accessToken),
    ...(input.nonce !== undefined && { nonce: input.nonce }),
    ...(session.acr !== undefined && { acr: session.acr }),
    ...(session.amr !== undefined && { amr: session.amr }),
    ...((client.metadata.idTokenUserClaims ?? true) ? userInfo(session.user, input.scope) : {}),
  })
}
