import type { Clock } from './clock.ts'

/** How the guard speaks to the broker: its addresses, its credentials, and a limit of time on everything but the stream itself. */
export class Broker {
  readonly issuer: string
  readonly jwksUri: string
  readonly #authorization: string
  readonly #fetch: typeof fetch
  readonly #clock: Clock

  constructor(options: { issuer: string; clientId: string; clientSecret: string; fetch: typeof fetch; clock: Clock }) {
    this.issuer = options.issuer
    this.jwksUri = `${options.issuer}/jwks`
    this.#authorization = basic(options.clientId, options.clientSecret)
    this.#fetch = options.fetch
    this.#clock = options.clock
  }

  /** Resolves with the headers; the body then lasts until `signal` aborts it. */
  async openFeed(input: { guardId: string; lastEventId: string | undefined; signal: AbortController; timeoutMs: number }): Promise<Response> {
    const cancel = this.#clock.after(input.timeoutMs, () => input.signal.abort(new Error(`no answer within ${input.timeoutMs} ms`)))
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream', authorization: this.#authorization, 'cache-control': 'no-store' }
      if (input.lastEventId !== undefined) headers['last-event-id'] = input.lastEventId
      const uri = `${this.issuer}/revocations?guard=${encodeURIComponent(input.guardId)}`
      return await this.#fetch(uri, { headers, redirect: 'error', signal: input.signal.signal })
    } finally {
      cancel()
    }
  }

  /** The status alone is of interest. @throws where there is no answer */
  async reportApplied(report: { epoch: string; seq: number; guard: string }, stopping: AbortSignal): Promise<number> {
    const response = await this.#post('/revocations/applied', JSON.stringify(report), 'application/json', stopping)
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

  async #post(path: string, body: string, type: string, stopping: AbortSignal): Promise<Response> {
    const abort = new AbortController()
    const stop = (): void => abort.abort(stopping.reason)
    stopping.addEventListener('abort', stop)
    const cancel = this.#clock.after(5000, () => abort.abort(new Error('no answer within 5 s')))
    try {
      const headers = { accept: 'application/json', authorization: this.#authorization, 'content-type': type }
      return await this.#fetch(`${this.issuer}${path}`, { method: 'POST', headers, body, redirect: 'error', signal: abort.signal })
    } finally {
      cancel()
      stopping.removeEventListener('abort', stop)
    }
  }
}

/** RFC 6749 §2.3.1: both are form-encoded before they are joined. */
function basic(clientId: string, clientSecret: string): string {
  const encode = (value: string): string => new URLSearchParams({ '': value }).toString().slice(1)
  return `Basic ${btoa(`${encode(clientId)}:${encode(clientSecret)}`)}`
}
