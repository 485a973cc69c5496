import {
  context,
  createContextKey,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import type { Random } from './ids.ts'
import {
  newSpanId,
  newTrace,
  parseTraceparent,
  type TraceContext,
  traceparentOf,
} from './request-context.ts'

/**
 * The one place that calls OpenTelemetry. Its API does nothing until the operator loads an SDK
 * (`node --import`).
 */

const tracer = trace.getTracer('case-manager-broker')

/**
 * The SDK's own key: its tracers record nothing, and its instrumentation adds no header of its own
 * to ours.
 */
const SUPPRESSED = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING')

const traceOf = (span: Span | undefined): TraceContext | undefined => {
  const of = span?.spanContext()
  return of !== undefined && isSpanContextValid(of)
    ? { ...of, flags: (of.traceFlags & 1) === 1 ? '01' : '00' }
    : undefined
}

/** Of the span that an SDK has made for the request that is being answered. */
export function activeTraceparent(): string | undefined {
  const active = traceOf(trace.getActiveSpan())
  return active && traceparentOf(active)
}

interface Attempt {
  name: string
  /** Of what caused the message. Not there: a trace of its own begins. */
  traceparent: string | undefined
  attributes: Record<string, string | number>
}

/**
 * Sends a message in the trace of what caused it, as a span of its own.
 * @param send is given the header `traceparent` of this attempt
 * @param problemOf why it is not delivered; undefined: it is
 */
export async function tracedAttempt<T>(
  random: Random,
  attempt: Attempt,
  send: (traceparent: string) => Promise<T>,
  problemOf: (sent: T) => string | undefined,
): Promise<T> {
  const cause = parseTraceparent(attempt.traceparent) ?? newTrace(random)
  const parent = {
    traceId: cause.traceId,
    spanId: cause.spanId,
    traceFlags: Number.parseInt(cause.flags, 16),
    isRemote: true,
  }
  const above = trace.setSpanContext(ROOT_CONTEXT, parent)
  const span = tracer.startSpan(
    attempt.name,
    { kind: SpanKind.PRODUCER, attributes: attempt.attributes },
    above,
  )
  const own = traceOf(span)
  // Without an SDK the span is its parent's: the header gets an id of its own all the same.
  const header = traceparentOf(
    own === undefined || own.spanId === cause.spanId
      ? { ...cause, spanId: newSpanId(random) }
      : own,
  )
  try {
    const sent = await context.with(trace.setSpan(above, span).setValue(SUPPRESSED, true), () =>
      send(header),
    )
    const problem = problemOf(sent)
    if (problem !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: problem })
    return sent
  } finally {
    span.end()
  }
}
