import { validateHeaderValue, type ServerResponse } from 'node:http'
import {
  exportJWK,
  calculateJwkThumbprint,
  generateKeyPair,
  SignJWT,
  type CryptoKey,
  type JWK,
} from 'jose'
import type { AccessClaims } from '../claims.ts'
import type { Clock } from '../clock.ts'

/** The identity headers that name the user to the application behind the proxy. */

/** Headers of every answer: no cache may store it. */
const EVERY: readonly string[] = ['Cache-Control', 'no-store']

/** The answer to a check. One object serves many requests. */
export class Answer {
  readonly #status: number
  /** Names and values alternate. */
  readonly #headers: string[]
  readonly #body: string

  /**
   * Creates an answer.
   * @param body JSON, which Envoy, Traefik and Caddy pass on to the client
   * @throws TypeError for a value that is not valid in a header
   */
  constructor(status: number, headers: readonly string[], body = '') {
    for (let at = 0; at < headers.length; at += 2)
      validateHeaderValue(headers[at] ?? '', headers[at + 1] ?? '')
    this.#status = status
    const type = body === '' ? [] : ['Content-Type', 'application/json']
    this.#headers = [
      ...EVERY,
      'Content-Length',
      String(Buffer.byteLength(body)),
      ...type,
      ...headers,
    ]
    this.#body = body
  }

  send(response: ServerResponse): void {
    response.writeHead(this.#status, this.#headers).end(this.#body)
  }
}

type Value = string | number | undefined

/** The identity headers by name without prefix, each with its values. */
const SAYS = {
  Sub: ({ sub }) => [sub],
  Sid: ({ sid }) => [sid],
  Tid: ({ tid }) => [tid],
  Oid: ({ oid }) => [oid],
  'Client-Id': ({ client_id }) => [client_id],
  Scope: ({ scope }) => scope?.split(' ') ?? [],
  Roles: ({ roles }) => roles ?? [],
  Acr: ({ acr }) => [acr],
  'Auth-Time': ({ auth_time }) => [auth_time],
  Exp: ({ exp }) => [exp],
  Rev: ({ rev }) => [rev],
} as const satisfies Record<string, (claims: AccessClaims) => readonly Value[]>
const ASSERTION = 'Assertion'
export type IdentityName = keyof typeof SAYS | typeof ASSERTION
export const IDENTITY_NAMES: readonly IdentityName[] = [
  ...(Object.keys(SAYS) as (keyof typeof SAYS)[]),
  ASSERTION,
]
const ASSERTION_SECONDS = 60

export interface IdentitySigner {
  jwk: JWK
  sign(claims: AccessClaims): Promise<string>
}

/**
 * Creates a signer with a key of this process. Verifiers read the key at `/jwks` of the local
 * listener.
 */
export async function createSigner(options: {
  guardId: string
  audience: string
  clock: Clock
}): Promise<IdentitySigner> {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const jwk = await exportJWK(publicKey)
  const kid = await calculateJwkThumbprint(jwk)
  return {
    jwk: { ...jwk, kid, alg: 'ES256', use: 'sig' },
    sign: (claims) => signIdentity(claims, { ...options, kid, privateKey }),
  }
}

function signIdentity(
  {
    sub,
    sid,
    tid,
    oid,
    client_id,
    scope,
    roles,
    acr,
    auth_time,
    rev,
    exp: token_exp,
  }: AccessClaims,
  {
    audience,
    clock,
    guardId,
    kid,
    privateKey,
  }: { guardId: string; audience: string; clock: Clock; kid: string; privateKey: CryptoKey },
): Promise<string> {
  const iat = Math.floor(clock.nowMs() / 1000)
  return new SignJWT({
    sid,
    tid,
    oid,
    client_id,
    scope,
    roles: roles === undefined ? undefined : [...roles],
    acr,
    auth_time,
    rev,
    token_exp,
  })
    .setProtectedHeader({ alg: 'ES256', kid, typ: 'guard-identity+jwt' })
    .setIssuer(`urn:case-manager:guard:${guardId}`)
    .setSubject(sub)
    .setAudience(audience)
    .setIssuedAt(iat)
    .setExpirationTime(iat + ASSERTION_SECONDS)
    .sign(privateKey)
}

/**
 * The answer for an accepted token, built once for each token. It always has every identity header,
 * also an empty one: without it Caddy inserts a placeholder, and other proxies pass the client's
 * own.
 */
export class IdentityHeaders {
  readonly #prefix: string
  readonly #names: ReadonlySet<IdentityName>
  readonly #signer: IdentitySigner | undefined
  readonly #clock: Clock
  readonly #made = new WeakMap<AccessClaims, { answer: Answer; untilMs: number }>()
  /** The answer for a request without a user. */
  readonly none: Answer

  constructor(options: {
    prefix: string
    names: readonly IdentityName[]
    signer: IdentitySigner | undefined
    clock: Clock
  }) {
    this.#prefix = options.prefix
    this.#names = new Set(options.names)
    this.#signer = options.signer
    this.#clock = options.clock
    this.none = new Answer(200, [
      'X-Guard',
      'public',
      ...IDENTITY_NAMES.flatMap((name) => [`${options.prefix}${name}`, '']),
    ])
  }

  /** Returns the stored answer. Undefined if it must be made first. */
  ready(claims: AccessClaims): Answer | undefined {
    const made = this.#made.get(claims)
    return made !== undefined && made.untilMs > this.#clock.nowMs() ? made.answer : undefined
  }

  async make(claims: AccessClaims): Promise<Answer> {
    const headers = ['X-Guard', 'allowed']
    for (const name of IDENTITY_NAMES)
      headers.push(
        `${this.#prefix}${name}`,
        this.#names.has(name) ? await this.#valueOf(name, claims) : '',
      )
    const answer = new Answer(200, headers)
    // An assertion is renewed at half its lifetime, so that the application has the other half.
    this.#made.set(claims, {
      answer,
      untilMs:
        this.#signer === undefined
          ? Infinity
          : this.#clock.nowMs() + (ASSERTION_SECONDS / 2) * 1000,
    })
    return answer
  }

  async #valueOf(name: IdentityName, claims: AccessClaims): Promise<string> {
    return name === ASSERTION
      ? ((await this.#signer?.sign(claims)) ?? '')
      : SAYS[name](claims).map(encode).join(' ')
  }
}

/** Percent-encodes a value, so that a name cannot start another header or look like a list. */
const encode = (value: Value): string =>
  value === undefined ? '' : encodeURIComponent(String(value).toWellFormed())
