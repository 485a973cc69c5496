import type { AccessClaims } from './claims.ts'

const claims = new WeakMap<object, AccessClaims>()

/** For the middleware of a framework: which token came with a request. */
export const keepClaims = (request: object, of: AccessClaims): void => void claims.set(request, of)

/**
 * The claims of the token that `requireToken` has let through with this request.
 * @throws Error where it did not run
 */
export function claimsOf(request: object): AccessClaims {
  const found = claims.get(request)
  if (found === undefined)
    throw new Error(
      'This request did not pass requireToken: put requireToken(guard) before this handler.',
    )
  return found
}
