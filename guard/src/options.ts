import type { GuardClock } from './clock.ts'
import { type ClientAssertion, clientKeyProblem, type ClientKey } from './credentials.ts'
import type { GuardHooks } from './hooks.ts'
import { ALGORITHMS, type Algorithm } from './keys.ts'
import type { Logout } from './logout-receiver.ts'
import { isText } from './selector.ts'
import type { WithoutLease } from './lease.ts'

export interface GuardOptions {
  /** The broker's issuer, an exact match: `https://sign-in.example`. */
  issuer: string
  clientId: string
  /** The secret of the client. Set this, `clientKey` or `clientAssertion`. */
  clientSecret?: string | undefined
  /** The private key of a client that is registered with `private_key_jwt`. */
  clientKey?: ClientKey | undefined
  /**
   * Returns the token of a client that is registered with `workload_jwt`. It is called for each
   * request to the broker, because the platform replaces the token: read its file there.
   */
  clientAssertion?: ClientAssertion | undefined
  /**
   * The audience that a token's `aud` must name: the `audience` that this client is registered
   * with. Default: `urn:case-manager:instance:<client_id>`, which the broker uses for a client
   * without one.
   */
  audience?: string | string[] | undefined
  /**
   * The address by which clients reach this API, as they write it in a proof: scheme, host, and what
   * a proxy cuts from the path. Several if it has several. Without it no token that is bound to a
   * key is accepted.
   */
  publicAddress?: string | string[] | undefined
  /**
   * The treatment of valid tokens while the guard holds no lease of the broker: reject them, or ask
   * the broker about each. Default: `reject`.
   */
  withoutLease?: WithoutLease | undefined
  /**
   * True to poll the log when a token is checked, at most every quarter of the lease, instead of
   * following it by a stream: for serverless functions. A revocation is then enforced up to that
   * much later. Default: false.
   */
  poll?: boolean | undefined
  /** The seconds that this machine's clock may be wrong, 0 to 30. Default: 5. */
  clockToleranceSeconds?: number | undefined
  /**
   * The `id_token_signed_response_alg` that this client is registered with. Logout tokens with
   * another algorithm are rejected. Default: RS256.
   */
  idTokenSignedResponseAlg?: Algorithm | undefined
  /**
   * Ends the instance's own sessions for a logout token. If it throws, the broker sends another
   * logout token.
   */
  onLogout?: ((logout: Logout) => void | Promise<void>) | undefined
  /**
   * The name of this process among those of the client, `A-Z a-z 0-9 . _ -`. Default: a random one.
   */
  guardId?: string | undefined
  /**
   * The most revocations that are kept one by one. Above it the older half becomes one cutoff.
   * Default: 100,000 (about 20 MB).
   */
  maxEntries?: number | undefined
  /** The most verified tokens that are remembered. Default: 10,000. 0 remembers none. */
  maxCachedTokens?: number | undefined
  /**
   * Hooks for logs and metrics. Without a `problem` hook, problems are written by `console.warn`.
   */
  hooks?: GuardHooks | undefined
  fetch?: typeof fetch | undefined
  clock?: GuardClock | undefined
  /** Returns a number from 0 to below 1, for jitter. */
  random?: (() => number) | undefined
}

type Filled =
  | 'audience'
  | 'publicAddress'
  | 'withoutLease'
  | 'clockToleranceSeconds'
  | 'guardId'
  | 'maxEntries'
  | 'maxCachedTokens'
  | 'fetch'
  | 'random'
export type Settings = Omit<GuardOptions, Filled> & {
  [Name in Exclude<Filled, 'publicAddress'>]-?: NonNullable<GuardOptions[Name]>
} & { publicAddress: string[] }

/**
 * Returns the options with their defaults.
 * @throws TypeError with every problem at once
 */
export function readOptions(given: GuardOptions): Settings {
  const { fetch = globalThis.fetch } = given
  const settings: Settings = {
    ...given,
    audience: given.audience ?? `urn:case-manager:instance:${given.clientId}`,
    publicAddress: [given.publicAddress ?? []].flat(),
    withoutLease: given.withoutLease ?? 'reject',
    clockToleranceSeconds: given.clockToleranceSeconds ?? 5,
    guardId: given.guardId ?? crypto.randomUUID(),
    maxEntries: given.maxEntries ?? 100_000,
    maxCachedTokens: given.maxCachedTokens ?? 10_000,
    // `fetch` is called as a plain function. Workers reject a call as a method ("Illegal
    // invocation").
    fetch: (input, init) => fetch(input, init),
    random: given.random ?? Math.random,
  }
  const problems = findProblems(settings)
  if (problems.length > 0)
    throw new TypeError(
      `The guard cannot start.\n${problems.map((problem) => `- ${problem}`).join('\n')}`,
    )
  return settings
}

function findProblems({
  issuer,
  clientId,
  clientSecret,
  clientKey,
  clientAssertion,
  audience,
  publicAddress,
  withoutLease,
  clockToleranceSeconds,
  idTokenSignedResponseAlg,
  guardId,
  maxEntries,
  maxCachedTokens,
}: Settings): string[] {
  const problems: string[] = []
  if (!isBaseAddress(issuer))
    problems.push(
      'issuer: an https address without a trailing slash, e.g. https://sign-in.example (http only on localhost).',
    )
  if (!isText(clientId))
    problems.push('clientId: the client_id that this instance is registered with.')
  const credentials = [clientSecret, clientKey, clientAssertion].filter(
    (credential) => credential !== undefined,
  )
  if (credentials.length > 1)
    problems.push(
      'clientSecret, clientKey, clientAssertion: give one of them, as the client is registered.',
    )
  else if (clientKey === undefined && clientAssertion === undefined && !isText(clientSecret))
    problems.push('clientSecret: its secret, as `cmb clients add` has shown it once.')
  const wrongKey = clientKey === undefined ? undefined : clientKeyProblem(clientKey)
  if (wrongKey !== undefined)
    problems.push(
      `clientKey: a private JWK, e.g. { kty: 'EC', crv: 'P-256', kid: '2026-11', x, y, d }; ${wrongKey}.`,
    )
  const audiences = Array.isArray(audience) ? audience : [audience]
  if (audiences.length === 0 || !audiences.every(isText))
    problems.push('audience: the audience that this client is registered with.')
  if (!publicAddress.every(isBaseAddress))
    problems.push(
      'publicAddress: https addresses without a trailing slash, e.g. https://cases.example (http only on localhost).',
    )
  if (withoutLease !== 'reject' && withoutLease !== 'introspect')
    problems.push("withoutLease: 'reject' or 'introspect'.")
  if (!(clockToleranceSeconds >= 0 && clockToleranceSeconds <= 30))
    problems.push(
      'clockToleranceSeconds: 0 to 30. The broker forgets a revocation 60 s after the last token it covers.',
    )
  if (idTokenSignedResponseAlg !== undefined && !ALGORITHMS.includes(idTokenSignedResponseAlg))
    problems.push(
      'idTokenSignedResponseAlg: RS256 or ES256, as the client is registered (id_token_signed_response_alg).',
    )
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(guardId))
    problems.push('guardId: 1 to 64 of A-Z a-z 0-9 . _ -, e.g. web-1.')
  if (!Number.isSafeInteger(maxEntries) || maxEntries < 2)
    problems.push('maxEntries: a whole number, 2 or more.')
  if (!Number.isSafeInteger(maxCachedTokens) || maxCachedTokens < 0)
    problems.push('maxCachedTokens: a whole number, 0 or more.')
  return problems
}

function isBaseAddress(value: string): boolean {
  if (typeof value !== 'string' || value.endsWith('/') || !URL.canParse(value)) return false
  const { protocol, hostname, search, hash, username } = new URL(value)
  const local = hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]'
  return (
    (protocol === 'https:' || (protocol === 'http:' && local)) &&
    search === '' &&
    hash === '' &&
    username === ''
  )
}
