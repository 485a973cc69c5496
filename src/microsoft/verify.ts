import type { User } from '../../db/types.ts'
import { readUnverified } from '../keys/jws.ts'
import type { Verified } from '../keys/verify.ts'
import { equalInConstantTime } from '../runtime/compare.ts'
import { PERSONAL_TENANT } from '../protocol/names.ts'
import { canBeStored } from '../protocol/stored-text.ts'
import type { Directory } from './directory.ts'
import { MicrosoftRejection, type MicrosoftIdentity } from './interface.ts'
import type { GuidanceKey } from './guidance.ts'

/**
 * Verifies that an ID token is from Microsoft, for this application and this sign-in, of a
 * connected tenant (OpenID Connect Core 1.0 §3.1.3.7). MSAL checks only the nonce. A user is
 * identified by `tid` and `oid`; names and addresses are only displayed.
 */

interface Expected {
  clientId: string
  /** The allowed tenants: GUIDs in lower case. */
  tenants: readonly string[]
  /** The only accepted tenant, if the sign-in was sent to one. */
  tid?: string | undefined
  /**
   * The expected nonce. Undefined for the answer to a refresh token, which has none (OpenID Connect
   * Core 1.0 §12.2).
   */
  nonce: string | undefined
  now: number
}

type ProvedIdentity = Omit<MicrosoftIdentity, 'cache' | 'clockOffsetSeconds'>

/** The accepted difference between the two clocks. If it is larger, one of them is wrong. */
const SKEW_SECONDS = 60
/**
 * The algorithms with which Microsoft signs. Accepting HS256 would use the public key as a secret,
 * and `none` would verify nothing.
 */
const ALGORITHMS = ['RS256']

const reject = (guidance: GuidanceKey, why: string): never => {
  throw new MicrosoftRejection(guidance, {
    effect: 'nothing',
    cause: new Error(`ID token: ${why}`),
  })
}

export async function verifyIdToken(
  directory: Directory,
  idToken: string,
  expected: Expected,
): Promise<ProvedIdentity> {
  // The claim is used before verification, only to select the keys. A tenant that is not connected
  // is rejected even if Microsoft signed the token.
  const tid = tenantOf(readUnverified(idToken)?.claims.tid, expected)
  const [verified, { issuer }] = await askMicrosoft(directory, tid, idToken)
  if (verified.outcome === 'bad') return reject('untrusted_token', verified.why)
  checkClaims(verified.claims, { ...expected, issuer: issuer.replaceAll('{tenantid}', tid) })
  return readIdentity(verified.claims, tid)
}

function tenantOf(claim: unknown, expected: Expected): string {
  if (typeof claim !== 'string') return reject('untrusted_token', 'no tid')
  const tid = claim.toLowerCase()
  if (tid === PERSONAL_TENANT) return reject('personal_account', 'a personal account')
  if (!expected.tenants.includes(tid))
    return reject('tenant_not_connected', 'its tenant is not on the allow-list')
  if (expected.tid !== undefined && expected.tid !== tid)
    return reject('another_account', 'another tenant than was asked')
  return tid
}

/** Verifies the signature. Missing keys are an outage, not a forgery. */
async function askMicrosoft(
  directory: Directory,
  tid: string,
  idToken: string,
): Promise<[Verified, { issuer: string }]> {
  try {
    return [
      await directory.verifier(tid).verify(idToken, ALGORITHMS),
      await directory.discovery(tid),
    ]
  } catch (cause) {
    throw new MicrosoftRejection('outage', { effect: 'nothing', cause })
  }
}

function checkClaims(
  claims: Record<string, unknown>,
  expected: Expected & { issuer: string },
): void {
  const { now } = expected
  const { exp, nbf, iat, nonce } = claims
  const audience = Array.isArray(claims.aud) && claims.aud.length === 1 ? claims.aud[0] : claims.aud
  if (claims.iss !== expected.issuer) reject('untrusted_token', 'another issuer')
  if (audience !== expected.clientId) reject('untrusted_token', 'another audience')
  if (
    expected.nonce !== undefined &&
    (typeof nonce !== 'string' || !equalInConstantTime(nonce, expected.nonce))
  )
    reject('untrusted_token', 'another nonce')
  if (typeof exp !== 'number' || exp <= now - SKEW_SECONDS)
    reject('untrusted_token', 'expired: is a clock wrong?')
  if (nbf !== undefined && (typeof nbf !== 'number' || nbf > now + SKEW_SECONDS))
    reject('untrusted_token', 'not valid yet: is a clock wrong?')
  if (typeof iat !== 'number' || iat > now + SKEW_SECONDS)
    reject('untrusted_token', 'issued in the future: is a clock wrong?')
  if (typeof claims.auth_time === 'number' && claims.auth_time > now + SKEW_SECONDS)
    reject('untrusted_token', 'auth_time in the future')
}

/** The longest displayed text. It is longer than any real name and limits what is stored. */
const MOST_SHOWN = 320
/** Returns a text for display, without NUL characters, which Postgres cannot store. */
const shown = (value: unknown): string | undefined =>
  typeof value === 'string'
    ? value.replaceAll('\0', '').slice(0, MOST_SHOWN).toWellFormed() || undefined
    : undefined
/**
 * Returns a text for comparison, or undefined if it contains a NUL character: removing that could
 * make it equal to another value.
 */
const compared = (value: unknown): string | undefined =>
  typeof value === 'string' && canBeStored(value) ? shown(value) : undefined
function strings(claim: unknown): string[] | undefined {
  const values: unknown = typeof claim === 'string' ? [claim] : claim
  if (!Array.isArray(values)) return undefined
  return values
    .filter(
      (candidate): candidate is string => typeof candidate === 'string' && canBeStored(candidate),
    )
    .slice(0, 200)
}

function readIdentity(claims: Record<string, unknown>, tid: string): ProvedIdentity {
  const oid =
    typeof claims.oid === 'string' && /^[\w-]{8,64}$/.test(claims.oid)
      ? claims.oid.toLowerCase()
      : reject('untrusted_token', 'no oid: is the scope profile granted?')
  const user: User = {
    tid,
    oid,
    name: shown(claims.name),
    username: shown(claims.preferred_username),
    email: shown(claims.email),
  }
  const state = strings(claims.signin_state)
  return {
    user,
    authTime:
      typeof claims.auth_time === 'number' &&
      Number.isSafeInteger(claims.auth_time) &&
      claims.auth_time > 0
        ? claims.auth_time
        : undefined,
    issuedAt: Number(claims.iat),
    acrs: strings(claims.acrs) ?? [],
    amr: strings(claims.amr),
    roles: strings(claims.roles) ?? [],
    directoryRoles: strings(claims.wids) ?? [],
    sid: compared(claims.sid),
    loginHint:
      typeof claims.login_hint === 'string' && claims.login_hint !== ''
        ? claims.login_hint.slice(0, 2048)
        : undefined,
    // MSAL also counts `dvc_dmjd`, a device joined to the domain. The broker does not, because that
    // is not the user's "Stay signed in".
    staySignedIn: state?.some((candidate) => candidate.toLowerCase() === 'kmsi'),
  }
}
