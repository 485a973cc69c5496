import type { Deps } from '../deps.ts'
import { TYP } from '../../protocol/names.ts'
import { tryParams } from '../../protocol/params.ts'

/**
 * Reads and checks a request of OpenID Connect RP-Initiated Logout 1.0 §2. `logout_hint` is
 * ignored.
 */

/** The reason for rejecting a request. The answer is a page and never a redirect (§4). */
type Rejection =
  | 'malformed'
  /** The hint is not an ID token of the broker, or its client was removed. */
  | 'hint'
  /** `client_id` is unknown, or not the one that the ID token was issued to (§2). */
  | 'client'
  /** The address is not an exact match with one that the client registered (§3). */
  | 'address'
  /** An address without a client that it belongs to. */
  | 'address_without_client'

export type Checked =
  | { request: LogoutRequest; rejection?: undefined }
  | { request?: undefined; rejection: Rejection }

/** A checked sign-out request. */
export interface LogoutRequest {
  /** The requesting instance. */
  clientId?: string | undefined
  /** The user that its ID token names; undefined without an ID token. */
  hint?: { sub: string; sid?: string | undefined } | undefined
  /** An exact match with an address that the client registered. */
  returnTo?: string | undefined
  state?: string | undefined
}

/** Upper bound of address and state together: a cookie and a URL hold them. */
const MOST_BYTES = 1500

export async function checkRequest(
  deps: Pick<Deps, 'keys' | 'clients'>,
  query: URLSearchParams,
  now: number,
): Promise<Checked> {
  const params = tryParams(query)
  if (params === undefined) return { rejection: 'malformed' }
  const named = params.get('client_id')
  const jwt = params.get('id_token_hint')
  const hint = jwt === undefined ? undefined : await readHint(deps, jwt, now)
  if (jwt !== undefined && hint === undefined) return { rejection: 'hint' }
  if (hint !== undefined && named !== undefined && !hint.audience.includes(named))
    return { rejection: 'client' }

  const clientId = named ?? hint?.audience[0]
  const client = clientId === undefined ? undefined : deps.clients.find(clientId)
  if (clientId !== undefined && client === undefined)
    return { rejection: named === undefined ? 'hint' : 'client' }

  const returnTo = params.get('post_logout_redirect_uri')
  // Drops a state without a redirect address: no client would read it.
  const state = returnTo === undefined ? undefined : params.get('state')
  if (returnTo !== undefined && client === undefined) return { rejection: 'address_without_client' }
  if (returnTo !== undefined && client?.metadata.postLogoutRedirectUris.includes(returnTo) !== true)
    return { rejection: 'address' }
  if (Buffer.byteLength(`${returnTo ?? ''}${state ?? ''}`) > MOST_BYTES)
    return { rejection: 'malformed' }
  return { request: { clientId, hint: hint?.who, returnTo, state } }
}

/**
 * Reads an ID token of the broker, expired or not (§4). It does not prove that the sender is its
 * user.
 */
async function readHint(deps: Pick<Deps, 'keys'>, jwt: string, now: number) {
  const claims = await deps.keys.verify(jwt, { typ: TYP.idToken, now, allowExpired: true })
  if (claims === undefined || typeof claims.sub !== 'string') return undefined
  const audience = (Array.isArray(claims.aud) ? claims.aud : [claims.aud]).filter(
    (candidate): candidate is string => typeof candidate === 'string',
  )
  if (audience.length === 0) return undefined
  return {
    audience,
    who: { sub: claims.sub, sid: typeof claims.sid === 'string' ? claims.sid : undefined },
  }
}
