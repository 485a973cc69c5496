import { parseJson } from '../protocol/params.ts'
import type { Random } from '../runtime/ids.ts'
import type { Delivery } from '../../db/types.ts'
import { AddressRejected, type Outbound } from '../runtime/outbound.ts'

/**
 * One attempt to deliver a message: its request, the meaning of the answer, and the time of the
 * next attempt.
 */

/**
 * The verdict on an answer follows Back-Channel Logout 1.0 §2.5, which discourages retransmission
 * unless the failure may be temporary. In practice receivers answer a bare 400 to any failure and
 * 404 during a deployment. So only `invalid_request` (§2.8) is a rejection; every other failure is
 * retried.
 */

/**
 * The seconds of waiting after the first, second, … failed attempt. No attempt follows the last
 * one.
 */
const RETRY_SECONDS = [0.5, 1, 2, 4, 8, 15, 30, 120, 600, 3_600, 21_600, 86_400] as const
export const MAX_ATTEMPTS = RETRY_SECONDS.length + 1
const JITTER = 0.25
const MAX_RETRY_AFTER_SECONDS = 86_400

export interface Answer {
  status: number
  headers: Record<string, string>
  body: string
}

export type Verdict =
  | { outcome: 'delivered' }
  /**
   * The receiver understood the message and rejects it. `code` is for logs; `error` also contains
   * the receiver's description.
   */
  | { outcome: 'rejected'; error: string; code: string }
  /**
   * The attempt failed. `answered`: the target works, so its lane does not count a failure and only
   * this message is retried.
   */
  | { outcome: 'retry'; error: string; retryAfterSeconds: number | undefined; answered?: boolean }

/**
 * Returns the verdict on an answer.
 * @param now epoch seconds, to compare with a `Retry-After` that is a date (RFC 9110 §10.2.3)
 */
export function classifyResponse({ status, headers, body }: Answer, now: number): Verdict {
  if (status >= 200 && status < 300) return { outcome: 'delivered' }
  const problem = status === 400 ? (parseJson(body) as Problem | null | undefined) : undefined
  if (problem?.error === 'invalid_request') {
    const code = 'HTTP 400 invalid_request'
    return {
      outcome: 'rejected',
      code,
      error: [code, descriptionOf(problem)].filter(Boolean).join(': '),
    }
  }
  return {
    outcome: 'retry',
    error: `HTTP ${status}`,
    retryAfterSeconds: retryAfter(headers['retry-after'], now),
  }
}

interface Problem {
  error?: unknown
  error_description?: unknown
}

/**
 * Returns the receiver's description of the error (§2.8, RFC 6749 §5.2) for operators, limited in
 * characters and length, and without tokens that it may repeat.
 */
function descriptionOf({ error_description: description }: Problem): string | undefined {
  if (typeof description !== 'string') return undefined
  return description
    .replaceAll(/[^\x20-\x7e]/g, ' ')
    .replaceAll(/[\w-]{10,}\.[\w-]{10,}\.[\w-]*/g, '[token]')
    .trim()
    .slice(0, 200)
}

function retryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined
  const seconds = /^\d{1,10}$/.test(value.trim())
    ? Number(value)
    : Math.ceil(Date.parse(value) / 1000) - now
  return Number.isFinite(seconds) && seconds > 0
    ? Math.min(seconds, MAX_RETRY_AFTER_SECONDS)
    : undefined
}

/**
 * Returns the milliseconds until the next attempt, or undefined after the last.
 * @param attempt the failed attempt, from 1
 * @param random uniform in [0, 1)
 */
export function retryDelayMs(
  attempt: number,
  retryAfterSeconds: number | undefined,
  random: number,
): number | undefined {
  const seconds = RETRY_SECONDS[attempt - 1]
  if (seconds === undefined) return undefined
  const scheduled = seconds * (1 + JITTER * (2 * random - 1))
  return Math.round(Math.max(scheduled, retryAfterSeconds ?? 0) * 1000)
}

/** Returns a random number, uniform in [0, 1). */
export const uniform = (random: Random): number => random(4).readUInt32BE() / 2 ** 32

/**
 * The parts of delivery that differ between kinds of outbox message: payload, signature and
 * verdict. Lanes, retries, breakers, proof and redrive are the same for all kinds.
 */
export interface MessageKind {
  /**
   * Builds and signs the request of one attempt. `rejected`: the reason why the message must not be
   * sent. `held`: it cannot be sent now; its stream releases it later.
   */
  mint(delivery: Delivery, now: number): Promise<Minted | { rejected: string } | { held: true }>
  /** The sender of its requests. Default: that for the addresses of clients. */
  outbound?: Outbound
  /** The most bytes of an answer that are read. Default: 4,096. */
  maxBytes?: number
  /** Returns the verdict on the receiver's answer. */
  classify(answer: Answer, now: number): Verdict
  /** Called once a delivery is recorded as delivered. */
  delivered?(delivery: Delivery): Promise<void>
}

export interface Minted {
  headers: Record<string, string>
  body: string
  /** The id of the message, which is kept as proof of delivery. */
  jti: string
}

/**
 * The cause of a request without an answer, for operators. It never contains text from the
 * receiver.
 */

export type FailureCause =
  | 'connection_refused'
  | 'dns'
  | 'timeout'
  | 'certificate'
  | 'connection_lost'
  | 'address_not_allowed'
  | 'other'

export interface Failure {
  cause: FailureCause
  /** One line for operators, with the system's error code. */
  text: string
}

/** The failure of a target that takes a connection and does not answer. */
export const NO_ANSWER = 'no answer in time'

const BY_CODE: readonly [pattern: RegExp, cause: FailureCause, words: string][] = [
  [
    /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN)$/,
    'connection_refused',
    'connection refused or unreachable',
  ],
  [/^(ENOTFOUND|EAI_\w+|ENODATA|ESERVFAIL)$/, 'dns', 'the host name does not resolve'],
  [/^(ETIMEDOUT|ESOCKETTIMEDOUT|UND_ERR_\w*TIMEOUT)$/, 'timeout', NO_ANSWER],
  [
    /CERT|^(ERR_TLS|ERR_SSL|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH|EPROTO)/,
    'certificate',
    'TLS failed: the certificate is not trusted',
  ],
  [
    /^(ECONNRESET|EPIPE|ECONNABORTED|UND_ERR_SOCKET|UND_ERR_CLOSED|HPE_\w+)$/,
    'connection_lost',
    'the connection was closed before an answer',
  ],
]

export function failureOf(error: unknown): Failure {
  if (error instanceof AddressRejected) return { cause: 'address_not_allowed', text: error.message }
  const code = codeOf(error)
  const known = BY_CODE.find(([pattern]) => code !== undefined && pattern.test(code))
  if (known !== undefined) return { cause: known[1], text: `${known[2]} (${code})` }
  const message =
    error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 200) : 'unknown error'
  // The request's own time limit aborts it with this message.
  if (message.includes('no answer within')) return { cause: 'timeout', text: NO_ANSWER }
  return { cause: 'other', text: code === undefined ? message : `${message} (${code})` }
}

function codeOf(error: unknown): string | undefined {
  for (
    let at: unknown = error, depth = 0;
    typeof at === 'object' && at !== null && depth < 3;
    at = (at as { cause?: unknown }).cause, depth++
  ) {
    const { code } = at as { code?: unknown }
    if (typeof code === 'string') return code
  }
  return undefined
}
