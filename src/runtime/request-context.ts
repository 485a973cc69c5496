import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes, randomUUID } from 'node:crypto'
import { parseTraceparent, type TraceContext, traceparentOf } from './traceparent.ts'

/** The request that is being answered: its answer, log lines and messages of the outbox name it. It decides nothing. */

/** What came with a request. What is not given, or not well formed, is made here. */
export interface Came {
  requestId?: string | undefined
  /** W3C Trace Context; of an OpenTelemetry span, where a tracer made one for the request. */
  traceparent?: string | undefined
}

/** What proxies send: an id of their own, as long as it can stand in a log line. */
const REQUEST_ID = /^[\w.:+/=-]{8,128}$/

export class RequestContext {
  readonly #came: Came
  readonly requestId: string
  #trace: TraceContext | undefined

  constructor(came: Came = {}) {
    this.#came = came
    const { requestId = '' } = came
    this.requestId = REQUEST_ID.test(requestId) ? requestId : randomUUID()
  }

  get trace(): TraceContext {
    return (this.#trace ??= parseTraceparent(this.#came.traceparent) ?? newTrace())
  }
}

/** Sampled: the log records it, and a receiver that follows the flag would else record nothing of it. */
const newTrace = (): TraceContext => ({ traceId: randomBytes(16).toString('hex'), spanId: newSpanId(), flags: '01' })
export const newSpanId = (): string => randomBytes(8).toString('hex')

const requests = new AsyncLocalStorage<RequestContext | undefined>()

export const currentRequest = (): RequestContext | undefined => requests.getStore()

/** Runs what belongs to a request; to none, where it is undefined: work that several requests share. */
export const inRequest = <T>(request: RequestContext | undefined, work: () => T): T => requests.run(request, work)

/** What a revocation or a message keeps of the request that causes it. */
export function currentTraceparent(): string | null {
  const request = requests.getStore()
  return request === undefined ? null : traceparentOf(request.trace)
}

/** In every log line of a request. */
export function requestFields(): { request_id?: string; trace_id?: string } {
  const request = requests.getStore()
  return request === undefined ? {} : { request_id: request.requestId, trace_id: request.trace.traceId }
}
