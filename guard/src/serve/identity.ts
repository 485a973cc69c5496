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

/** Who the user is, in headers for the application behind the proxy. */

/** No cache may keep an answer. */
const EVERY: readonly string[] = ['Cache-Control', 'no-store']

/** The answer to a check. One object answers many requests. */
export class Answer {
  readonly #status: number
  /** Names and values in turn. */
  readonly #headers: string[]
  readonly #body: string

  /**
   * @param body JSON: what Envoy, Traefik and Caddy pass on to the client
   * @throws TypeError for a value that would end its header
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

/** Every identity header, by its name without the prefix, and what it says. */
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

/** A key for this process alone: verifiers read it at `/jwks` of the local listener. */
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
 * The answer to a request with a token that was accepted, made once for each token. Each header is
 * always present, also one that has no value or is not among `names`: Caddy writes its own
 * placeholder for one that is missing, and another proxy lets the client's pass.
 */
export class IdentityHeaders {
  readonly #prefix: string
  readonly #names: ReadonlySet<IdentityName>
  readonly #signer: IdentitySigner | undefined
  readonly #clock: Clock
  readonly #made = new WeakMap<AccessClaims, { answer: Answer; untilMs: number }>()
  /** Of a request without a user. */
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

  /** Undefined where it has to be made, which takes a moment. */
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
    // Half of an assertion's life is left to the application.
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

/**
 * Percent-encoded: a role or a name must not end one header and begin another, nor look like a
 * list.
 */
const encode = (value: Value): string =>
  value === undefined ? '' : encodeURIComponent(String(value).toWellFormed())
