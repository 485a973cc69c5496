import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from 'jose'
import type { Why } from './claims.ts'
import { ALGORITHMS, type Algorithm, type KeySet } from './keys.ts'

export interface ExpectedJwt {
  /** The JOSE `typ` it must have, compared as RFC 7515 §4.1.9 says. */
  typ: string
  /** Accepts one without any `typ` too. */
  typMayBeAbsent?: boolean
  issuer: string
  audience: string | string[]
  algorithms?: readonly Algorithm[]
  /** Claims that must be there, besides `iss` and `aud`. */
  required: readonly string[]
  /** Epoch seconds. */
  now: number
  toleranceSeconds: number
}

export type VerifiedJwt =
  | { ok: true; kid: string; claims: JWTPayload }
  /** `certain: false`: the key was not found, but the issuer could not be asked for it just now. */
  | { ok: false; why: Why; description: string; certain: boolean }

/** Longer than any that we accept by far. */
const MAX_LENGTH = 16 * 1024

const refuse = (why: Why, description: string, certain = true): VerifiedJwt => ({ ok: false, why, description, certain })

/**
 * Verifies a signed JWT: `typ`, an algorithm on the list, the signature by the issuer's keys, `iss`, `aud`, `exp` and `nbf`, and that `iat` is
 * not in the future (RFC 8725). What is particular to one kind of token is the caller's.
 * @throws KeysUnavailable where the issuer's keys cannot be read
 */
export async function verifyJwt(token: string, keys: KeySet, expected: ExpectedJwt): Promise<VerifiedJwt> {
  if (token.length > MAX_LENGTH) return refuse('malformed', 'The token is too long.')
  const header = readHeader(token)
  if (header === undefined) return refuse('malformed', 'This is not a signed JWT.')
  const { alg, kid, typ } = header
  if (!(expected.algorithms ?? ALGORITHMS).includes(alg as Algorithm))
    return refuse('algorithm', 'It is signed with an algorithm that is not accepted.')
  if (typ === undefined ? expected.typMayBeAbsent !== true : !sameTyp(typ, expected.typ)) return refuse('type', `Its typ must be ${expected.typ}.`)
  if (typeof kid !== 'string') return refuse('unknown_key', 'Its header names no key (kid).')
  const found = await keys.find(kid, alg as Algorithm)
  if (found.key === undefined) return refuse('unknown_key', 'It is signed with a key that the issuer does not publish.', found.certain)
  try {
    const { payload } = await jwtVerify(token, found.key, {
      algorithms: [alg as string],
      issuer: expected.issuer,
      audience: expected.audience,
      requiredClaims: [...expected.required],
      clockTolerance: expected.toleranceSeconds,
      currentDate: new Date(expected.now * 1000),
    })
    if (payload.iat !== undefined && payload.iat > expected.now + expected.toleranceSeconds)
      return refuse('not_yet_valid', 'Its iat is in the future.')
    return { ok: true, kid, claims: payload }
  } catch (error) {
    return explain(error)
  }
}

function readHeader(token: string): { alg?: unknown; kid?: unknown; typ?: unknown } | undefined {
  try {
    return decodeProtectedHeader(token)
  } catch {
    return undefined
  }
}

const bare = (typ: string): string => typ.toLowerCase().replace(/^application\//, '')
const sameTyp = (typ: unknown, expected: string): boolean => typeof typ === 'string' && bare(typ) === bare(expected)

function explain(error: unknown): VerifiedJwt {
  if (error instanceof errors.JWTExpired) return refuse('expired', 'It has expired.')
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim } = error
    if (claim === 'iss') return refuse('issuer', 'It is not from this issuer.')
    if (claim === 'aud') return refuse('audience', 'It is meant for another audience.')
    if (claim === 'nbf') return refuse('not_yet_valid', 'It is not valid yet.')
    return refuse('claims', `Its claim ${claim} is missing or not as it must be.`)
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return refuse('signature', 'Its signature is not good.')
  // `crit`, a payload that is no JSON, a broken encoding: whatever jose says of it, it is no token of ours.
  if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof SyntaxError) {
    return refuse('malformed', 'This is not a JWT that can be read.')
  }
  throw error
}
