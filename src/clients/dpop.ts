/**
 * Verifies the proof of a request that its sender holds a private key (DPoP, RFC 9449). Tokens that
 * are bound to the key are worth nothing to anyone without it. A proof is accepted once, by all
 * brokers together, and needs no nonce of the broker.
 */
import type { Context } from 'hono'
import type { Store } from '../../db/store.ts'
import type { Config } from '../config/config.ts'
import { PROOF_ALGS, verifyProof } from '../keys/jws.ts'
import { OAuthError } from '../protocol/error.ts'
import { equalInConstantTime, sha256 } from '../runtime/compare.ts'

interface ProofDeps {
  config: Pick<Config, 'issuer'>
  store: Pick<Store, 'consumeOnce'>
}

/** An access token, and the thumbprint of the key that it is bound to. */
interface BoundToken {
  token: string
  jkt: string
}

const TYP = 'dpop+jwt'
/** How old a proof may be. */
const PAST_SECONDS = 60
/**
 * How far ahead its times may be: FAPI 2.0 Security Profile §5.3.2.1 wants 10 s accepted, and 60 s
 * rejected.
 */
const AHEAD_SECONDS = 30
const MAX_LENGTH = 4096
const MAX_ID_LENGTH = 255
const BY_ITS_KEY = 'Send a DPoP proof by the key that the access token is bound to.'

/** The parameters of a challenge for a bound token (RFC 9449 §7.1). */
export const DPOP_ALGS = `algs="${PROOF_ALGS.join(' ')}"`

/** A proof that was judged, and is not used up yet. */
interface Proof {
  /** The thumbprint of its key. */
  jkt: string
  /**
   * Uses up the proof: the broker remembers it as long as its times are accepted.
   * @throws OAuthError invalid_dpop_proof if it was used before
   * @throws StoreUnavailable if it cannot be recorded
   */
  use: () => Promise<void>
}

/**
 * Returns the proof of the request, or undefined without one. The caller uses it up once the rest
 * of the request is judged, because each proof that is used up is a row.
 * @param bound the token of a request to a resource of the broker, and the key that it is bound to
 * @throws OAuthError invalid_dpop_proof: 400, or 401 with a challenge at a resource
 */
export async function judgedProof(
  { config, store }: ProofDeps,
  c: Context,
  now: number,
  bound?: BoundToken,
): Promise<Proof | undefined> {
  const rejected = (problem: string): OAuthError => invalidProof(problem, bound !== undefined)
  const proof = c.req.header('dpop')
  if (proof === undefined && bound !== undefined) throw rejected(BY_ITS_KEY)
  if (proof === undefined) return undefined
  const verified = proof.length > MAX_LENGTH ? undefined : await verifyProof(proof, TYP)
  if (verified === undefined)
    throw rejected(
      `Send one DPoP header, with a JWT of typ ${TYP}, signed by the public key in its jwk with ${PROOF_ALGS.join(', ')}.`,
    )
  const { claims, jkt } = verified
  const problem =
    problemOfTarget(claims, { method: c.req.method, address: config.issuer + c.req.path }) ??
    problemOfTimes(claims, now) ??
    (bound && problemOfToken(verified, bound))
  if (problem !== undefined) throw rejected(problem)
  const use = async (): Promise<void> => {
    const isFirst = await store.consumeOnce({
      purpose: 'dpop_proof',
      idHash: sha256(JSON.stringify([jkt, claims.jti])),
      expiresAt: Math.floor(Number(claims.iat)) + PAST_SECONDS + 1,
    })
    if (!isFirst)
      throw rejected('The jti of the proof was used before: make a proof for each request.')
  }
  return { jkt, use }
}

/** Returns the error for a proof that is missing or wrong. */
export const invalidProof = (description: string, isAtResource: boolean): OAuthError =>
  new OAuthError('invalid_dpop_proof', description, {
    ...(isAtResource && {
      status: 401,
      headers: {
        'WWW-Authenticate': `DPoP error="invalid_dpop_proof", error_description="${description}", ${DPOP_ALGS}`,
      },
    }),
  })

type Claims = Record<string, unknown>

function problemOfTarget(
  { htm, htu, jti }: Claims,
  { method, address }: { method: string; address: string },
): string | undefined {
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_ID_LENGTH)
    return `The jti of the proof must be a new random string of at most ${MAX_ID_LENGTH} characters.`
  if (htm !== method) return `The htm of the proof must be ${method}.`
  return typeof htu === 'string' && withoutQuery(htu) === withoutQuery(address)
    ? undefined
    : `The htu of the proof must be ${address}.`
}

/** Returns the address in its normal form, without query and fragment (RFC 9449 §4.3). */
function withoutQuery(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined
  const { origin, pathname, username, password } = new URL(address)
  return username === '' && password === '' ? origin + pathname : undefined
}

function problemOfTimes({ iat, nbf, exp }: Claims, now: number): string | undefined {
  const isAhead = (time: unknown): boolean => typeof time !== 'number' || time > now + AHEAD_SECONDS
  if (isAhead(iat) || Number(iat) < now - PAST_SECONDS)
    return `The iat of the proof must be the time of the request: the clock of the broker says ${now}.`
  if ((nbf !== undefined && isAhead(nbf)) || (exp !== undefined && !(Number(exp) > now)))
    return `By its nbf or exp the proof is not valid now: the clock of the broker says ${now}.`
  return undefined
}

function problemOfToken(
  { claims: { ath }, jkt }: { claims: Claims; jkt: string },
  bound: BoundToken,
): string | undefined {
  if (jkt !== bound.jkt) return BY_ITS_KEY
  return typeof ath === 'string' && equalInConstantTime(ath, sha256(bound.token))
    ? undefined
    : 'The ath of the proof must be the SHA-256 of the access token.'
}
