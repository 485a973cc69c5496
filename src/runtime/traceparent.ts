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
  return version === '00' && more !== undefined ? undefined : { traceId, spanId, flags: (Number.parseInt(flags, 16) & 1) === 1 ? '01' : '00' }
}

export const traceparentOf = ({ traceId, spanId, flags }: TraceContext): string => `00-${traceId}-${spanId}-${flags}`
