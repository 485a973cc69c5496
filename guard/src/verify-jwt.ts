import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from 'jose'
import type { Why } from './claims.ts'
import { ALGORITHMS, type Algorithm, type KeySet } from './keys.ts'
import { quoted } from './quoted.ts'

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
  | {
      ok: false
      why: Why
      /** Names what was expected and received. Fit for `error_description`. */
      description: string
      /** `false`: the key was not found, but the issuer could not be asked for it just now. */
      certain: boolean
      /** Only the time is wrong: signature, issuer and audience are valid. A wrong clock gives the same result. */
      claims?: JWTPayload
    }

/** Longer than any that we accept by far. */
const MAX_LENGTH = 16 * 1024

const refuse = (why: Why, description: string, certain = true): VerifiedJwt => ({ ok: false, why, description, certain })
const time = (seconds: unknown): string =>
  typeof seconds === 'number' ? new Date(seconds * 1000).toISOString().replace('.000Z', 'Z') : quoted(seconds)

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
    return refuse('algorithm', `It is signed with ${quoted(alg)}; expected is ${(expected.algorithms ?? ALGORITHMS).join(' or ')}.`)
  if (typ === undefined ? expected.typMayBeAbsent !== true : !sameTyp(typ, expected.typ))
    return refuse('type', `Its typ must be ${expected.typ}, and is ${typ === undefined ? 'absent' : quoted(typ)}.`)
  if (typeof kid !== 'string') return refuse('unknown_key', 'Its header names no key (kid).')
  const found = await keys.find(kid, alg as Algorithm)
  if (found.key === undefined)
    return refuse('unknown_key', `It is signed with a key that the issuer does not publish: kid ${quoted(kid)}.`, found.certain)
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
      return byTime('not_yet_valid', `Its iat is in the future: ${time(payload.iat)}, and here it is ${time(expected.now)}.`, payload)
    return { ok: true, kid, claims: payload }
  } catch (error) {
    return explain(error, expected)
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

const byTime = (why: 'expired' | 'not_yet_valid', description: string, claims: JWTPayload): VerifiedJwt => ({
  ok: false,
  why,
  description,
  certain: true,
  claims,
})

function explain(error: unknown, expected: ExpectedJwt): VerifiedJwt {
  if (error instanceof errors.JWTExpired)
    return byTime('expired', `It has expired at ${time(error.payload.exp)}, and here it is ${time(expected.now)}.`, error.payload)
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, payload } = error
    if (claim === 'iss') return refuse('issuer', `It is of issuer ${quoted(payload.iss)}; expected is ${quoted(expected.issuer)}.`)
    if (claim === 'aud') return refuse('audience', `It is meant for audience ${quoted(payload.aud)}; expected is ${quoted(expected.audience)}.`)
    if (claim === 'nbf' && typeof payload.nbf === 'number')
      return byTime('not_yet_valid', `It is not valid before ${time(payload.nbf)}, and here it is ${time(expected.now)}.`, payload)
    const value = payload[claim]
    return refuse('claims', value === undefined ? `Its claim ${claim} is missing.` : `Its claim ${claim} must be a number, and is ${quoted(value)}.`)
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return refuse('signature', 'Its signature is not good.')
  // `crit`, a payload that is not JSON, a broken encoding: whatever jose says of it, it is not a token of ours.
  if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof SyntaxError) {
    return refuse('malformed', 'This is not a JWT that can be read.')
  }
  throw error
}
