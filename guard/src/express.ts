import type { ServerResponse } from 'node:http'
import type { Requirement } from './authorize.ts'
import type { AccessClaims } from './claims.ts'
import { keepClaims } from './claims-of.ts'
import type { Guard } from './guard.ts'
import {
  checkSessions as judgeFor,
  receiveLogout as answerLogout,
  requireToken as claimsFor,
  type NodeRequest,
} from './node.ts'
import { keepEnd, type OwnSessions, type SessionGuard } from './own-sessions.ts'

export { claimsOf } from './claims-of.ts'
export { endedOf } from './own-sessions.ts'
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
 * Judges the session of each request, behind what reads it: `app.use(checkSessions(guard, { claims,
 * end }))`. Then `endedOf(req)` says why a session has ended.
 */
export function checkSessions<
  Req extends NodeRequest = NodeRequest,
  Res extends ServerResponse = ServerResponse,
>(guard: SessionGuard, own: OwnSessions<[request: Req, response: Res]>) {
  const check = judgeFor(guard, own)
  return async (request: Req, response: Res, next: Next): Promise<void> => {
    try {
      const judged = await check(request, response)
      if (judged === undefined) return
      if (judged.ended !== undefined) keepEnd(request, judged.ended)
    } catch (error) {
      return next(error)
    }
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
