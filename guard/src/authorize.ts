import type { AccessClaims, CheckResult, Rejection } from './claims.ts'
import { DPOP_ALGS, type Presented } from './proofs.ts'
import type { StepUp, Strength } from './strength.ts'

export interface Requirement extends Strength {
  /** Scopes, all of which the token must have. */
  scope?: string | readonly string[] | undefined
  /** App roles, one of which it must have. */
  anyRole?: readonly string[] | undefined
}

/** The part of a web `Request` that `authorize` reads. */
export interface HasHeaders {
  /** Needed for a token that is bound to a key, as is `url`: an address, of which only the path counts. */
  method?: string | undefined
  url?: string | undefined
  headers: { get(name: string): string | null }
}

export type Authorized = { ok: true; claims: AccessClaims } | { ok: false; response: Response }

interface Checks {
  check(token: string, presented?: Presented): Promise<CheckResult>
  stepUp(claims: AccessClaims, demand: Strength): StepUp | undefined
}

export type Scheme = 'Bearer' | 'DPoP'

/**
 * Checks the access token of a request, which only the `Authorization` header may hold (RFC 6750
 * §2.1). Answers a request without a valid token as §3 and RFC 9449 §7.1 say.
 */
export async function authorize(
  { check, stepUp }: Checks,
  publicAddresses: readonly string[],
  request: HasHeaders,
  requirement: Requirement = {},
): Promise<Authorized> {
  const header = request.headers.get('authorization')
  const [, named, rest = ''] = /^(bearer|dpop)(?: (.*))?$/is.exec(header ?? '') ?? []
  if (named === undefined)
    return rejected(
      401,
      'Send an access token: Authorization: Bearer …',
      challengeWithoutToken(publicAddresses),
    )
  const scheme: Scheme = named.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer'
  const rejection = (status: number, error: string, description: string, more?: object) =>
    rejected(status, description, challenge(scheme, error, description, more), error)
  const token = rest.trim()
  if (!/^[A-Za-z0-9\-._~+/]+=*$/.test(token))
    return rejection(400, 'invalid_request', `The Authorization header holds no ${scheme} token.`)
  const result = await check(
    token,
    scheme === 'DPoP' ? presentedBy(request, publicAddresses) : undefined,
  )
  if (!result.ok) {
    const { description, error, status } = result
    return rejected(status, description, challengeOf(result, scheme), error)
  }
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

const presentedBy = (request: HasHeaders, publicAddresses: readonly string[]): Presented => ({
  proof: request.headers.get('dpop') ?? undefined,
  method: request.method ?? '',
  addresses: addressesOf(publicAddresses, request.url),
})

/**
 * Returns the addresses by which a client can have sent a request: its path below each public
 * address.
 * @param url the path, or an address, of which only the path counts
 */
export function addressesOf(publicAddresses: readonly string[], url = ''): string[] {
  const path = URL.canParse(url) ? new URL(url).pathname : url
  return path.startsWith('/') ? publicAddresses.map((address) => address + path) : []
}

/**
 * Returns the value of `WWW-Authenticate` for a request without credentials: RFC 6750 §3.1 wants no
 * error code.
 */
export const challengeWithoutToken = (publicAddresses: readonly string[]): string =>
  publicAddresses.length === 0 ? 'Bearer' : `Bearer, DPoP ${parameters(DPOP_ALGS)}`

/** Returns the value for a rejected token (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3). */
export const challenge = (
  scheme: Scheme,
  error: string,
  description: string,
  more: object = {},
): string => {
  const algs = scheme === 'DPoP' ? DPOP_ALGS : {}
  return `${scheme} ${parameters({ error, error_description: description, ...more, ...algs })}`
}

/** Returns the challenge for the result of a check. A token that needs a proof asks for one. */
export const challengeOf = ({ description, error, why }: Rejection, scheme: Scheme): string =>
  challenge(why === 'proof' ? 'DPoP' : scheme, error, description)

const parameters = (members: object): string =>
  Object.entries(members)
    .map(([name, value]) => `${name}="${String(value)}"`)
    .join(', ')

/** The error of a token that shows no authentication as an act demands it. */
export const UNMET = 'insufficient_user_authentication'
/** RFC 9470 §3: the client asks for the demanded authentication, and comes with a new token. */
export const STEP_UP = 'The user must authenticate more strongly, or again.'

function rejected(
  status: number,
  description: string,
  challenge: string,
  error = 'unauthorized',
): Authorized {
  const headers: Record<string, string> = { 'cache-control': 'no-store' }
  if (status === 503) headers['retry-after'] = '1'
  else headers['www-authenticate'] = challenge
  return {
    ok: false,
    response: Response.json({ error, error_description: description }, { status, headers }),
  }
}
