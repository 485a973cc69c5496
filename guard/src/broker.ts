import type { BrokerClock } from './broker-clock.ts'
import type { Clock } from './clock.ts'
import type { Credentials } from './credentials.ts'
import { quoted } from './problems.ts'
import type { Anchor, WithoutLease } from './lease.ts'
import { readText } from './read-text.ts'
import { isSeq, isTime } from './selector.ts'

/** The report of a guard to the broker: what it enforces, and its own state (docs/feed.md). */
export interface Report {
  epoch: string
  seq: number
  guard: string
  /** The streams and pollers whose leases this process may hold. */
  streams: string[]
  version: string
  without_lease: WithoutLease
  lease_ran_out: { count: number }
  /** The time within which the next report follows, whole seconds. */
  every_seconds: number
  /** True if this process judges the instance's own sessions too. */
  sessions?: true
  clock_offset_seconds?: number
  clock_drift_ppm?: number
}

/** The broker's answer about a session (docs/feed.md, "Ask about one session"). */
export type SessionAnswer = { active: false } | { active: true; rev: number; sessionExpiry: number }

const ANSWER_MS = 5000
/**
 * The time limit of a question about a token or a session. It is short, because a request of a user
 * waits for it.
 */
const INTROSPECTION_MS = 2000
/**
 * The largest answer that is read. A page of the log has 1,000 entries: about 150 KB, and 1 MB with
 * the longest ids that are allowed.
 */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024

/**
 * The guard's requests to the broker: addresses, credentials, and a time limit for everything but
 * the stream itself.
 */
export class Broker {
  readonly issuer: string
  readonly clientId: string
  readonly jwksUri: string
  #issuerChecked = false
  readonly #credentials: Credentials
  readonly #fetch: typeof fetch
  readonly #clock: Clock
  readonly #brokerClock: BrokerClock

  constructor(options: {
    issuer: string
    clientId: string
    credentials: Credentials
    fetch: typeof fetch
    clock: Clock
    brokerClock: BrokerClock
  }) {
    this.issuer = options.issuer
    this.clientId = options.clientId
    this.jwksUri = `${options.issuer}/jwks`
    this.#credentials = options.credentials
    this.#fetch = options.fetch
    this.#clock = options.clock
    this.#brokerClock = options.brokerClock
  }

  /**
   * Opens the feed. Resolves with the headers; the body then lasts until `signal` aborts it.
   * @param input.onSend called with the random value that the answer must repeat
   */
  async openFeed(input: {
    guardId: string
    sessions: boolean
    lastEventId: string | undefined
    onSend: (nonce: string) => void
    signal: AbortController
    timeoutMs: number
  }): Promise<Response> {
    const cancel = this.#clock.after(input.timeoutMs, () =>
      input.signal.abort(new Error(`no answer within ${input.timeoutMs} ms`)),
    )
    try {
      const nonce = crypto.randomUUID()
      const { uri, init } = await this.#feedRequest(
        'text/event-stream',
        { guard: input.guardId, sessions: input.sessions ? '1' : undefined, nonce },
        input.lastEventId,
      )
      input.onSend(nonce)
      return await this.#ask(uri, { ...init, signal: input.signal.signal })
    } finally {
      cancel()
    }
  }

  /**
   * Compares the `issuer` of the discovery document once. With a wrong address the feed would work,
   * but each check would reject the tokens for their `iss`. If the document cannot be read, it is
   * compared the next time.
   * @throws Error if it is another, or the reason of `stopping` if it was aborted
   */
  async checkIssuer(stopping: AbortSignal): Promise<void> {
    if (this.#issuerChecked) return
    const issuer = await this.#readIssuer(stopping)
    if (issuer === undefined) return
    if (issuer !== this.issuer)
      throw new Error(
        `issuer is set to ${quoted(this.issuer)}, but the broker there is ${quoted(issuer)}: set issuer to exactly that`,
      )
    this.#issuerChecked = true
  }

  /**
   * Returns the `issuer` of the discovery document (OpenID Connect Discovery 1.0 §4.3), or
   * undefined if the document cannot be read.
   * @throws the reason of `stopping` if it was aborted
   */
  async #readIssuer(stopping: AbortSignal): Promise<string | undefined> {
    try {
      const init = { headers: { accept: 'application/json' } }
      const document = await this.#bounded(
        `${this.issuer}/.well-known/openid-configuration`,
        init,
        stopping,
        readJson,
      )
      return typeof document?.issuer === 'string' ? document.issuer : undefined
    } catch {
      stopping.throwIfAborted()
      return undefined
    }
  }

  /**
   * Reads the entries of the log after a position (docs/feed.md, "Poll").
   * @throws Error if there is no answer, its status is not 200, or it belongs to another request
   */
  async poll(
    position: { epoch: string; seq: number } | undefined,
    { guard, sessions, stream }: { guard: string; sessions: boolean; stream: string | undefined },
    onSend: () => void,
    stopping: AbortSignal,
  ): Promise<unknown> {
    const nonce = crypto.randomUUID()
    const { uri, init } = await this.#feedRequest('application/json', {
      epoch: position?.epoch,
      after: position?.seq.toString(),
      guard,
      sessions: sessions ? '1' : undefined,
      stream,
      nonce,
    })
    onSend()
    const answer = await this.#bounded(uri, init, stopping, async (response) => {
      if (response.status !== 200) throw await this.explain(response, '200 "application/json"')
      return readJson(response)
    })
    if (answer?.nonce !== nonce)
      throw new Error(
        'the answer to the poll is one to another request: let no cache answer, and update the broker before its guards',
      )
    return answer
  }

  /**
   * Reads the broker's clock as a new anchor for leases (docs/feed.md, "The lease").
   * @throws Error if there is no answer, or it belongs to another request
   */
  async readClock(stopping: AbortSignal): Promise<Anchor> {
    const nonce = crypto.randomUUID()
    const { uri, init } = await this.#feedRequest(
      'application/json',
      { nonce },
      undefined,
      '/clock',
    )
    const sentMs = this.#clock.elapsedMs()
    const answer = await this.#bounded(uri, init, stopping, readJson)
    const { clock, at_ms: brokerMs } = answer ?? {}
    if (answer?.nonce !== nonce || typeof clock !== 'string' || typeof brokerMs !== 'number')
      throw new Error('the answer to the request for the clock is one to another request')
    return { clock, brokerMs, sentMs, receivedMs: this.#clock.elapsedMs() }
  }

  /**
   * Builds a request to the feed. With an assertion it is a POST, because addresses end up in logs.
   */
  async #feedRequest(
    accept: string,
    params: Record<string, string | undefined>,
    lastEventId?: string,
    path = '',
  ): Promise<{ uri: string; init: RequestInit }> {
    const sent = new URLSearchParams()
    for (const [name, value] of Object.entries(params))
      if (value !== undefined) sent.set(name, value)
    const headers: Record<string, string> = {
      accept,
      'cache-control': 'no-store',
      ...this.#authorization(),
    }
    if (lastEventId !== undefined) headers['last-event-id'] = lastEventId
    const members = await this.#members()
    if (members === undefined)
      return { uri: `${this.issuer}/revocations${path}?${sent}`, init: { headers } }
    for (const [name, value] of Object.entries(members)) sent.set(name, value)
    return {
      uri: `${this.issuer}/revocations${path}`,
      init: { method: 'POST', headers, body: sent },
    }
  }

  #authorization(): Record<string, string> {
    return this.#credentials.kind === 'secret'
      ? { authorization: this.#credentials.authorization }
      : {}
  }

  async #members(): Promise<Record<string, string> | undefined> {
    return this.#credentials.kind === 'assertion'
      ? this.#credentials.members(this.#brokerClock.now())
      : undefined
  }

  /**
   * Sends a report. Returns the status of the answer.
   * @throws Error if there is no answer
   */
  async report(report: Report, stopping: AbortSignal): Promise<number> {
    const body = JSON.stringify({ ...report, ...(await this.#members()) })
    return this.#post(
      '/revocations/enforced',
      body,
      'application/json',
      stopping,
      async (response) => {
        await response.body?.cancel()
        return response.status
      },
    )
  }

  /**
   * Returns whether the token is active (RFC 7662).
   * @throws Error if there is no answer, or it cannot be read
   */
  async introspect(token: string, stopping: AbortSignal): Promise<boolean> {
    const body = new URLSearchParams({
      token,
      token_type_hint: 'access_token',
      ...(await this.#members()),
    })
    const answer = await this.#post(
      '/introspect',
      body.toString(),
      'application/x-www-form-urlencoded',
      stopping,
      readJson,
      INTROSPECTION_MS,
    )
    if (typeof answer?.active !== 'boolean')
      throw new Error('the answer about a token cannot be read')
    return answer.active
  }

  /**
   * Asks whether a session is live, and no revocation after `rev` has ended it (docs/feed.md, "Ask
   * about one session").
   * @throws Error if there is no answer, or it cannot be read
   */
  async askSession(
    { rev, sid, sub }: { sid: string; sub: string; rev: number | undefined },
    stopping: AbortSignal,
  ): Promise<SessionAnswer> {
    const body = new URLSearchParams({ sid, sub, ...(await this.#members()) })
    if (rev !== undefined) body.set('rev', rev.toString())
    const answer = await this.#post(
      '/revocations/session',
      body.toString(),
      'application/x-www-form-urlencoded',
      stopping,
      readJson,
      INTROSPECTION_MS,
    )
    if (answer?.active === false) return { active: false }
    const { active, rev: known, session_expiry: sessionExpiry } = answer ?? {}
    if (active !== true || !isSeq(known) || !isTime(sessionExpiry))
      throw new Error('the answer about a session cannot be read')
    return { active, rev: known, sessionExpiry }
  }

  #post<T>(
    path: string,
    body: string,
    type: string,
    stopping: AbortSignal,
    read: (response: Response) => Promise<T>,
    timeoutMs?: number,
  ): Promise<T> {
    const headers = { accept: 'application/json', 'content-type': type, ...this.#authorization() }
    const init = { method: 'POST', headers, body }
    return this.#bounded(`${this.issuer}${path}`, init, stopping, read, timeoutMs)
  }

  /** Sends a request. The time limit also covers the time in which `read` reads the body. */
  async #bounded<T>(
    uri: string,
    init: RequestInit,
    stopping: AbortSignal,
    read: (response: Response) => Promise<T>,
    timeoutMs = ANSWER_MS,
  ): Promise<T> {
    stopping.throwIfAborted()
    const abort = new AbortController()
    const stop = (): void => abort.abort(stopping.reason)
    stopping.addEventListener('abort', stop)
    const cancel = this.#clock.after(timeoutMs, () =>
      abort.abort(new Error(`no answer within ${timeoutMs} ms`)),
    )
    try {
      return await read(await this.#ask(uri, { ...init, signal: abort.signal }))
    } finally {
      cancel()
      stopping.removeEventListener('abort', stop)
    }
  }

  /**
   * Sends a request and takes the broker's time from the answer. Follows no redirect, because the
   * credentials would go to another server. Some runtimes do not know `redirect: 'error'`.
   */
  async #ask(uri: string, init: RequestInit): Promise<Response> {
    const begunMs = this.#clock.elapsedMs()
    const response = await this.#fetch(uri, { ...init, redirect: 'manual' })
    this.#brokerClock.heard(response.headers.get('date'), begunMs)
    return response
  }

  /**
   * Returns an error that says why the feed's answer is wrong and what to do. Never contains a
   * secret.
   */
  async explain(response: Response, expected: string): Promise<Error> {
    const { clientId, issuer } = this
    const { status } = response
    await response.body?.cancel()
    if (status === 401) {
      const what = this.#credentials.kind === 'secret' ? 'secret' : 'assertion'
      return new Error(
        `${issuer} rejected the client_id or the ${what} of this guard (401, client_id ${quoted(clientId)}): use those of the client's registration`,
      )
    }
    // A browser's fetch hides where a redirect leads.
    if (response.type === 'opaqueredirect' || (status >= 300 && status < 400))
      return new Error(
        `${issuer} answered the feed with a redirect to ${quoted(response.headers.get('location') ?? 'another address')}: set issuer to where the broker is`,
      )
    if (status === 404)
      return new Error(
        `${issuer} has no feed (404): set issuer to the broker's, exactly as its discovery document says`,
      )
    return new Error(
      `${issuer} answered the feed with ${status} ${quoted(response.headers.get('content-type') ?? '')}, expected ${expected}`,
    )
  }
}

/**
 * Returns the JSON of an answer.
 * @throws Error if the status is not 200, or the body is too long or not JSON
 */
async function readJson(response: Response): Promise<Record<string, unknown> | null> {
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(`The broker answered ${response.status}.`)
  }
  const text = await readText(response, MAX_ANSWER_BYTES)
  if (text === undefined)
    throw new Error(`The broker answered with more than ${MAX_ANSWER_BYTES} bytes.`)
  return JSON.parse(text) as Record<string, unknown> | null
}
