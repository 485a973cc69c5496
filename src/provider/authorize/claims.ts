import { OAuthError } from '../../protocol/error.ts'
import { ACR_MFA } from '../../protocol/names.ts'
import { canBeStored } from '../../protocol/stored-text.ts'
import { type Strength, STRENGTHS, weakestOf } from '../../protocol/strength.ts'

/**
 * The claims parameter (OpenID Connect Core 1.0 §5.5): its effects on the sign-in and on the
 * scopes.
 */
interface ClaimsAsked {
  authTime: boolean
  acr: Strength | undefined
  sub: string | undefined
  /**
   * The scopes that contain the requested claims (§5.4). A client gets all claims of such a scope.
   */
  scopes: string[]
}

/** The scope of each claim, in userinfo and the ID token (§5.4). */
const SCOPE_OF: Readonly<Record<string, string>> = {
  name: 'profile',
  preferred_username: 'profile',
  email: 'email',
  email_verified: 'email',
}

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Reads the claims parameter.
 * @throws OAuthError invalid_request; unmet_authentication_requirements for an essential acr that
 * the broker does not support
 */
export function readClaims(parameter: string | undefined): ClaimsAsked {
  const { idToken, userinfo } =
    parameter === undefined ? { idToken: {}, userinfo: {} } : members(parameter)
  const sub = isObject(idToken.sub) ? idToken.sub.value : undefined
  if (sub !== undefined && !(typeof sub === 'string' && canBeStored(sub)))
    throw new OAuthError(
      'invalid_request',
      'In the claims parameter, the value of sub must be a string without a NUL character (U+0000).',
    )
  const named = [...Object.keys(idToken), ...Object.keys(userinfo)]
  const scopes = named.flatMap((claim) =>
    Object.hasOwn(SCOPE_OF, claim) ? (SCOPE_OF[claim] ?? []) : [],
  )
  return {
    authTime: Object.hasOwn(idToken, 'auth_time'),
    acr: demandedBy(idToken.acr),
    sub,
    scopes,
  }
}

function members(parameter: string): { idToken: Json; userinfo: Json } {
  let claims: unknown
  try {
    claims = JSON.parse(parameter)
  } catch {
    // The error is thrown below: the parser's own text would quote the request.
  }
  if (!isObject(claims))
    throw new OAuthError('invalid_request', 'The claims parameter must be a JSON object.')
  return {
    idToken: isObject(claims.id_token) ? claims.id_token : {},
    userinfo: isObject(claims.userinfo) ? claims.userinfo : {},
  }
}

/**
 * Returns the strength that is essential, MFA where no value is named. A voluntary acr (§5.5.1)
 * demands nothing.
 */
function demandedBy(acr: unknown): Strength | undefined {
  if (!isObject(acr) || acr.essential !== true) return undefined
  const named = [acr.value, Array.isArray(acr.values) ? (acr.values as unknown[]) : undefined]
    .flat()
    .filter((value) => value !== undefined)
  if (named.length === 0) return ACR_MFA
  const demanded = weakestOf(named)
  if (demanded === undefined)
    throw new OAuthError(
      'unmet_authentication_requirements',
      `Unsupported acr. Supported values: ${STRENGTHS.join(', ')}.`,
    )
  return demanded
}
