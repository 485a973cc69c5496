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
 * Whether an ID token is Microsoft's, for us, for this sign-in, of a tenant that is connected
 * (OpenID Connect Core 1.0 §3.1.3.7). MSAL checks none of it but the nonce. Users are `tid` +
 * `oid`; names and addresses are for display.
 */

interface Expected {
  clientId: string
  /** The allow-list: GUIDs in lower case. */
  tenants: readonly string[]
  /** Where the sign-in was sent to one tenant, no other will do. */
  tid?: string | undefined
  /**
   * Undefined where there was none to give: the answer to a refresh token (OpenID Connect Core 1.0
   * §12.2).
   */
  nonce: string | undefined
  now: number
}

type ProvedIdentity = Omit<MicrosoftIdentity, 'cache' | 'clockOffsetSeconds'>

/** Clocks differ; by more than this, one of them is wrong. */
const SKEW_SECONDS = 60
/** What Microsoft signs with. HS256 would be checked with a public key, `none` with nothing. */
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
  // Read before it is believed, only to know whose keys to ask: a tenant that is not connected is
  // rejected regardless of the signer.
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

/** No keys to judge by is an outage, not a forgery. */
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

/** Longer than any real one; bounds what is stored and shown. */
const MOST_SHOWN = 320
/** For display alone: a NUL character, which Postgres does not store, is left out. */
const shown = (value: unknown): string | undefined =>
  typeof value === 'string'
    ? value.replaceAll('\0', '').slice(0, MOST_SHOWN).toWellFormed() || undefined
    : undefined
/** What is compared: one with a NUL character is none, for without it it would be another's. */
const compared = (value: unknown): string | undefined =>
  typeof value === 'string' && canBeStored(value) ? shown(value) : undefined
function strings(claim: unknown): string[] | undefined {
  const values: unknown = typeof claim === 'string' ? [claim] : claim
  if (!Array.isArray(values)) return undefined
  return values
    .filter((one): one is string => typeof one === 'string' && canBeStored(one))
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
    // `dvc_dmjd`, a device joined to the domain, is not the user's "Stay signed in": MSAL counts
    // it, we do not.
    staySignedIn: state?.some((one) => one.toLowerCase() === 'kmsi'),
  }
}
