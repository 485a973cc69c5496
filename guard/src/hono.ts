import type { Requirement } from './authorize.ts'
import type { AccessClaims } from './claims.ts'
import type { Guard } from './guard.ts'
import { checkOwnSession, type OwnSessions, type SessionGuard } from './own-sessions.ts'
import type { EndedSession } from './session-check.ts'

/** The part of Hono's context that is used. The package depends on no framework. */
interface Context {
  req: { raw: Request }
  set(key: string, value: unknown): void
}

/** The type parameter of `new Hono<GuardVariables>()`, which gives `c.get('claims')` its type. */
export interface GuardVariables {
  Variables: { claims: AccessClaims; ended?: EndedSession | undefined }
}

/**
 * Admits a request whose bearer token is valid, with its claims as `c.get('claims')`. Answers the
 * others (RFC 6750 §3).
 */
export function requireToken(guard: Pick<Guard, 'authorize'>, requirement?: Requirement) {
  return async (c: Context, next: () => Promise<void>): Promise<Response | undefined> => {
    const authorized = await guard.authorize(c.req.raw, requirement)
    if (!authorized.ok) return authorized.response
    c.set('claims', authorized.claims)
    await next()
    return undefined
  }
}

/**
 * Judges the session of each request: `app.use(checkSessions(guard, { claims, end }))`. Then
 * `c.get('ended')` says why a session has ended.
 */
export function checkSessions<C extends Context = Context>(
  guard: SessionGuard,
  own: OwnSessions<[c: C]>,
) {
  const check = checkOwnSession(guard, own)
  return async (c: C, next: () => Promise<void>): Promise<Response | undefined> => {
    const judged = await check(new URL(c.req.raw.url).pathname, c)
    if (judged instanceof Response) return judged
    c.set('ended', judged)
    await next()
    return undefined
  }
}

/** Answers logout tokens: `app.post('/oidc/backchannel-logout', receiveLogout(guard))`. */
export function receiveLogout(guard: Pick<Guard, 'receiveLogout'>) {
  return (c: { req: { raw: Request } }): Promise<Response> => guard.receiveLogout(c.req.raw)
}
