import { parseJson } from '../../protocol/params.ts'
import type { StreamSettings } from '../../config/signal-stream.ts'
import type { Deps } from '../deps.ts'

/**
 * Sends requests to a transmitter, authorized by a configured token or one by client_credentials
 * (RFC 6749 §4.4).
 */

/**
 * Thrown if a transmitter cannot be reached or its answer is not valid. The texts are for operators
 * and contain no token.
 */
export class TransmitterProblem extends Error {
  readonly next: string
  readonly status: number | undefined
  constructor(message: string, next: string, status?: number) {
    super(message)
    this.name = 'TransmitterProblem'
    this.next = next
    this.status = status
  }
}

const TIMEOUT_MS = 10_000
const MOST_BYTES = 256 * 1024
/**
 * The seconds before its expiry in which a token is no longer used. Below, the assumed lifetime of
 * a token without expires_in, which is therefore used for 30 s.
 */
const SPARE_SECONDS = 30
const UNKNOWN_SECONDS = 60

interface Request {
  method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  url: string
  body?: object
  /** True to send the request without the header `Authorization`. */
  open?: boolean
  timeoutMs?: number
  maxBytes?: number
}

/**
 * Sends a request.
 * @returns the JSON of the answer, or undefined if it has none
 * @throws TransmitterProblem
 */
export type Call = (request: Request) => Promise<unknown>

interface CallDeps extends Pick<Deps, 'clock' | 'outbound'> {
  signal: AbortSignal | undefined
}

/**
 * Returns a function that sends authorized requests.
 * @param signal aborts every request
 */
export function authorizedCalls(
  { clock, outbound }: Pick<Deps, 'clock' | 'outbound'>,
  { authorization }: StreamSettings,
  signal?: AbortSignal,
): Call {
  const deps: CallDeps = { clock, outbound, signal }
  const tokens = tokensOf(deps, authorization)
  return async (request) => {
    const attempt = async () =>
      send(
        deps,
        request,
        request.open === true ? {} : { authorization: `Bearer ${await tokens.get()}` },
      )
    const first = await attempt()
    const isStale = first.status === 401 && request.open !== true && tokens.forget()
    return answerOf(isStale ? await attempt() : first, request)
  }
}

type Answer = Awaited<ReturnType<Deps['outbound']['request']>>

async function send(
  { outbound, signal }: CallDeps,
  request: Request,
  headers: Record<string, string>,
): Promise<Answer> {
  const { method, url, body, timeoutMs = TIMEOUT_MS, maxBytes = MOST_BYTES } = request
  const json = body !== undefined && {
    'content-type': 'application/json',
    'content-language': 'en',
  }
  return reached(url, () =>
    outbound.request(url, {
      method,
      timeoutMs,
      maxBytes,
      signal,
      headers: { accept: 'application/json', ...json, ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }),
  )
}

async function reached(url: string, work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work()
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown'
    throw new TransmitterProblem(
      `${url} cannot be reached: ${why}`,
      'Check the network between the broker and this address.',
    )
  }
}

function answerOf(
  { status, body }: Answer,
  { method, url }: Pick<Request, 'method' | 'url'>,
): unknown {
  if (status === 204 || (status >= 200 && status < 300 && body.trim() === '')) return undefined
  const json = parseJson(body)
  if (status >= 200 && status < 300 && json !== undefined) return json
  const next =
    status === 401 || status === 403
      ? 'Check the token or client of stream in the file of issuers.'
      : 'Ask its operator.'
  throw new TransmitterProblem(`${method} ${url} answered ${status}${codeOf(json)}.`, next, status)
}

/** Returns only the error code, because a description may repeat the token that was sent. */
function codeOf(json: unknown): string {
  const { error, err } = (typeof json === 'object' && json !== null ? json : {}) as {
    error?: unknown
    err?: unknown
  }
  const code = error ?? err
  return typeof code === 'string' && /^[\w.-]{1,60}$/.test(code) ? ` ${code}` : ''
}

interface Tokens {
  get(): Promise<string>
  /**
   * Discards the token.
   * @returns whether another one can be requested
   */
  forget(): boolean
}

function tokensOf(deps: CallDeps, authorization: StreamSettings['authorization']): Tokens {
  if (authorization.kind === 'token')
    return { get: async () => authorization.token, forget: () => false }
  let kept: { token: string; until: number } | undefined
  // Tending and polling may need a token at the same time, and share one request.
  let asked: ReturnType<typeof askToken> | undefined
  return {
    async get() {
      const now = deps.clock.now()
      if (kept !== undefined && now < kept.until) return kept.token
      asked ??= askToken(deps, authorization, now).finally(() => (asked = undefined))
      kept = await asked
      return kept.token
    },
    forget() {
      kept = undefined
      return true
    },
  }
}

type ClientAuthorization = Extract<StreamSettings['authorization'], { kind: 'client' }>

async function askToken(
  { outbound, signal }: CallDeps,
  authorization: ClientAuthorization,
  now: number,
): Promise<{ token: string; until: number }> {
  const { tokenEndpoint: url, clientId, secret, scope } = authorization
  // The id and the secret are form-encoded first (RFC 6749 §2.3.1).
  const basic = Buffer.from(
    `${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`,
  ).toString('base64')
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    ...(scope !== undefined && { scope }),
  }).toString()
  const headers = {
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
    authorization: `Basic ${basic}`,
  }
  const answer = await reached(url, () =>
    outbound.request(url, {
      method: 'POST',
      headers,
      body,
      timeoutMs: TIMEOUT_MS,
      maxBytes: MOST_BYTES,
      signal,
    }),
  )
  const json = answerOf(answer, { method: 'POST', url }) as
    | { access_token?: unknown; expires_in?: unknown }
    | undefined
  const { access_token: token, expires_in: seconds = UNKNOWN_SECONDS } = json ?? {}
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token) || typeof seconds !== 'number')
    throw new TransmitterProblem(
      `${url} answered without an access token.`,
      'Check token_endpoint of stream in the file of issuers.',
    )
  return { token, until: now + seconds - SPARE_SECONDS }
}
