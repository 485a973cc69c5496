import { KeysUnavailable, type Algorithm, type KeySet } from './keys.ts'
import { verifyLogoutToken, type LogoutTokenClaims } from './logout-token.ts'
import type { ReasonClass } from './selector.ts'
import { readText } from './read-text.ts'

/**
 * The logout that an instance must carry out: end the session `sid`, or if there is none every
 * session of `sub`, if it is older than `rev`.
 */
export interface Logout {
  sid?: string
  sub?: string
  /**
   * Sessions with an equal or higher `rev` were opened after the sign-out, and stay. If it is
   * absent, the issuer does not say, and every session ends.
   */
  rev?: number
  /**
   * The reason, for the user: they signed out, ended the session from another device, an
   * administrator did, their account lost its access, or the session expired. Absent if the issuer
   * does not say. Show it to the user, and base no decision on it.
   */
  reasonClass?: ReasonClass
  jti: string
}

export interface LogoutReceiverOptions {
  issuer: string
  clientId: string
  keys: KeySet
  /** Ends the sessions. It may get the same logout twice. */
  sink: (logout: Logout) => void | Promise<void>
  /** Epoch seconds. */
  now: () => number
  toleranceSeconds: number
  /** The greatest age of a logout token. Default: 600. */
  maxAgeSeconds?: number
  /**
   * The `id_token_signed_response_alg` that this client is registered with (Back-Channel Logout 1.0
   * §2.6). Default: RS256, as there.
   */
  idTokenSignedResponseAlg?: Algorithm | undefined
  onProblem?: (error: Error) => void
}

const MAX_BODY_BYTES = 16 * 1024
const REMEMBERED = 100_000

const answer = (
  status: number,
  error: string,
  description: string,
  headers: Record<string, string> = {},
): Response =>
  Response.json(
    { error, error_description: description },
    { status, headers: { 'cache-control': 'no-store', ...headers } },
  )
const later = (description: string): Response =>
  answer(503, 'temporarily_unavailable', description, { 'retry-after': '1' })
const reject = (description: string): Response => answer(400, 'invalid_request', description)

/**
 * Receives logout tokens (Back-Channel Logout 1.0 §2.5 to §2.8). Answers 200 once the sink has
 * ended the sessions, 400 `invalid_request` for a token that will never be valid, and 503 if the
 * broker should send another one.
 */
export function createLogoutReceiver(options: LogoutReceiverOptions): {
  receive(request: Request): Promise<Response>
  counters: LogoutCounters
} {
  const receiver = new LogoutReceiver(options)
  return { receive: (request) => receiver.receive(request), counters: receiver.counters }
}

class LogoutReceiver {
  readonly counters: LogoutCounters = { received: 0, ended: 0, rejected: 0, replayed: 0, failed: 0 }
  readonly #options: LogoutReceiverOptions
  readonly #once = new Once(REMEMBERED)
  readonly #maxAgeSeconds: number

  constructor(options: LogoutReceiverOptions) {
    this.#options = options
    this.#maxAgeSeconds = options.maxAgeSeconds ?? 600
  }

  async receive(request: Request): Promise<Response> {
    this.counters.received++
    const body = await readForm(request)
    const response = body instanceof Response ? body : await this.#take(body)
    if (response.status >= 500) this.counters.failed++
    else if (response.status >= 400) this.counters.rejected++
    return response
  }

  async #take(form: URLSearchParams): Promise<Response> {
    const tokens = form.getAll('logout_token')
    const [token] = tokens
    if (tokens.length !== 1 || token === undefined || token === '')
      return reject('Send the parameter logout_token, once.')
    const now = this.#options.now()
    try {
      const { clientId, issuer, keys, toleranceSeconds } = this.#options
      const algorithms = [this.#options.idTokenSignedResponseAlg ?? 'RS256'] as const
      const limits = {
        issuer,
        clientId,
        now,
        toleranceSeconds,
        maxAgeSeconds: this.#maxAgeSeconds,
        algorithms,
      }
      const verified = await verifyLogoutToken(token, keys, limits)
      if (!verified.ok) return this.#notGood(verified.description, verified.certain)
      return await this.#end(verified.claims, now)
    } catch (error) {
      if (error instanceof KeysUnavailable)
        return later('The keys of the issuer cannot be read at the moment.')
      throw error
    }
  }

  /**
   * Answers a token that is not valid. A 400 is final, and the sign-out would be lost. If the
   * reason may be a clock or a key that was not read yet, the broker is asked to send the token
   * again.
   */
  #notGood(description: string, certain: boolean): Response {
    this.#options.onProblem?.(new Error(`A logout token was not accepted. ${description}`))
    return certain ? reject(description) : later(description)
  }

  async #end(
    { sid, sub, rev, reason_class: reasonClass, jti, iat }: LogoutTokenClaims,
    now: number,
  ): Promise<Response> {
    const logout: Logout = {
      ...(sid === undefined ? {} : { sid }),
      ...(sub === undefined ? {} : { sub }),
      ...(rev === undefined ? {} : { rev }),
      ...(reasonClass === undefined ? {} : { reasonClass }),
      jti,
    }
    const until = iat + this.#maxAgeSeconds + 2 * this.#options.toleranceSeconds
    try {
      const outcome = await this.#once.run(jti, now, until, async () => this.#options.sink(logout))
      if (outcome === 'done_before') {
        this.counters.replayed++
        return reject('This logout token has been used before.')
      }
      this.counters.ended++
      return new Response(null, { status: 200, headers: { 'cache-control': 'no-store' } })
    } catch (cause) {
      this.#options.onProblem?.(
        new Error(
          'The sessions that a logout token names could not be ended; the broker sends it again.',
          { cause },
        ),
      )
      return later('The sessions could not be ended. Tell it again.')
    }
  }
}

export interface LogoutCounters {
  received: number
  ended: number
  rejected: number
  replayed: number
  failed: number
}

async function readForm(request: Request): Promise<URLSearchParams | Response> {
  if (request.method !== 'POST')
    return answer(405, 'invalid_request', 'Logout tokens are sent by POST.', { allow: 'POST' })
  const type = (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded')
    return answer(415, 'invalid_request', 'Send application/x-www-form-urlencoded.')
  const text = await readText(request, MAX_BODY_BYTES)
  return text === undefined
    ? answer(413, 'invalid_request', `Send at most ${MAX_BODY_BYTES} bytes.`)
    : new URLSearchParams(text)
}

/**
 * Runs an act once for each identifier. An identifier is consumed when its act has succeeded, so
 * that a failed act can be retried.
 */
export class Once {
  readonly #burned = new Map<string, number>()
  readonly #running = new Map<string, Promise<void>>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  /**
   * Runs `act` unless it has succeeded for this id before. A caller that asks while it runs waits
   * for its outcome.
   * @param until epoch seconds after which the id can be forgotten, because its token is then
   * rejected for its age
   * @throws the error of `act`
   */
  async run(
    id: string,
    now: number,
    until: number,
    act: () => Promise<void>,
  ): Promise<'done' | 'done_before'> {
    const running = this.#running.get(id)
    if (running !== undefined) {
      await running
      return 'done_before'
    }
    if ((this.#burned.get(id) ?? -1) >= now) return 'done_before'
    const acting = act()
    this.#running.set(id, acting)
    try {
      await acting
      this.#burn(id, now, until)
    } finally {
      this.#running.delete(id)
    }
    return 'done'
  }

  #burn(id: string, now: number, until: number): void {
    this.#burned.delete(id)
    this.#burned.set(id, until)
    if (this.#burned.size <= this.#limit) return
    for (const [old, end] of this.#burned) if (end < now) this.#burned.delete(old)
    for (const old of this.#burned.keys()) {
      if (this.#burned.size <= this.#limit) break
      this.#burned.delete(old)
    }
  }
}
