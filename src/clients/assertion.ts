/**
 * The assertions of clients (RFC 7523 §3). `private_key_jwt` (OpenID Connect Core §9): signed by
 * the client's own key, valid once, for minutes. `workload_jwt`: a token by which a platform vouches
 * for the client's workload, which is used until it expires.
 */
import {
  FOREIGN_ALGS,
  readUnverified,
  sameType,
  type UnverifiedJwt,
  verifyForeign,
} from '../keys/jws.ts'
import type { Client, ClientMetadata, Workload } from '../protocol/client-metadata.ts'
import { sha256 } from '../runtime/compare.ts'
import { OAuthError } from '../protocol/error.ts'
import { JWT_BEARER_ASSERTION } from '../protocol/names.ts'
import { printable } from '../protocol/params.ts'
import type { AuthenticateDeps } from './deps.ts'
import { clientKeys } from './client-keys.ts'

/** How far ahead `exp` may be, and what a client does about an assertion that has expired. */
interface Validity {
  mostSeconds: number
  expired: string
}
/** The `jti` of an assertion is remembered until it expires. */
const ASSERTION: Validity = { mostSeconds: 300, expired: 'Make an assertion for each request' }
/** The token of a workload is a credential that is used more than once. */
const WORKLOAD: Validity = {
  mostSeconds: 3600,
  expired: 'Read the token of the workload at each request',
}
/** Entra's tokens for managed identities are valid for up to 24 hours. */
const MANAGED_IDENTITY: Validity = { ...WORKLOAD, mostSeconds: 86_400 }
const ENTRA = new Set(['login.microsoftonline.com', 'login.microsoftonline.us', 'sts.windows.net'])
/** Tolerance for the difference between the clocks of two machines. */
const SKEW_SECONDS = 30
const MAX_LENGTH = 8192
/**
 * Accepted values of the `typ` header: the explicit type (rfc7523bis §4) and the generic one of
 * most libraries. It may also be absent. A JWT with another type was made for another purpose.
 */
const TYPES = ['client-authentication+jwt', 'JWT']

/**
 * The result of verifying an assertion. `mayBeShown` is true if the client itself signed it, so its
 * developer may read the problem. Otherwise the problem goes only to the log.
 */
type Asserted =
  | { client: Client; why?: undefined }
  | { client?: Client | undefined; why: AssertionProblem; problem: string; mayBeShown: boolean }
export type AssertionProblem =
  | 'unreadable_assertion'
  | 'unknown_client'
  | 'other_method'
  | 'unknown_key'
  | 'wrong_signature'
  | 'wrong_claim'

/**
 * Verifies a client's assertion and consumes its `jti`.
 * @throws OAuthError invalid_request if the assertion's type is not supported
 */
export async function verifyAssertion(
  deps: AuthenticateDeps,
  attempt: { assertion: string; assertionType: string | undefined },
  now: number,
): Promise<Asserted> {
  if (attempt.assertionType !== JWT_BEARER_ASSERTION)
    throw new OAuthError(
      'invalid_request',
      `client_assertion_type must be ${JWT_BEARER_ASSERTION}.`,
    )
  const unverified =
    attempt.assertion.length > MAX_LENGTH ? undefined : readUnverified(attempt.assertion)
  const client = unverified && clientOf(deps, unverified)
  const rejected = (why: AssertionProblem, problem: string) => ({
    client,
    why,
    problem,
    mayBeShown: false,
  })
  if (unverified === undefined)
    return rejected(
      'unreadable_assertion',
      `The client assertion is not a JWT, or has more than ${MAX_LENGTH} characters.`,
    )
  if (client === undefined)
    return rejected(
      'unknown_client',
      `No client is registered with the iss of the assertion, ${shown(unverified.claims.iss)}; none, or more than one, is registered for a workload with its iss and sub.`,
    )
  const { profile, workload } = client.metadata
  if (!isOfItsMethod(client, unverified))
    return rejected(
      'other_method',
      'The client sent an assertion, and is registered for another authentication method.',
    )
  const { kid, alg } = unverified.header
  if (profile === 'fapi2' && alg === 'RS256')
    return rejected(
      'wrong_signature',
      'The client is registered with profile fapi2, which has no RS256: sign with ES256 or PS256.',
    )
  const signed = await signedByClient(deps, client, attempt.assertion, now)
  if (signed === 'unknown_key')
    return rejected(
      'unknown_key',
      workload === undefined
        ? `The client has registered no key with kid ${shown(kid)} for alg ${shown(alg)}.`
        : `The broker has read no key with kid ${shown(kid)} for alg ${shown(alg)} of the issuer ${workload.issuer}. If that is down, the log has jwks_uri_failed.`,
    )
  if (signed === 'bad')
    return rejected(
      'wrong_signature',
      `The signature by kid ${shown(kid)} is wrong, or alg ${shown(alg)} is not one of ${FOREIGN_ALGS.join(', ')}.`,
    )
  const problem =
    workload === undefined
      ? (problemOf(unverified, client, deps.config.issuer, now) ??
        (await useUp(deps, client, unverified.claims)))
      : problemOfWorkload(unverified, workload, deps.config.issuer, now)
  return problem === undefined
    ? { client }
    : { client, why: 'wrong_claim', problem, mayBeShown: true }
}

/**
 * Returns the client that an assertion names: by its `iss`, or the one of a workload by its `iss`
 * and `sub`. No client_id is an address, as an issuer is.
 */
function clientOf({ clients }: AuthenticateDeps, { claims }: UnverifiedJwt): Client | undefined {
  const { iss, sub } = claims
  if (typeof iss !== 'string') return undefined
  return (
    clients.find(iss) ?? (typeof sub === 'string' ? clients.findByWorkload(iss, sub) : undefined)
  )
}

/**
 * Returns whether the assertion is of the method that the client is registered with. One whose
 * `iss` is the client_id is not, where the client authenticates by its workload's tokens.
 */
const isOfItsMethod = ({ metadata: { authMethod, workload } }: Client, { claims }: UnverifiedJwt) =>
  authMethod === 'private_key_jwt' || (workload !== undefined && workload.issuer === claims.iss)

/**
 * Returns the first claim that is wrong and the value to set instead (RFC 7523 §3, rfc7523bis §4).
 */
function problemOf(
  { header, claims }: UnverifiedJwt,
  client: Client,
  issuer: string,
  now: number,
): string | undefined {
  const { sub, aud, jti } = claims
  if (sub !== client.clientId) return `Its sub is ${shown(sub)}: set the client_id, as in iss.`
  if (!isForUs(aud, client.metadata, issuer))
    return `Its aud is ${shown(aud)}: set the issuer alone, as a string: ${issuer}`
  if (typeof jti !== 'string' || jti === '' || jti.length > 255)
    return `Its jti is ${shown(jti)}: set a new random string of at most 255 characters.`
  return problemOfTimes({ header, claims }, ASSERTION, now)
}

/**
 * Returns the first claim of a workload's token that is wrong. Platforms set `aud` as a list of
 * one; a list with more would let each of the others be this client here.
 */
function problemOfWorkload(
  jwt: UnverifiedJwt,
  { issuer, audience }: Workload,
  ours: string,
  now: number,
): string | undefined {
  const { aud } = jwt.claims
  const expected = audience ?? ours
  if (aud !== expected && !(Array.isArray(aud) && aud.length === 1 && aud[0] === expected))
    return `Its aud is ${shown(aud)}: have the platform issue it for ${expected} alone.`
  const validity = ENTRA.has(new URL(issuer).hostname) ? MANAGED_IDENTITY : WORKLOAD
  return problemOfTimes(jwt, validity, now)
}

function problemOfTimes(
  { header, claims }: UnverifiedJwt,
  { mostSeconds, expired }: Validity,
  now: number,
): string | undefined {
  const { exp, nbf, iat } = claims
  const clocks = (seconds: number): string =>
    `${moment(seconds)}, and the clock of the broker says ${moment(now)}`
  if (header.typ !== undefined && !TYPES.some((typ) => sameType(header.typ, typ)))
    return `Its typ is ${shown(header.typ)}: set ${TYPES.join(' or ')}, or leave it out.`
  if (typeof exp !== 'number')
    return `Its exp is ${shown(exp)}: set a time in epoch seconds, at most ${mostSeconds} s ahead.`
  if (exp + SKEW_SECONDS <= now)
    return `Its exp is past: ${clocks(exp)}. ${expired}, and check your clock.`
  if (exp - SKEW_SECONDS > now + mostSeconds)
    return `Its exp is more than ${mostSeconds} s ahead: ${clocks(exp)}. Set an earlier time, and check your clock.`
  for (const [name, value] of Object.entries({ nbf, iat })) {
    if (value !== undefined && typeof value !== 'number')
      return `Its ${name} is ${shown(value)}: set a time in epoch seconds, or leave it out.`
    if (value !== undefined && value - SKEW_SECONDS > now)
      return `Its ${name} is in the future: ${clocks(value)}. Check your clock.`
  }
  return undefined
}

const shown = (value: unknown): string => {
  if (typeof value === 'string') return printable(value)
  return value === undefined ? 'missing' : printable(JSON.stringify(value).replaceAll('"', ''))
}
/** Returns the time in ISO format, or the plain number if it is outside the range of a Date. */
const moment = (seconds: number): string =>
  Math.abs(seconds) <= 8.64e12 ? new Date(seconds * 1000).toISOString() : String(seconds)

/**
 * Returns whether the audience is this broker. Another server can pass off one of the broker's
 * endpoints as its own and obtain an assertion that is valid here (CVE-2025-27370), so only a
 * client registered for it may name an endpoint or send a list.
 */
function isForUs(aud: unknown, { assertionAudience }: ClientMetadata, issuer: string): boolean {
  if (assertionAudience === undefined) return aud === issuer
  const [only, ...others] = Array.isArray(aud) ? (aud as unknown[]) : [aud]
  return (
    others.length === 0 &&
    [issuer, ...['token', 'par', 'introspect', 'revoke'].map((path) => `${issuer}/${path}`)].some(
      (ours) => ours === only,
    )
  )
}

async function useUp(
  { store }: AuthenticateDeps,
  { clientId }: Client,
  { jti, exp }: UnverifiedJwt['claims'],
): Promise<string | undefined> {
  const idHash = sha256(JSON.stringify([clientId, jti]))
  const isFirst = await store.consumeOnce({
    purpose: 'client_assertion',
    idHash,
    expiresAt: Math.floor(Number(exp)) + SKEW_SECONDS + 1,
  })
  return isFirst
    ? undefined
    : 'Its jti was used before: make a new assertion for each request and each attempt.'
}

/**
 * Returns whether an assertion that was used before would still name the client, by a key that is
 * still registered for it. Its times and its `jti` are not checked again.
 */
export async function stillNames(
  deps: AuthenticateDeps,
  { clientId }: Client,
  assertion: string,
  now: number,
): Promise<boolean> {
  const unverified = readUnverified(assertion)
  const client = unverified && clientOf(deps, unverified)
  return (
    unverified !== undefined &&
    client?.clientId === clientId &&
    isOfItsMethod(client, unverified) &&
    (await signedByClient(deps, client, assertion, now)) === 'good'
  )
}

async function signedByClient(
  deps: AuthenticateDeps,
  client: Client,
  assertion: string,
  now: number,
): Promise<'good' | 'unknown_key' | 'bad'> {
  const keys = await clientKeys(deps, client, now)
  const { outcome } = await verifyForeign(assertion, keys.keys)
  if (outcome !== 'unknown_key') return outcome
  const fresher = await keys.refresh()
  return fresher === undefined ? outcome : (await verifyForeign(assertion, fresher)).outcome
}
