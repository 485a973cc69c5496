import type { INetworkModule, NetworkRequestOptions, NetworkResponse } from '@azure/msal-node'
import type { Clock } from '../runtime/clock.ts'

/**
 * Sends requests to Microsoft, limited in time and size, without following redirects. MSAL's own
 * client waits for a POST without a limit and hides the token endpoint's answer. This one keeps the
 * answer, for `aadsts.ts` to classify.
 */

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

const TIMEOUT_MS = 10_000
const MOST_BYTES = 1_048_576

/**
 * Thrown if Microsoft cannot be reached or gives no usable answer. This is an outage, which never
 * signs a user out.
 */
export class MicrosoftUnreachable extends Error {
  /** The seconds in its Retry-After. */
  readonly retryAfterSeconds: number | undefined
  constructor(
    message: string,
    options: { cause?: unknown; retryAfterSeconds?: number | undefined } = {},
  ) {
    super(message, { cause: options.cause })
    this.name = 'MicrosoftUnreachable'
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

export interface Answer {
  status: number
  headers: Record<string, string>
  body: Record<string, unknown>
}

/** The fetch function for requests to Microsoft, unless another one is passed in. */
export const systemFetch: Fetch = (url, init) => fetch(url, init)

/**
 * Returns the seconds of a Retry-After header (RFC 9110 §10.2.3), at most a day. A date is ignored.
 */
function retryAfter(value: string | null): number | undefined {
  return value !== null && /^\d{1,9}$/.test(value) ? Math.min(Number(value), 86_400) : undefined
}

/**
 * The longest time for which an endpoint is not called. Microsoft may ask for a day, but a sign-in
 * that it would accept earlier must not wait so long.
 */
const MOST_WAIT_SECONDS = 300
/** The most endpoints that are remembered. Each tenant has a few. */
const MOST_WAITING = 1_000

/**
 * Wraps `fetch` so that an endpoint that answered 429 or 503 with Retry-After (RFC 9110 §10.2.3) is
 * not called before that time. A sign-in in the meantime fails at once as an outage, with the time
 * to retry. Applies only to addresses of `origin`; requests to Graph schedule their own retries.
 */
export function waiting(fetch: Fetch, origin: string, nowMs: () => number): Fetch {
  const held = new Map<string, { fromMs: number; untilMs: number }>()
  return async (address, init) => {
    const { origin: at, pathname } = new URL(address)
    const key = `${at}${pathname}`
    const hold = held.get(key)
    const atMs = nowMs()
    // If the clock was set back, the wait does not apply.
    if (hold !== undefined && atMs >= hold.fromMs && atMs < hold.untilMs)
      throw new MicrosoftUnreachable(`${at} asked the broker to wait.`, {
        retryAfterSeconds: Math.ceil((hold.untilMs - atMs) / 1000),
      })
    held.delete(key)
    const response = await fetch(address, init)
    const seconds =
      response.status === 429 || response.status === 503
        ? retryAfter(response.headers.get('retry-after'))
        : undefined
    if (seconds !== undefined && at === origin && held.size < MOST_WAITING)
      held.set(key, {
        fromMs: atMs,
        untilMs: nowMs() + Math.min(seconds, MOST_WAIT_SECONDS) * 1000,
      })
    return response
  }
}

/**
 * Reads the whole body.
 * @throws MicrosoftUnreachable above the limit
 */
async function read(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > MOST_BYTES) throw new MicrosoftUnreachable('The answer is too long.')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * Sends one request.
 * @throws MicrosoftUnreachable for timeouts, transport errors, 429, 5xx, redirects and anything but
 * a JSON object
 */
export async function call(
  fetch: Fetch,
  url: string,
  init: {
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
    headers?: Record<string, string>
    body?: string
  },
): Promise<Answer> {
  const where = new URL(url).origin
  try {
    const response = await fetch(url, {
      ...init,
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    const text = await read(response)
    if (
      response.status === 429 ||
      response.status >= 500 ||
      (response.status >= 300 && response.status < 400)
    )
      throw new MicrosoftUnreachable(`${where} answered ${response.status}.`, {
        retryAfterSeconds: retryAfter(response.headers.get('retry-after')),
      })
    const body: unknown = response.status === 204 ? {} : JSON.parse(text)
    if (typeof body !== 'object' || body === null || Array.isArray(body))
      throw new MicrosoftUnreachable(`${where} answered something else than a JSON object.`)
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: body as Record<string, unknown>,
    }
  } catch (error) {
    if (error instanceof MicrosoftUnreachable) throw error
    // The message of a SyntaxError quotes the text, which may contain a token, so it is not passed
    // on.
    throw error instanceof SyntaxError
      ? new MicrosoftUnreachable(`${where} answered no JSON.`)
      : new MicrosoftUnreachable(`${where} cannot be reached.`, { cause: error })
  }
}

/** The longest round trip from which a clock offset is computed. A longer one is too inaccurate. */
const MOST_ROUND_TRIP_MS = 5_000

/**
 * Returns the seconds by which Microsoft's clock is ahead of the broker's, from the `Date` of an
 * answer (RFC 9110 §6.6.1: whole seconds). Undefined if the answer has no date.
 */
function offsetOf({ headers }: Answer, sentMs: number, receivedMs: number): number | undefined {
  const dateMs = Date.parse(headers.date ?? '')
  if (Number.isNaN(dateMs) || receivedMs < sentMs || receivedMs - sentMs > MOST_ROUND_TRIP_MS)
    return undefined
  return (dateMs + 500 - (sentMs + receivedMs) / 2) / 1000
}

/** MSAL's network client for one request, with the answer. */
export interface Transport extends INetworkModule {
  /** The last answer. It contains tokens and is never logged. */
  answer: Answer | undefined
  /**
   * The seconds by which Microsoft's clock is ahead of the broker's, from the last answer;
   * undefined if it had no date.
   */
  clockOffsetSeconds: number | undefined
  /** Set if Microsoft could not be reached. */
  outage: MicrosoftUnreachable | undefined
}

export function createTransport(fetch: Fetch, clock: Pick<Clock, 'nowMs'>): Transport {
  const send = async <T>(
    method: 'GET' | 'POST',
    url: string,
    options: NetworkRequestOptions | undefined,
  ): Promise<NetworkResponse<T>> => {
    try {
      const { headers, body } = options ?? {}
      const sentMs = clock.nowMs()
      transport.answer = await call(fetch, url, {
        method,
        ...(headers && { headers }),
        ...(body !== undefined && { body }),
      })
      transport.clockOffsetSeconds = offsetOf(transport.answer, sentMs, clock.nowMs())
      return { ...transport.answer, body: transport.answer.body as T }
    } catch (error) {
      if (error instanceof MicrosoftUnreachable) transport.outage = error
      throw error
    }
  }
  const transport: Transport = {
    answer: undefined,
    clockOffsetSeconds: undefined,
    outage: undefined,
    sendGetRequestAsync: (url, options) => send('GET', url, options),
    sendPostRequestAsync: (url, options) => send('POST', url, options),
  }
  return transport
}
