import { z } from 'zod'
import type { SignalStream } from '../../../db/types.ts'
import { addressProblem } from '../../clients/metadata-fields.ts'
import type { Deps } from '../deps.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { OAuthError } from '../../protocol/error.ts'
import { streamAudience } from '../../protocol/names.ts'
import { DELIVERY, STREAM_EVENTS } from '../../protocol/stream-event.ts'
import { authorizationPlace, endpointProblem } from '../../outbox/security-event-message.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** The wire form of a stream's configuration (SSF 1.0 §8.1.1): parsed, compared and shown. */

/** The shortest interval between two verification events that a receiver requests. */
export const VERIFICATION_SECONDS = 60

const printable = z.string().regex(/^[\x20-\x7e]+$/, 'printable ASCII')
const delivery = z.object({
  method: z.enum(Object.values(DELIVERY), `${DELIVERY.push} or ${DELIVERY.poll}`),
  endpoint_url: storedText().max(2000).optional(),
  authorization_header: printable
    .max(4000)
    .optional()
    .meta({ description: 'for push: stored encrypted, and never returned' }),
})
const receiverSupplied = {
  delivery: delivery.optional(),
  events_requested: z.array(storedText().max(500)).max(100).optional(),
  description: storedText().max(500).optional(),
}
export const creating = z.object(receiverSupplied)
/** Members that the transmitter supplies. A receiver may send them back unchanged. */
const transmitterSupplied = {
  iss: z.unknown().optional(),
  aud: z.unknown().optional(),
  events_supported: z.unknown().optional(),
  events_delivered: z.unknown().optional(),
  min_verification_interval: z.unknown().optional(),
}
const streamId = z.string('the id of the stream')
export const replacing = z.object({
  stream_id: streamId,
  ...receiverSupplied,
  ...transmitterSupplied,
})
export const updating = z.object({
  stream_id: streamId,
  delivery: delivery.nullish(),
  events_requested: receiverSupplied.events_requested.nullable(),
  description: receiverSupplied.description.nullable(),
  ...transmitterSupplied,
})
export const streamShape = z
  .object({
    stream_id: z.string(),
    iss: z.string(),
    aud: z.string(),
    delivery: z.object({ method: z.string(), endpoint_url: z.string() }),
    events_supported: z.array(z.string()),
    events_requested: z.array(z.string()),
    events_delivered: z.array(z.string()),
    min_verification_interval: z.int(),
    description: z.string().optional(),
  })
  .meta({ id: 'Stream' })

const pollUrl = ({ config }: Pick<Deps, 'config'>, id: string): string =>
  `${config.issuer}/ssf/poll/${id}`

export function streamOnWire(
  deps: Pick<Deps, 'config'>,
  stream: SignalStream,
): z.output<typeof streamShape> {
  const { id, clientId, method, endpointUrl, eventsRequested, description } = stream
  const { issuer } = deps.config
  return {
    stream_id: id,
    iss: issuer,
    aud: streamAudience(issuer, clientId),
    delivery: { method: DELIVERY[method], endpoint_url: endpointUrl ?? pollUrl(deps, id) },
    events_supported: [...STREAM_EVENTS],
    events_requested: eventsRequested,
    events_delivered: STREAM_EVENTS.filter((type) => eventsRequested.includes(type)),
    min_verification_interval: VERIFICATION_SECONDS,
    ...(description !== undefined && { description }),
  }
}

/**
 * Compares the members that the broker supplies with those sent back (SSF 1.0 §8.1.1.3, §8.1.1.4).
 * @throws OAuthError if one has another value
 */
export function mustMatch(
  deps: Pick<Deps, 'config'>,
  stream: SignalStream,
  sent: z.output<typeof updating>,
): void {
  const now: Record<string, unknown> = streamOnWire(deps, stream)
  const asSet = (value: unknown): string =>
    JSON.stringify(Array.isArray(value) ? [...new Set(value.map(String))].sort() : value)
  for (const name of Object.keys(transmitterSupplied) as (keyof typeof transmitterSupplied)[])
    if (sent[name] !== undefined && asSet(sent[name]) !== asSet(now[name]))
      throw new OAuthError(
        'invalid_request',
        `The broker supplies ${name}. Leave it out, or send it as GET returns it.`,
      )
}

type Delivery = Pick<SignalStream, 'method' | 'endpointUrl' | 'authorizationSealed'>

/**
 * Returns the delivery of a stream. Without `delivery` it is polled (SSF 1.0 §8.1.1.1).
 * @throws OAuthError if the broker must not push to that address
 */
export function deliveryOf(
  deps: Pick<Deps, 'config' | 'sealer'>,
  client: Client,
  id: string,
  wanted: z.output<typeof delivery> | undefined,
): Delivery {
  if (wanted === undefined || wanted.method === DELIVERY.poll)
    return { method: 'poll', endpointUrl: undefined, authorizationSealed: undefined }
  const { endpoint_url: endpointUrl, authorization_header: authorization } = wanted
  if (endpointUrl === undefined)
    throw new OAuthError(
      'invalid_request',
      'delivery.endpoint_url is missing. Name the address to which the broker pushes events.',
    )
  const problem = addressProblem(endpointUrl, deps.config.allowLoopbackTargets)
  if (problem !== undefined)
    throw new OAuthError('invalid_request', `delivery.endpoint_url ${problem}.`)
  const notRegistered = endpointProblem(client, endpointUrl)
  if (notRegistered !== undefined)
    throw new OAuthError(
      'invalid_request',
      `delivery.endpoint_url: ${notRegistered}. An administrator of the broker adds origins.`,
    )
  const authorizationSealed =
    authorization === undefined
      ? undefined
      : deps.sealer.seal(authorizationPlace(id), authorization)
  return { method: 'push', endpointUrl, authorizationSealed }
}

/**
 * Returns the status that the receiver reads. It is also `paused` until the endpoint has accepted a
 * verification event.
 */
export function shownStatus({ id, method, status, statusReason, verifiedAt }: SignalStream): {
  stream_id: string
  status: string
  reason?: string
} {
  if (status === 'enabled' && method === 'push' && verifiedAt === undefined)
    return {
      stream_id: id,
      status: 'paused',
      reason: 'The endpoint has not accepted the verification event yet.',
    }
  return { stream_id: id, status, ...(statusReason !== undefined && { reason: statusReason }) }
}
