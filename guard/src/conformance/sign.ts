import {
  constants,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  randomUUID,
  sign,
  verify,
  type webcrypto,
} from 'node:crypto'
import type { ProofSpec, TokenSpec } from './shapes.ts'

/** Signs the valid and invalid tokens of the vectors, with the fixed test keys of the kit. */

export const CLIENT = {
  client_id: 'conformance',
  client_secret: 'a secret: with / and %',
  audience: 'https://conformance.example',
}
/** The name in keys.json of the client's own key, for private_key_jwt. */
export const CLIENT_KEY = 'client'
/** The address by which clients reach the API of the guard, for the `htu` of proofs. */
export const API = 'https://api.example'
export const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout'

export type Keys = Readonly<Record<string, webcrypto.JsonWebKey & { kid: string; alg: string }>>
export interface Signing {
  keys: Keys
  issuer: string
  /** Epoch seconds. */
  now: number
}

/** Claims whose value in a vector is relative to the current time. */
const TIMES = ['iat', 'exp', 'nbf', 'auth_time']

const ACCESS = {
  key: 'es-1',
  header: { typ: 'at+jwt' },
  claims: {
    aud: CLIENT.audience,
    sub: 'u_1',
    client_id: CLIENT.client_id,
    sid: 's_1',
    tid: 't_1',
    rev: 100,
    iat: 0,
    exp: 300,
    scope: 'openid profile',
    roles: ['CaseManager.User'],
  },
}
const LOGOUT = {
  key: 'rs-1',
  header: { typ: 'logout+jwt' },
  claims: {
    aud: CLIENT.client_id,
    sid: 's_logout',
    rev: 101,
    iat: 0,
    exp: 120,
    events: { [LOGOUT_EVENT]: {} },
  },
}

export function signToken(
  kind: 'access' | 'logout',
  spec: TokenSpec,
  { issuer, keys, now }: Signing,
): string {
  if (spec.text !== undefined) return spec.text
  const base = kind === 'access' ? ACCESS : LOGOUT
  const key = keyOf(keys, spec.key ?? base.key)
  const header = { alg: key.alg, kid: key.kid, ...base.header, ...spec.header }
  const claims = present({ iss: issuer, jti: randomUUID(), ...base.claims, ...spec.claims })
  // The address of the fake broker is known only now.
  for (const [name, value] of Object.entries(claims))
    if (typeof value === 'string')
      claims[name] = value === '$NULL' ? null : value.replace('$ISSUER', issuer)
  return jwtOf(header, claims, key, now)
}

/** The request that a proof is for, with the access token that it brings. */
export interface Proved {
  method: string
  path: string
  token: string
}

/** Returns a DPoP proof, valid or not (RFC 9449 §4.2). */
export function signProof(
  spec: ProofSpec,
  { method, path, token }: Proved,
  { keys, now }: Pick<Signing, 'keys' | 'now'>,
): string {
  const key = keyOf(keys, spec.key ?? 'proof')
  const jwk = publicPart(spec.jwk === undefined ? key : keyOf(keys, spec.jwk))
  const header = { typ: 'dpop+jwt', alg: key.alg, jwk, ...spec.header }
  const claims = present({
    jti: randomUUID(),
    htm: method,
    htu: API + path.replace(/\?.*/, ''),
    ath: createHash('sha256').update(token).digest('base64url'),
    iat: 0,
    ...spec.claims,
  })
  const made = jwtOf(header, claims, key, now)
  return spec.text?.replaceAll('$PROOF', made) ?? made
}

function keyOf(keys: Keys, name: string): Keys[string] {
  const key = keys[name]
  if (key === undefined)
    throw new Error(`The vectors name a key that keys.json does not have: ${name}.`)
  return key
}

function jwtOf(
  given: Record<string, unknown>,
  claims: Record<string, unknown>,
  key: Keys[string],
  now: number,
): string {
  const header = present(given)
  const timed = Object.entries(claims).map(([name, value]) => [
    name,
    TIMES.includes(name) && typeof value === 'number' ? value + now : value,
  ])
  const input = `${encode(header)}.${encode(Object.fromEntries(timed))}`
  return `${input}.${signature(input, header['alg'], key)}`
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const present = (members: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null))

function signature(input: string, alg: unknown, key: webcrypto.JsonWebKey): string {
  if (alg === 'none') return ''
  const privateKey = createPrivateKey({ key, format: 'jwk' })
  // The public key is the secret of the MAC. A verifier without a list of algorithms accepts this
  // (RFC 8725 §2.1).
  if (alg === 'HS256')
    return createHmac('sha256', createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }))
      .update(input)
      .digest('base64url')
  return sign(digestOf(alg), Buffer.from(input), {
    key: privateKey,
    dsaEncoding: 'ieee-p1363',
    ...(alg === 'PS256' && {
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
    }),
  }).toString('base64url')
}

/** Returns the digest of an algorithm. That of EdDSA is a part of the signature. */
const digestOf = (alg: unknown): string | undefined =>
  alg === 'EdDSA' ? undefined : alg === 'ES384' ? 'sha384' : 'sha256'

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const ASSERTION_SECONDS = 300

/**
 * Verifies an assertion (RFC 7523 §3). Returns its `jti`, which the caller accepts once, or
 * undefined if it is not valid.
 */
export function assertionId(
  given: (name: string) => unknown,
  { issuer, keys, now }: Signing,
): string | undefined {
  const key = keys[CLIENT_KEY]
  const [header = '', claims = '', signed = ''] = String(given('client_assertion')).split('.')
  if (given('client_assertion_type') !== ASSERTION_TYPE || key === undefined) return undefined
  const isSigned = verify(
    'sha256',
    Buffer.from(`${header}.${claims}`),
    { key: createPublicKey(createPrivateKey({ key, format: 'jwk' })), dsaEncoding: 'ieee-p1363' },
    Buffer.from(signed, 'base64url'),
  )
  if (!isSigned) return undefined
  const { alg, kid } = decoded(header)
  const { aud, exp, iss, jti, sub } = decoded(claims)
  const isOurs =
    alg === key.alg &&
    kid === key.kid &&
    iss === CLIENT.client_id &&
    sub === CLIENT.client_id &&
    aud === issuer
  const isInTime = typeof exp === 'number' && exp > now && exp <= now + ASSERTION_SECONDS
  return isOurs && isInTime && typeof jti === 'string' ? jti : undefined
}

const decoded = (part: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>

/** Returns the public part of a key, as the JWKS publishes it. */
export const publicJwk = (key: Keys[string]): Record<string, unknown> => ({
  ...publicPart(key),
  kid: key.kid,
  alg: key.alg,
  use: 'sig',
})

const publicPart = (key: Keys[string]): object =>
  createPublicKey(createPrivateKey({ key, format: 'jwk' })).export({ format: 'jwk' })
