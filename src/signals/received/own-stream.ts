import { z } from 'zod'
import { DELIVERY } from '../../protocol/stream-event.ts'
import type { ManagedIssuer } from './issuers.ts'
import { EVENT_TYPES } from './security-event.ts'
import type { Call } from './transmitter-calls.ts'
import { TransmitterProblem } from './transmitter-problem.ts'

/** A stream at a transmitter: how the broker knows its own, how the settings want it, and how it is changed to that (SSF 1.0 §8.1.1). */

export const stream = z.object({
  stream_id: z.string().min(1).max(500),
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  delivery: z.object({ method: z.string(), endpoint_url: z.url().optional() }),
  events_requested: z.array(z.string()).optional(),
  description: z.string().optional(),
})
export type Stream = z.output<typeof stream>

export type Own = ReturnType<typeof ownAt>
type Wanted = ReturnType<typeof wantedOf>

/** By what the broker knows its stream. */
export const ownAt = (issuer: string) => ({ endpointUrl: `${issuer}/signal/events`, description: `Case Manager Identity Broker ${issuer}` })

export const wantedOf = ({ endpointUrl, description }: Own, { stream: { delivery, events } }: ManagedIssuer) => ({
  delivery: delivery === 'push' ? { method: DELIVERY.push, endpoint_url: endpointUrl } : { method: DELIVERY.poll, endpoint_url: undefined },
  events_requested: events ?? EVENT_TYPES,
  description,
})

export const isOurs = ({ delivery, description }: Stream, own: Own): boolean =>
  description === own.description || delivery.endpoint_url === own.endpointUrl

export const withId = (endpoint: string, id: string): string => {
  const url = new URL(endpoint)
  url.searchParams.set('stream_id', id)
  return url.href
}

/** SSF 1.0 §8.1.1.5 */
export const remove = (call: Call, url: string, { stream_id: id }: Stream): Promise<unknown> => call({ method: 'DELETE', url: withId(url, id) })

/** A transmitter of the CAEP Interoperability Profile need not change streams (1.0 §2.3.8): there the stream is deleted and created again. */
export async function change(call: Call, url: string, found: Stream, wanted: Wanted): Promise<unknown> {
  // Of another delivery, or of a stream that was created by hand, nothing may be left: e.g. no header for its endpoint.
  const isOwn = found.delivery.method === wanted.delivery.method && found.description === wanted.description
  const method = isOwn ? 'PATCH' : 'PUT'
  try {
    return await call({ method, url, body: { stream_id: found.stream_id, ...wanted } })
  } catch (error) {
    if (!(error instanceof TransmitterProblem && (error.status === 405 || error.status === 501))) throw error
    await remove(call, url, found)
    return call({ method: 'POST', url, body: wanted })
  }
}

export function isAsWanted({ delivery, description, events_requested: events = [] }: Stream, wanted: Wanted): boolean {
  const { method, endpoint_url: url } = wanted.delivery
  if (description !== wanted.description) return false
  const asSet = (types: readonly string[]): string => JSON.stringify([...new Set(types)].sort())
  return delivery.method === method && (url === undefined || delivery.endpoint_url === url) && asSet(events) === asSet(wanted.events_requested)
}
