import {
  base64url,
  calculateJwkThumbprint,
  compactVerify,
  decodeProtectedHeader,
  importJWK,
} from 'jose'
import { invalid, unavailable, type AccessClaims, type Rejection } from './claims.ts'
import { isText } from './selector.ts'
import { sameTyp } from './verify-jwt.ts'

/**
 * Verifies the proof of a request that its sender holds the key to which its access token is bound
 * (DPoP, RFC 9449 §4.3, §7.1). Each proof is accepted once by this process.
 */

/** A request that brings its access token with the scheme `DPoP`. */
export interface Presented {
  /** The value of its `DPoP` header. */
  proof: string | undefined
  method: string
  /** The addresses by which a client can have sent it. Query and fragment do not count. */
  addresses: readonly string[]
}

const ALGS = ['ES256', 'PS256', 'EdDSA']
/** The parameter of each challenge for a bound token (§7.1). */
export const DPOP_ALGS = { algs: ALGS.join(' ') }

const TYP = 'dpop+jwt'
const MAX_LENGTH = 4096
const MAX_ID_LENGTH = 255
/** How old a proof may be. */
const PAST_SECONDS = 60
/** How far ahead its times may be, by the clock of the broker. */
const AHEAD_SECONDS = 30
/** Some 25 MB. In a minute no process verifies many more. */
const MAX_PROOFS = 250_000

const NO_PROOF = `Send one DPoP header, with a JWT of typ ${TYP}, signed by the public key in its jwk with ${ALGS.join(', ')}.`

type Claims = Record<string, unknown>

export class Proofs {
  readonly #now: () => number
  readonly #used = new UsedProofs(MAX_PROOFS)

  /**
   * Creates a judge of proofs.
   * @param now reads the broker's clock, in epoch seconds
   */
  constructor(now: () => number) {
    this.#now = now
  }

  /**
   * Returns why the key of a token is not proved, or undefined if it is, or need not be. It uses up
   * the proof.
   * @param presented undefined for a token that came as Bearer
   */
  async judge(
    token: string,
    { cnf }: Pick<AccessClaims, 'cnf'>,
    presented: Presented | undefined,
  ): Promise<Rejection | undefined> {
    if (cnf === undefined)
      return (
        presented &&
        invalid('proof', 'It is not bound to a key: send it as Bearer, without a proof.')
      )
    if (presented === undefined)
      return invalid('proof', 'It is bound to a key: send it with the scheme DPoP and a proof.')
    if (presented.addresses.length === 0)
      return invalid(
        'proof',
        'It is bound to a key, and this API does not know its own public address.',
      )
    const claims = await verified(presented.proof ?? '', cnf.jkt)
    if (typeof claims === 'string') return wrong(claims)
    const now = this.#now()
    const problem =
      problemOfId(claims) ??
      problemOfTarget(claims, presented) ??
      problemOfTimes(claims, now) ??
      (claims.ath === (await sha256(token))
        ? undefined
        : 'The ath of the proof must be the SHA-256 of the access token.')
    if (problem !== undefined) return wrong(problem)
    const id = await sha256(cnf.jkt + String(claims.jti))
    switch (this.#used.use(id, Number(claims.iat), now)) {
      case 'first':
        return undefined
      case 'used':
        return wrong('The jti of the proof was used before: make a proof for each request.')
      case 'full':
        return unavailable(
          'proofs_full',
          'Too many proofs were used lately. Try again in a minute.',
        )
    }
  }
}

const wrong = (description: string): Rejection => ({
  ...invalid('proof', description),
  error: 'invalid_dpop_proof',
})

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return base64url.encode(new Uint8Array(digest))
}

/** Returns the claims of a proof by the key with this thumbprint, or what is wrong. */
async function verified(proof: string, jkt: string): Promise<Claims | string> {
  try {
    if (proof.length > MAX_LENGTH) return NO_PROOF
    const { alg = '', crit, jwk, typ } = decodeProtectedHeader(proof)
    if (!sameTyp(typ, TYP) || !ALGS.includes(alg) || jwk === undefined || crit !== undefined)
      return NO_PROOF
    // Another exponent can cost milliseconds.
    if (jwk.kty === 'RSA' && jwk.e !== 'AQAB') return NO_PROOF
    if ((await calculateJwkThumbprint(jwk)) !== jkt)
      return 'Send a DPoP proof by the key that the access token is bound to.'
    const key = await importJWK(jwk, alg)
    if (key instanceof Uint8Array || key.type !== 'public') return NO_PROOF
    const { payload } = await compactVerify(proof, key, { algorithms: [alg] })
    const claims: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload))
    return typeof claims === 'object' && claims !== null ? (claims as Claims) : NO_PROOF
  } catch {
    return NO_PROOF
  }
}

const problemOfId = ({ jti }: Claims): string | undefined =>
  isText(jti) && jti.length <= MAX_ID_LENGTH
    ? undefined
    : `The jti of the proof must be a new random string of at most ${MAX_ID_LENGTH} characters.`

function problemOfTarget(
  { htm, htu }: Claims,
  { addresses, method }: Presented,
): string | undefined {
  if (htm !== method) return 'The htm of the proof must be the method of the request.'
  const target = typeof htu === 'string' ? withoutQuery(htu) : undefined
  return target !== undefined && addresses.some((address) => withoutQuery(address) === target)
    ? undefined
    : 'The htu of the proof must be the address of the request.'
}

/** Returns the address in its normal form, without query and fragment (RFC 9449 §4.3). */
function withoutQuery(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined
  const { origin, pathname, username, password } = new URL(address)
  return username === '' && password === '' ? origin + pathname : undefined
}

function problemOfTimes({ exp, iat, nbf }: Claims, now: number): string | undefined {
  const isAhead = (time: unknown): boolean => typeof time !== 'number' || time > now + AHEAD_SECONDS
  if (isAhead(iat) || Number(iat) < now - PAST_SECONDS)
    return `The iat of the proof must be the time of the request: the clock of the broker says ${now}.`
  if ((nbf !== undefined && isAhead(nbf)) || (exp !== undefined && !(Number(exp) > now)))
    return `By its nbf or exp the proof is not valid now: the clock of the broker says ${now}.`
  return undefined
}

const SLICE_SECONDS = 16

/**
 * The ids of the proofs that were used. An id is kept as long as a proof of its `iat` is accepted,
 * also by a clock that is set back meanwhile.
 */
export class UsedProofs {
  readonly #limit: number
  /** The ids by their `iat` in slices, so that many are forgotten at once. */
  readonly #slices = new Map<number, Set<string>>()
  #size = 0
  /** Older proofs may have been forgotten. */
  #from = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  use(id: string, iat: number, now: number): 'first' | 'used' | 'full' {
    this.#forget(now - PAST_SECONDS)
    if (iat < this.#from) return 'used'
    for (const slice of this.#slices.values()) if (slice.has(id)) return 'used'
    if (this.#size >= this.#limit) return 'full'
    const at = Math.floor(iat / SLICE_SECONDS)
    const slice = this.#slices.get(at) ?? new Set()
    this.#slices.set(at, slice.add(id))
    this.#size++
    return 'first'
  }

  #forget(before: number): void {
    for (const [at, slice] of this.#slices) {
      const end = (at + 1) * SLICE_SECONDS
      if (end > before) continue
      this.#slices.delete(at)
      this.#size -= slice.size
      this.#from = Math.max(this.#from, end)
    }
  }
}
