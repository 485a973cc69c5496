import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from 'jose'
import { type Why, freeze, type AccessClaims } from './claims.ts'
import { ALGORITHMS, type Algorithm, type KeySet } from './keys.ts'
import { quoted } from './problems.ts'
import { isSeq, isText } from './selector.ts'

export interface ExpectedJwt {
  /** The JOSE `typ` that the token must have, compared as RFC 7515 §4.1.9 says. */
  typ: string
  /** True to accept a token without `typ` too. */
  typMayBeAbsent?: boolean
  issuer: string
  audience: string | string[]
  algorithms?: readonly Algorithm[]
  /** Claims that the token must have besides `iss` and `aud`. */
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
      /** The expected and the received value, in the characters of `error_description`. */
      description: string
      /** False if the key was not found, and the issuer could not be asked for it now. */
      certain: boolean
      /**
       * Present if only the time is wrong: signature, issuer and audience are valid. A wrong clock
       * gives the same result.
       */
      claims?: JWTPayload
    }

/** The longest token that is read, by far longer than any valid one. */
const MAX_LENGTH = 16 * 1024

const reject = (why: Why, description: string, certain = true): VerifiedJwt => ({
  ok: false,
  why,
  description,
  certain,
})
const time = (seconds: unknown): string =>
  typeof seconds === 'number'
    ? new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
    : quoted(seconds)

/**
 * Verifies a signed JWT: `typ`, an accepted algorithm, the signature by the issuer's keys, `iss`,
 * `aud`, `exp` and `nbf`, and that `iat` is not in the future (RFC 8725). The caller checks the
 * claims of its kind of token.
 * @throws KeysUnavailable if the issuer's keys cannot be read
 */
export async function verifyJwt(
  token: string,
  keys: KeySet,
  expected: ExpectedJwt,
): Promise<VerifiedJwt> {
  if (token.length > MAX_LENGTH) return reject('malformed', 'The token is too long.')
  const header = readHeader(token)
  if (header === undefined) return reject('malformed', 'This is not a signed JWT.')
  const { alg, kid, typ } = header
  if (!(expected.algorithms ?? ALGORITHMS).includes(alg as Algorithm))
    return reject(
      'algorithm',
      `It is signed with ${quoted(alg)}; expected is ${(expected.algorithms ?? ALGORITHMS).join(' or ')}.`,
    )
  if (typ === undefined ? expected.typMayBeAbsent !== true : !sameTyp(typ, expected.typ))
    return reject(
      'type',
      `Its typ must be ${expected.typ}, and is ${typ === undefined ? 'absent' : quoted(typ)}.`,
    )
  if (typeof kid !== 'string') return reject('unknown_key', 'Its header names no key (kid).')
  const found = await keys.find(kid, alg as Algorithm)
  if (found.key === undefined)
    return reject(
      'unknown_key',
      `It is signed with a key that the issuer does not publish: kid ${quoted(kid)}.`,
      found.certain,
    )
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
      return byTime(
        'not_yet_valid',
        `Its iat is in the future: ${time(payload.iat)}, and here it is ${time(expected.now)}.`,
        payload,
      )
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
export const sameTyp = (typ: unknown, expected: string): boolean =>
  typeof typ === 'string' && bare(typ) === bare(expected)

const byTime = (
  why: 'expired' | 'not_yet_valid',
  description: string,
  claims: JWTPayload,
): VerifiedJwt => ({
  ok: false,
  why,
  description,
  certain: true,
  claims,
})

function explain(error: unknown, expected: ExpectedJwt): VerifiedJwt {
  if (error instanceof errors.JWTExpired)
    return byTime(
      'expired',
      `It has expired at ${time(error.payload.exp)}, and here it is ${time(expected.now)}.`,
      error.payload,
    )
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, payload } = error
    if (claim === 'iss')
      return reject(
        'issuer',
        `It is of issuer ${quoted(payload.iss)}; expected is ${quoted(expected.issuer)}.`,
      )
    if (claim === 'aud')
      return reject(
        'audience',
        `It is meant for audience ${quoted(payload.aud)}; expected is ${quoted(expected.audience)}.`,
      )
    if (claim === 'nbf' && typeof payload.nbf === 'number')
      return byTime(
        'not_yet_valid',
        `It is not valid before ${time(payload.nbf)}, and here it is ${time(expected.now)}.`,
        payload,
      )
    const value = payload[claim]
    return reject(
      'claims',
      value === undefined
        ? `Its claim ${claim} is missing.`
        : `Its claim ${claim} must be a number, and is ${quoted(value)}.`,
    )
  }
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return reject('signature', 'Its signature is not good.')
  // Every other error of jose (`crit`, a payload that is not JSON, a broken encoding) means that
  // this is not a token of the broker.
  if (
    error instanceof errors.JOSEError ||
    error instanceof TypeError ||
    error instanceof SyntaxError
  ) {
    return reject('malformed', 'This is not a JWT that can be read.')
  }
  throw error
}

const REQUIRED = ['exp', 'iat', 'sub', 'client_id', 'jti', 'rev']

const optional = (value: unknown, holds: (value: unknown) => boolean): boolean =>
  value === undefined || holds(value)
const isTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.every((item) => typeof item === 'string')

const TEXT = { holds: isText, expected: 'a string that is not empty' }
const TEXT_IF_ANY = {
  holds: (value: unknown) => optional(value, isText),
  expected: 'absent or a string that is not empty',
}
const LIST_IF_ANY = {
  holds: (value: unknown) => optional(value, isTexts),
  expected: 'absent or a list of strings',
}

function isThumbprint(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { jkt, ...others } = value as Record<string, unknown>
  return typeof jkt === 'string' && /^[\w-]{43}$/.test(jkt) && Object.keys(others).length === 0
}

function isActor(value: unknown): boolean {
  if (value === undefined) return true
  if (typeof value !== 'object' || value === null) return false
  const { act, sub } = value as Record<string, unknown>
  return isText(sub) && isActor(act)
}

/**
 * The types of the claims (RFC 9068 §2.2, and the broker's own). A claim of another type would
 * match nothing when it is compared, for example with a revocation.
 */
const CLAIMS: Readonly<Record<string, { holds: (value: unknown) => boolean; expected: string }>> = {
  sub: TEXT,
  client_id: TEXT,
  jti: TEXT,
  rev: { holds: isSeq, expected: 'a whole number of 0 or more' },
  sid: TEXT_IF_ANY,
  tid: TEXT_IF_ANY,
  oid: TEXT_IF_ANY,
  acr: TEXT_IF_ANY,
  scope: {
    holds: (value) => optional(value, (scope) => typeof scope === 'string'),
    expected: 'absent or a string',
  },
  roles: LIST_IF_ANY,
  amr: LIST_IF_ANY,
  // Nothing but a thumbprint can be compared with a proof, so another binding is not accepted.
  cnf: {
    holds: (value) => optional(value, isThumbprint),
    expected: 'absent or a jkt alone (RFC 9449 §6.1)',
  },
  act: { holds: isActor, expected: 'absent or an actor with a sub (RFC 8693 §4.1)' },
}

/**
 * Verifies an access token (RFC 9068 §4). Does not check whether it is revoked.
 * @throws KeysUnavailable
 */
export async function verifyAccessToken(
  token: string,
  keys: KeySet,
  expected: { issuer: string; audience: string | string[]; now: number; toleranceSeconds: number },
): Promise<
  | { ok: true; claims: AccessClaims; kid: string }
  | { ok: false; why: Why; description: string; claims?: JWTPayload }
> {
  const verified = await verifyJwt(token, keys, {
    ...expected,
    typ: 'at+jwt',
    algorithms: ['ES256'],
    required: REQUIRED,
  })
  if (!verified.ok) return verified
  for (const [name, { holds, expected: wanted }] of Object.entries(CLAIMS)) {
    const value = verified.claims[name]
    if (!holds(value))
      return {
        ok: false,
        why: 'claims',
        description: `Its claim ${name} must be ${wanted}, and is ${quoted(value)}.`,
      }
  }
  return { ok: true, kid: verified.kid, claims: freeze(verified.claims as unknown as AccessClaims) }
}
