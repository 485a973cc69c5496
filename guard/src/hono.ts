import type { Requirement } from './authorize.ts'
import type { AccessClaims } from './claims.ts'
import type { Guard } from './guard.ts'

/** The part of Hono's context that is used. The package depends on no framework. */
interface Context {
  req: { raw: Request }
  set(key: string, value: unknown): void
}

/** The type parameter of `new Hono<GuardVariables>()`, which gives `c.get('claims')` its type. */
export interface GuardVariables {
  Variables: { claims: AccessClaims }
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

/** Answers logout tokens: `app.post('/oidc/backchannel-logout', receiveLogout(guard))`. */
export function receiveLogout(guard: Pick<Guard, 'receiveLogout'>) {
  return (c: { req: { raw: Request } }): Promise<Response> => guard.receiveLogout(c.req.raw)
}
