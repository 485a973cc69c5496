import { parseJson } from '../protocol/params.ts'
import type { Random } from '../runtime/ids.ts'
import type { Delivery } from '../../db/types.ts'
import { AddressRejected } from '../runtime/outbound.ts'

/**
 * One attempt to deliver a message: its request, what the answer means, and when the next attempt
 * follows.
 */

/**
 * What an answer of a logout address means, and when to try again. Back-Channel Logout 1.0 §2.5
 * discourages retransmission unless the failure may be recovered from. Receivers in the wild answer
 * a bare 400 to any failure and 404 during a deployment: only what §2.8 calls `invalid_request` is
 * a rejection; everything else may be recovered from.
 */

/**
 * Seconds after the first, second, … failed attempt. After the last one there is no further
 * attempt.
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
   * The receiver understood, and does not want this message. `code` is ours, for logs; `error` has
   * the receiver's description too.
   */
  | { outcome: 'rejected'; error: string; code: string }
  /** `answered`: the target is up, and only this message is retried. */
  | { outcome: 'retry'; error: string; retryAfterSeconds: number | undefined; answered?: boolean }

/** @param now epoch seconds, for a `Retry-After` that is a date (RFC 9110 §10.2.3) */
export function judgeAnswer({ status, headers, body }: Answer, now: number): Verdict {
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
 * What the receiver says of it (§2.8, RFC 6749 §5.2), for operators: its characters and length
 * bounded, and no token that it may have sent back.
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
 * Milliseconds until the next attempt; undefined after the last.
 * @param attempt the one that failed, from 1
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

/** Uniform in [0, 1). */
export const uniform = (random: Random): number => random(4).readUInt32BE() / 2 ** 32

/**
 * What makes one kind of outbox message: payload, signature and rules of success. Lanes, retries,
 * breakers, proof and redrive are the same for all.
 */
export interface MessageKind {
  /**
   * The request of one attempt, made and signed for it alone. `rejected`: why it may not be sent at
   * all. `held`: not now; its stream releases it later.
   */
  mint(delivery: Delivery, now: number): Promise<Minted | { rejected: string } | { held: true }>
  /** Sends it; not there: a POST to the delivery's address. */
  send?(delivery: Delivery, minted: Minted, limits: Limits): Promise<Answer>
  /** What the receiver's answer means. */
  judge(answer: Answer, now: number): Verdict
  /** Called once a delivery is recorded as delivered. */
  delivered?(delivery: Delivery): Promise<void>
}

/** Of one attempt. */
interface Limits {
  timeoutMs: number
  signal: AbortSignal | undefined
}

export interface Minted {
  headers: Record<string, string>
  body: string
  /** The id of the message, for the proof. */
  jti: string
}

/**
 * Why a request to a registered address got no answer: for operators, by what they have to look at.
 * Never what a receiver wrote.
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
  /** One line in words, with the code of the system. */
  text: string
}

const BY_CODE: readonly [pattern: RegExp, cause: FailureCause, words: string][] = [
  [
    /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN)$/,
    'connection_refused',
    'connection refused or unreachable',
  ],
  [/^(ENOTFOUND|EAI_\w+|ENODATA|ESERVFAIL)$/, 'dns', 'the host name does not resolve'],
  [/^(ETIMEDOUT|ESOCKETTIMEDOUT|UND_ERR_\w*TIMEOUT)$/, 'timeout', 'no answer in time'],
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
  // The time limit of a request aborts it with an error of our own words.
  if (message.includes('no answer within')) return { cause: 'timeout', text: 'no answer in time' }
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
