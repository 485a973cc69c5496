import type { BrokerClock } from './broker-clock.ts'
import type { Clock } from './clock.ts'
import { quoted } from './quoted.ts'

/** What a guard says of itself with each report (docs/feed.md). */
export interface Report {
  epoch: string
  seq: number
  guard: string
  version: string
  staleness: { after_seconds: number; policy: 'refuse' | 'introspect' | 'accept'; accept_seconds?: number }
  clock_offset_seconds?: number
}

const ANSWER_MS = 5000

/** How the guard speaks to the broker: its addresses, its credentials, and a limit of time on everything but the stream itself. */
export class Broker {
  readonly issuer: string
  readonly jwksUri: string
  readonly #authorization: string
  readonly #fetch: typeof fetch
  readonly #clock: Clock
  readonly #brokerClock: BrokerClock

  constructor(options: { issuer: string; clientId: string; clientSecret: string; fetch: typeof fetch; clock: Clock; brokerClock: BrokerClock }) {
    this.issuer = options.issuer
    this.jwksUri = `${options.issuer}/jwks`
    this.#authorization = basic(options.clientId, options.clientSecret)
    this.#fetch = options.fetch
    this.#clock = options.clock
    this.#brokerClock = options.brokerClock
  }

  /** Resolves with the headers; the body then lasts until `signal` aborts it. */
  async openFeed(input: { guardId: string; lastEventId: string | undefined; signal: AbortController; timeoutMs: number }): Promise<Response> {
    const cancel = this.#clock.after(input.timeoutMs, () => input.signal.abort(new Error(`no answer within ${input.timeoutMs} ms`)))
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream', authorization: this.#authorization, 'cache-control': 'no-store' }
      if (input.lastEventId !== undefined) headers['last-event-id'] = input.lastEventId
      const uri = `${this.issuer}/revocations?guard=${encodeURIComponent(input.guardId)}`
      return await this.#ask(uri, { headers, signal: input.signal.signal })
    } finally {
      cancel()
    }
  }

  /**
   * The `issuer` of the discovery document (OpenID Connect Discovery 1.0 §4.3). Undefined where it cannot be read: that says nothing.
   * @throws what aborted `stopping`
   */
  async readIssuer(stopping: AbortSignal): Promise<string | undefined> {
    try {
      const response = await this.#bounded(`${this.issuer}/.well-known/openid-configuration`, { headers: { accept: 'application/json' } }, stopping)
      const document = response.status === 200 ? ((await response.json()) as { issuer?: unknown } | null) : await response.body?.cancel()
      return typeof document?.issuer === 'string' ? document.issuer : undefined
    } catch {
      stopping.throwIfAborted()
      return undefined
    }
  }

  /** The status alone is of interest. @throws where there is no answer */
  async report(report: Report, stopping: AbortSignal): Promise<number> {
    const response = await this.#post('/revocations/enforced', JSON.stringify(report), 'application/json', stopping)
    await response.body?.cancel()
    return response.status
  }

  /** RFC 7662. @throws where there is no answer, or none that can be understood */
  async introspect(token: string, stopping: AbortSignal): Promise<boolean> {
    const body = new URLSearchParams({ token, token_type_hint: 'access_token' })
    const response = await this.#post('/introspect', body.toString(), 'application/x-www-form-urlencoded', stopping)
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new Error(`The broker answered an introspection with ${response.status}.`)
    }
    const answer = (await response.json()) as { active?: unknown } | null
    return answer?.active === true
  }

  #post(path: string, body: string, type: string, stopping: AbortSignal): Promise<Response> {
    const headers = { accept: 'application/json', authorization: this.#authorization, 'content-type': type }
    return this.#bounded(`${this.issuer}${path}`, { method: 'POST', headers, body }, stopping)
  }

  async #bounded(uri: string, init: RequestInit, stopping: AbortSignal): Promise<Response> {
    const abort = new AbortController()
    const stop = (): void => abort.abort(stopping.reason)
    stopping.addEventListener('abort', stop)
    const cancel = this.#clock.after(ANSWER_MS, () => abort.abort(new Error(`no answer within ${ANSWER_MS} ms`)))
    try {
      return await this.#ask(uri, { ...init, signal: abort.signal })
    } finally {
      cancel()
      stopping.removeEventListener('abort', stop)
    }
  }

  /** No redirect is followed: credentials would go with it. (`redirect: 'error'` is unknown to some runtimes.) */
  async #ask(uri: string, init: RequestInit): Promise<Response> {
    const begunMs = this.#clock.nowMs()
    const response = await this.#fetch(uri, { ...init, redirect: 'manual' })
    this.#brokerClock.heard(response.headers.get('date'), begunMs)
    return response
  }
}

/** What is wrong where the feed was not answered as a feed, with what to do. Never holds the secret. */
export async function explainAnswer(response: Response, expected: { issuer: string; clientId: string }): Promise<Error> {
  const { issuer, clientId } = expected
  const { status } = response
  await response.body?.cancel()
  if (status === 401) {
    return new Error(
      `${issuer} refused the client_id or the secret of this guard (401, client_id ${quoted(clientId)}): set clientId and clientSecret as the client is registered`,
    )
  }
  // A browser's fetch hides where a redirect leads.
  if (response.type === 'opaqueredirect' || (status >= 300 && status < 400))
    return new Error(
      `${issuer} answered the feed with a redirect to ${quoted(response.headers.get('location') ?? 'another address')}: set issuer to where the broker is`,
    )
  if (status === 404) return new Error(`${issuer} has no feed (404): set issuer to the broker's, exactly as its discovery document says`)
  return new Error(
    `${issuer} answered the feed with ${status} ${quoted(response.headers.get('content-type') ?? '')}, expected 200 "text/event-stream"`,
  )
}

/** RFC 6749 §2.3.1: both are form-encoded before they are joined. */
function basic(clientId: string, clientSecret: string): string {
  const encode = (value: string): string => new URLSearchParams({ '': value }).toString().slice(1)
  return `Basic ${btoa(`${encode(clientId)}:${encode(clientSecret)}`)}`
}
