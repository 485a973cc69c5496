import type { ServerResponse } from 'node:http'
import type { Requirement } from './authorize.ts'
import type { AccessClaims } from './claims.ts'
import { keepClaims } from './claims-of.ts'
import type { Guard } from './guard.ts'
import {
  receiveLogout as answerLogout,
  requireToken as claimsFor,
  type NodeRequest,
} from './node.ts'

export { claimsOf } from './claims-of.ts'
export { holdConnection } from './node.ts'

type Next = (error?: unknown) => void

/**
 * Admits a request whose bearer token is valid, and keeps its claims for `claimsOf(req)`:
 * `app.use('/api', requireToken(guard))`.
 */
export function requireToken(guard: Pick<Guard, 'authorize'>, requirement?: Requirement) {
  const authorize = claimsFor(guard, requirement)
  return async (request: NodeRequest, response: ServerResponse, next: Next): Promise<void> => {
    let claims: AccessClaims | undefined
    try {
      claims = await authorize(request, response)
    } catch (error) {
      return next(error)
    }
    if (claims === undefined) return
    keepClaims(request, claims)
    next()
  }
}

/**
 * Answers logout tokens, before or after a parser of forms: `app.post('/oidc/backchannel-logout',
 * receiveLogout(guard))`.
 */
export function receiveLogout(guard: Pick<Guard, 'receiveLogout'>) {
  const answer = answerLogout(guard)
  return async (request: NodeRequest, response: ServerResponse, next: Next): Promise<void> => {
    try {
      await answer(request, response)
    } catch (error) {
      next(error)
    }
  }
}
