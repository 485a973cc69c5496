import { importJWK, SignJWT, type CryptoKey, type JWK } from 'jose'
import { quoted } from './problems.ts'

/**
 * A private key as JWK. Its public half is registered with the broker (`jwks` or `jwks_uri`).
 * Default `alg`: ES256, or RS256 for an RSA key.
 */
export type ClientKey = JWK & { kid: string }

/** Returns the workload's token as the platform has issued it last. */
export type ClientAssertion = () => string | Promise<string>

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const ASSERTION_SECONDS = 60
const KEY_ALGORITHMS = ['ES256', 'RS256', 'PS256']

/**
 * The credentials of a guard at the broker: a secret in a header, or an assertion in each body,
 * which is signed for it or is the token of the platform's workload.
 */
export type Credentials =
  | { kind: 'secret'; authorization: string }
  /**
   * Returns the form members of a new assertion.
   * @param now epoch seconds by the broker's clock
   */
  | { kind: 'assertion'; members: (now: number) => Promise<Record<string, string>> }

export function openCredentials(options: {
  issuer: string
  clientId: string
  clientSecret?: string | undefined
  clientKey?: ClientKey | undefined
  clientAssertion?: ClientAssertion | undefined
}): Credentials {
  const { clientAssertion, clientId, clientKey, clientSecret, issuer } = options
  if (clientAssertion !== undefined)
    return { kind: 'assertion', members: async () => asMembers(await clientAssertion()) }
  if (clientKey === undefined)
    return { kind: 'secret', authorization: basic(clientId, clientSecret ?? '') }
  let key: Promise<CryptoKey> | undefined
  return {
    kind: 'assertion',
    members: async (now) =>
      asMembers(
        await assertion(await (key ??= importKey(clientKey)), { issuer, clientId, clientKey, now }),
      ),
  }
}

const asMembers = (assertion: string): Record<string, string> => ({
  client_assertion_type: ASSERTION_TYPE,
  client_assertion: assertion,
})

/** Signs an assertion (RFC 7523 §3). */
function assertion(
  key: CryptoKey,
  about: { issuer: string; clientId: string; clientKey: ClientKey; now: number },
): Promise<string> {
  const { clientId, clientKey, issuer, now } = about
  return new SignJWT({
    iss: clientId,
    sub: clientId,
    aud: issuer,
    jti: crypto.randomUUID(),
    iat: now,
    exp: now + ASSERTION_SECONDS,
  })
    .setProtectedHeader({ alg: algorithmOf(clientKey), kid: clientKey.kid, typ: 'JWT' })
    .sign(key)
}

const algorithmOf = ({ alg, kty }: ClientKey): string => alg ?? (kty === 'RSA' ? 'RS256' : 'ES256')

async function importKey(clientKey: ClientKey): Promise<CryptoKey> {
  const key = await importJWK(clientKey, algorithmOf(clientKey))
  if (key instanceof Uint8Array)
    throw new TypeError('clientKey is a symmetric key; a private EC or RSA key is needed.')
  return key
}

/** Returns what is wrong with a key from the options, or undefined if it is valid. */
export function clientKeyProblem(key: unknown): string | undefined {
  if (typeof key !== 'object' || key === null) return 'it is not a JWK'
  const { alg, crv, d, kid, kty } = key as Record<string, unknown>
  if (!(kty === 'EC' && crv === 'P-256') && kty !== 'RSA')
    return `its kty must be EC (with crv P-256) or RSA, and is ${quoted(kty)}`
  if (typeof d !== 'string') return 'it has no private part (d)'
  if (typeof kid !== 'string' || kid === '') return 'it has no kid'
  if (
    alg !== undefined &&
    (!KEY_ALGORITHMS.includes(alg as string) || (kty === 'EC') !== (alg === 'ES256'))
  )
    return `its alg must be ${kty === 'EC' ? 'ES256' : 'RS256 or PS256'}, and is ${quoted(alg)}`
  return undefined
}

/**
 * Returns the `Basic` header. RFC 6749 §2.3.1: both parts are form-encoded before they are joined.
 */
function basic(clientId: string, clientSecret: string): string {
  const encode = (value: string): string => new URLSearchParams({ '': value }).toString().slice(1)
  return `Basic ${btoa(`${encode(clientId)}:${encode(clientSecret)}`)}`
}
