import { AsyncLocalStorage } from 'node:async_hooks'
import { newUuid, type Random } from './ids.ts'

/**
 * The request that is being answered: its answer, log lines and messages of the outbox name it. It
 * decides nothing.
 */

/** The header `traceparent` of W3C Trace Context. The broker sends no `tracestate`. */

export interface TraceContext {
  /** 32 lower-case hex digits. */
  traceId: string
  /** 16 lower-case hex digits: the parent of what comes next. */
  spanId: string
  /** Two hex digits; bit 0: sampled. */
  flags: string
}

// §3.2.2: a later version may append fields, version 00 may not.
const FORM = /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.*)?$/

/** Undefined where it is not well formed: a new trace begins then (§4.3). */
export function parseTraceparent(header: string | undefined): TraceContext | undefined {
  const [, version, traceId, spanId, flags, more] = FORM.exec(header ?? '') ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  return version === '00' && more !== undefined
    ? undefined
    : { traceId, spanId, flags: (Number.parseInt(flags, 16) & 1) === 1 ? '01' : '00' }
}

export const traceparentOf = ({ traceId, spanId, flags }: TraceContext): string =>
  `00-${traceId}-${spanId}-${flags}`

/** What came with a request. What is not given, or not well formed, is made here. */
export interface IncomingTrace {
  requestId?: string | undefined
  /** W3C Trace Context; of an OpenTelemetry span, where a tracer made one for the request. */
  traceparent?: string | undefined
}

/** What proxies send: an id of their own, as long as it can stand in a log line. */
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
 * Sampled: the log records it, and a receiver that follows the flag would else record nothing of
 * it.
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
 * Runs what belongs to a request; to none, where it is undefined: work that several requests share.
 */
export const inRequest = <T>(request: RequestContext | undefined, work: () => T): T =>
  requests.run(request, work)

/** What a revocation or a message keeps of the request that causes it. */
export function currentTraceparent(): string | null {
  const request = requests.getStore()
  return request === undefined ? null : traceparentOf(request.trace)
}

/** In every log line of a request. */
export function requestFields(): { request_id?: string; trace_id?: string } {
  const request = requests.getStore()
  return request === undefined
    ? {}
    : { request_id: request.requestId, trace_id: request.trace.traceId }
}
