import type { INetworkModule, NetworkRequestOptions, NetworkResponse } from '@azure/msal-node'
import type { Clock } from '../runtime/clock.ts'

/**
 * Calls to Microsoft: bounded in time and size, no redirects followed. MSAL's own client waits for
 * a POST without end, and keeps from us what the token endpoint said; this one remembers it, for
 * `aadsts.ts` to judge.
 */

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

const TIMEOUT_MS = 10_000
const MOST_BYTES = 1_048_576

/**
 * Microsoft could not be reached, or answered nothing that can be used: an outage, which never
 * signs a user out.
 */
export class MicrosoftUnreachable extends Error {
  /** What its Retry-After asked for. */
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

/** The one place from which requests to Microsoft leave, where none is handed in. */
export const systemFetch: Fetch = (url, init) => fetch(url, init)

/** RFC 9110 §10.2.3, in seconds; a date is left aside. A day at most. */
function retryAfter(value: string | null): number | undefined {
  return value !== null && /^\d{1,9}$/.test(value) ? Math.min(Number(value), 86_400) : undefined
}

/**
 * No longer than this is an endpoint left alone: a sign-in that Microsoft would take by then must
 * not wait for a day.
 */
const MOST_WAIT_SECONDS = 300
/** Endpoints that are remembered: some of each tenant. */
const MOST_WAITING = 1_000

/**
 * An endpoint that asked us to wait (Retry-After on 429 and 503, RFC 9110 §10.2.3) is not asked
 * before: each sign-in meanwhile fails at once as an outage, and says when to try again. Only for
 * addresses of `origin`; Graph's work waits by itself.
 */
export function waiting(fetch: Fetch, origin: string, nowMs: () => number): Fetch {
  const held = new Map<string, { fromMs: number; untilMs: number }>()
  return async (address, init) => {
    const { origin: at, pathname } = new URL(address)
    const key = `${at}${pathname}`
    const hold = held.get(key)
    const atMs = nowMs()
    // A clock that was set back holds nothing.
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

/** The whole body, as far as the limit; more than that is not an answer. */
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
 * @throws MicrosoftUnreachable for timeouts, transport errors, 429, 5xx, redirects and whatever is
 * not a JSON object
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
    // A SyntaxError quotes what it could not parse, which may be a token: its words go no further.
    throw error instanceof SyntaxError
      ? new MicrosoftUnreachable(`${where} answered no JSON.`)
      : new MicrosoftUnreachable(`${where} cannot be reached.`, { cause: error })
  }
}

/** A longer round trip says too little about the other clock. */
const MOST_ROUND_TRIP_MS = 5_000

/**
 * How far Microsoft's clock is ahead of ours, by the `Date` of an answer (RFC 9110 §6.6.1: whole
 * seconds). Undefined: it does not say.
 */
function offsetOf({ headers }: Answer, sentMs: number, receivedMs: number): number | undefined {
  const dateMs = Date.parse(headers.date ?? '')
  if (Number.isNaN(dateMs) || receivedMs < sentMs || receivedMs - sentMs > MOST_ROUND_TRIP_MS)
    return undefined
  return (dateMs + 500 - (sentMs + receivedMs) / 2) / 1000
}

/** MSAL's way to the network for one request, and what came back by it. */
export interface Transport extends INetworkModule {
  /** The last answer, tokens and all: never logged. */
  answer: Answer | undefined
  /**
   * By how many seconds Microsoft's clock is ahead of ours, by the last answer; undefined where it
   * does not say.
   */
  clockOffsetSeconds: number | undefined
  /** Set where Microsoft could not be reached. */
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
