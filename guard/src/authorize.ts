import type { AccessClaims, CheckResult } from './claims.ts'
import type { StepUp, Strength } from './strength.ts'

export interface Requirement extends Strength {
  /** Scopes, all of which the token must have. */
  scope?: string | readonly string[] | undefined
  /** App roles, one of which it must have. */
  anyRole?: readonly string[] | undefined
}

/** The part of a web `Request` that `authorize` reads. */
export interface HasHeaders {
  headers: { get(name: string): string | null }
}

export type Authorized = { ok: true; claims: AccessClaims } | { ok: false; response: Response }

interface Checks {
  check(token: string): Promise<CheckResult>
  stepUp(claims: AccessClaims, demand: Strength): StepUp | undefined
}

/**
 * Checks the bearer token of a request, which only the `Authorization` header may hold (RFC 6750
 * §2.1). Answers a request without a valid token as §3 says.
 */
export async function authorize(
  { check, stepUp }: Checks,
  request: HasHeaders,
  requirement: Requirement = {},
): Promise<Authorized> {
  const header = request.headers.get('authorization')
  // §3.1: a request without credentials gets the challenge without an error code.
  if (header === null || !/^bearer(?: |$)/i.test(header))
    return rejection(401, undefined, 'Send an access token: Authorization: Bearer …')
  const token = header.slice(7).trim()
  if (!/^[A-Za-z0-9\-._~+/]+=*$/.test(token))
    return rejection(400, 'invalid_request', 'The Authorization header holds no bearer token.')
  const result = await check(token)
  if (!result.ok) return rejection(result.status, result.error, result.description)
  const scopes =
    typeof requirement.scope === 'string' ? requirement.scope.split(' ') : (requirement.scope ?? [])
  const granted = new Set(result.claims.scope?.split(' '))
  const missing = scopes.filter((scope) => !granted.has(scope))
  if (missing.length > 0)
    return rejection(403, 'insufficient_scope', `The token lacks the scope ${missing.join(' ')}.`, {
      scope: scopes.join(' '),
    })
  if (
    requirement.anyRole !== undefined &&
    !requirement.anyRole.some((role) => result.claims.roles?.includes(role))
  )
    return rejection(403, 'insufficient_scope', 'The user has none of the roles that this needs.')
  const missed = stepUp(result.claims, requirement)
  if (missed !== undefined) return rejection(401, UNMET, STEP_UP, missed)
  return result
}

/** Returns the value of `WWW-Authenticate` for a rejected token (RFC 6750 §3, RFC 9470 §3). */
export const challenge = (error: string, description: string, more: object = {}): string =>
  `Bearer ${Object.entries({ error, error_description: description, ...more })
    .map(([name, value]) => `${name}="${value}"`)
    .join(', ')}`

/** The error of a token that shows no authentication as an act demands it. */
export const UNMET = 'insufficient_user_authentication'
/** RFC 9470 §3: the client asks for the demanded authentication, and comes with a new token. */
export const STEP_UP = 'The user must authenticate more strongly, or again.'

function rejection(
  status: number,
  error: string | undefined,
  description: string,
  more: object = {},
): Authorized {
  const headers: Record<string, string> = { 'cache-control': 'no-store' }
  if (status === 503) headers['retry-after'] = '1'
  else {
    headers['www-authenticate'] =
      error === undefined ? 'Bearer' : challenge(error, description, more)
  }
  return {
    ok: false,
    response: Response.json(
      { error: error ?? 'unauthorized', error_description: description },
      { status, headers },
    ),
  }
}
