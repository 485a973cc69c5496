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
 * The only code that calls OpenTelemetry. Its API does nothing unless the operator loads an SDK
 * (`node --import`).
 */

const tracer = trace.getTracer('case-manager-broker')

/**
 * The SDK's key for suppressed tracing. With it, its instrumentation does not record the broker's
 * request or add its own header.
 */
const SUPPRESSED = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING')

const traceOf = (span: Span | undefined): TraceContext | undefined => {
  const of = span?.spanContext()
  return of !== undefined && isSpanContextValid(of)
    ? { ...of, flags: (of.traceFlags & 1) === 1 ? '01' : '00' }
    : undefined
}

/** Returns the `traceparent` of the span that an SDK made for the current request. */
export function activeTraceparent(): string | undefined {
  const active = traceOf(trace.getActiveSpan())
  return active && traceparentOf(active)
}

interface Attempt {
  name: string
  /** The trace of the message's cause. If undefined, a new trace begins. */
  traceparent: string | undefined
  attributes: Record<string, string | number>
}

/**
 * Sends a message as a new span in the trace of its cause.
 * @param send receives the header `traceparent` of this attempt
 * @param problemOf returns why the message was not delivered, or undefined
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
  // Without an SDK the span is the parent's own. The header then gets a new span id.
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
