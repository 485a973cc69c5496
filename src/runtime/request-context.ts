import { AsyncLocalStorage } from 'node:async_hooks'
import { newUuid, type Random } from './ids.ts'

/**
 * Identifies the request that is being answered in its answer, log lines and outbox messages. It
 * affects no decision.
 */

/** The header `traceparent` of W3C Trace Context. The broker does not send `tracestate`. */

export interface TraceContext {
  /** 32 lower-case hex digits. */
  traceId: string
  /** 16 lower-case hex digits: the parent of the next span. */
  spanId: string
  /** Two hex digits; bit 0 means sampled. */
  flags: string
}

// A later version may append fields; version 00 may not (§3.2.2).
const FORM = /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.*)?$/

/** Parses the header. Returns undefined if it is not valid, and then a new trace begins (§4.3). */
export function parseTraceparent(header: string | undefined): TraceContext | undefined {
  const [, version, traceId, spanId, flags, more] = FORM.exec(header ?? '') ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  return version === '00' && more !== undefined
    ? undefined
    : { traceId, spanId, flags: (Number.parseInt(flags, 16) & 1) === 1 ? '01' : '00' }
}

export const traceparentOf = ({ traceId, spanId, flags }: TraceContext): string =>
  `00-${traceId}-${spanId}-${flags}`

/** The ids that arrived with a request. An id that is missing or not valid is generated. */
export interface IncomingTrace {
  requestId?: string | undefined
  /**
   * The header of W3C Trace Context, or that of the OpenTelemetry span if a tracer made one for the
   * request.
   */
  traceparent?: string | undefined
}

/** The form of a request id from a proxy. Its length is limited for the log. */
const REQUEST_ID = /^[\w.:+/=-]{8,128}$/

export class RequestContext {
  readonly #random: Random
  readonly #traceparent: string | undefined
  readonly requestId: string
  #trace: TraceContext | undefined

  constructor(random: Random, { requestId = '', traceparent }: IncomingTrace = {}) {
    this.#random = random
    this.#traceparent = traceparent
    this.requestId = REQUEST_ID.test(requestId) ? requestId : newUuid(random)
  }

  get trace(): TraceContext {
    return (this.#trace ??= parseTraceparent(this.#traceparent) ?? newTrace(this.#random))
  }
}

/**
 * Starts a trace. It is sampled, because the log records it, and a receiver that follows the flag
 * would otherwise not record its part.
 */
export const newTrace = (random: Random): TraceContext => ({
  traceId: random(16).toString('hex'),
  spanId: newSpanId(random),
  flags: '01',
})
export const newSpanId = (random: Random): string => random(8).toString('hex')

const requests = new AsyncLocalStorage<RequestContext | undefined>()

export const currentRequest = (): RequestContext | undefined => requests.getStore()

/**
 * Runs work as part of a request, or of none if it is undefined, for work that several requests
 * share.
 */
export const inRequest = <T>(request: RequestContext | undefined, work: () => T): T =>
  requests.run(request, work)

/**
 * Returns the `traceparent` of the current request, which is stored with a revocation or message
 * that it causes.
 */
export function currentTraceparent(): string | null {
  const request = requests.getStore()
  return request === undefined ? null : traceparentOf(request.trace)
}

/** Returns the ids that every log line of the current request contains. */
export function requestFields(): { request_id?: string; trace_id?: string } {
  const request = requests.getStore()
  return request === undefined
    ? {}
    : { request_id: request.requestId, trace_id: request.trace.traceId }
}
