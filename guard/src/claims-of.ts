import type { AccessClaims } from './claims.ts'

const claims = new WeakMap<object, AccessClaims>()

/**
 * Keeps the claims of a request's token for `claimsOf`, for frameworks without a place for them.
 */
export const keepClaims = (request: object, of: AccessClaims): void => void claims.set(request, of)

/**
 * Returns the claims of the token with which `requireToken` admitted this request.
 * @throws Error if `requireToken` did not run
 */
export function claimsOf(request: object): AccessClaims {
  const found = claims.get(request)
  if (found === undefined)
    throw new Error(
      'This request did not pass requireToken: put requireToken(guard) before this handler.',
    )
  return found
}
