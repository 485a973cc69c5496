import { z } from 'zod'
import { DELIVERY } from '../../protocol/stream-event.ts'
import type { ManagedIssuer } from './issuers.ts'
import { EVENT_TYPES } from './security-event.ts'
import { type Call, TransmitterProblem, authorizedCalls } from './transmitter-calls.ts'
import type { Deps } from '../deps.ts'

/**
 * The broker's stream at a transmitter (SSF 1.0 §8.1). It exists only there. The broker changes no
 * stream but its own: the one that is pushed to this broker or has its description.
 */

const stream = z.object({
  stream_id: z.string().min(1).max(500),
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  delivery: z.object({ method: z.string(), endpoint_url: z.url().optional() }),
  events_requested: z.array(z.string()).optional(),
  description: z.string().optional(),
})
export type Stream = z.output<typeof stream>

type Own = ReturnType<typeof ownAt>
type Wanted = ReturnType<typeof wantedOf>

/** The values by which the broker recognizes its stream. */
const ownAt = (issuer: string) => ({
  endpointUrl: `${issuer}/signal/events`,
  description: `Case Manager Identity Broker ${issuer}`,
})

const wantedOf = (
  { endpointUrl, description }: Own,
  { stream: { delivery, events } }: ManagedIssuer,
) => ({
  delivery:
    delivery === 'push'
      ? { method: DELIVERY.push, endpoint_url: endpointUrl }
      : { method: DELIVERY.poll, endpoint_url: undefined },
  events_requested: events ?? EVENT_TYPES,
  description,
})

const isOurs = ({ delivery, description }: Stream, own: Own): boolean =>
  description === own.description || delivery.endpoint_url === own.endpointUrl

const withId = (endpoint: string, id: string): string => {
  const url = new URL(endpoint)
  url.searchParams.set('stream_id', id)
  return url.href
}

/** Deletes a stream (SSF 1.0 §8.1.1.5). */
const remove = (call: Call, url: string, { stream_id: id }: Stream): Promise<unknown> =>
  call({ method: 'DELETE', url: withId(url, id) })

/**
 * Changes a stream. A transmitter of the CAEP Interoperability Profile need not support this (1.0
 * §2.3.8); then the stream is deleted and created again.
 */
async function change(call: Call, url: string, found: Stream, wanted: Wanted): Promise<unknown> {
  // A stream with another delivery, or one created by hand, is replaced as a whole, so that nothing
  // of it remains, for example a header for its endpoint.
  const isOwn =
    found.delivery.method === wanted.delivery.method && found.description === wanted.description
  const method = isOwn ? 'PATCH' : 'PUT'
  try {
    return await call({ method, url, body: { stream_id: found.stream_id, ...wanted } })
  } catch (error) {
    if (!(error instanceof TransmitterProblem && (error.status === 405 || error.status === 501)))
      throw error
    await remove(call, url, found)
    return call({ method: 'POST', url, body: wanted })
  }
}

function isAsWanted(
  { delivery, description, events_requested: events = [] }: Stream,
  wanted: Wanted,
): boolean {
  const { method, endpoint_url: url } = wanted.delivery
  if (description !== wanted.description) return false
  const asSet = (types: readonly string[]): string => JSON.stringify([...new Set(types)].sort())
  return (
    delivery.method === method &&
    (url === undefined || delivery.endpoint_url === url) &&
    asSet(events) === asSet(wanted.events_requested)
  )
}

/** The time for which a transmitter's configuration is cached. */
const CONFIGURATION_SECONDS = 600

const configuration = z.object({
  issuer: z.string(),
  configuration_endpoint: z.url(),
  verification_endpoint: z.url().optional(),
  status_endpoint: z.url().optional(),
})
const streams = z.union([z.array(stream), stream.transform((single) => [single])])
const statusShape = z.object({ status: z.string().regex(/^\w{1,40}$/) })
const polled = z.object({
  sets: z.record(z.string().max(512), z.string()),
  moreAvailable: z.boolean().optional(),
})

type Configuration = z.output<typeof configuration>
export type Polled = z.output<typeof polled>

export interface Poll {
  maxEvents: number
  returnImmediately: boolean
  ack?: string[]
  setErrs?: Record<string, { err: string; description: string }>
}

export interface Transmitter {
  /** Aborts every request when the process ends. A failure after that is not a fault. */
  readonly ending: AbortSignal | undefined
  /** Reads the broker's stream from the transmitter. */
  find(): Promise<Stream | undefined>
  /** Creates the stream, or changes it if it differs from the settings. */
  ensure(): Promise<{ stream: Stream; isNew: boolean }>
  /** Deletes the stream if it exists. */
  remove(): Promise<void>
  /** Reads the status of the stream. Undefined if the transmitter has no endpoint for it. */
  status(stream: Stream): Promise<string | undefined>
  setStatus(stream: Stream, status: string): Promise<void>
  /** Requests a verification event (SSF 1.0 §8.1.4.2). */
  verify(stream: Stream, state: string): Promise<void>
  /** Polls for events and acknowledges earlier ones (RFC 8936 §2.2). */
  poll(stream: Stream, body: Poll, limits: { timeoutMs: number; maxBytes: number }): Promise<Polled>
}

/**
 * Creates the client of a transmitter. Each of its methods throws TransmitterProblem if an answer
 * is not valid.
 */
export function createTransmitter(
  deps: Pick<Deps, 'config' | 'clock' | 'outbound'>,
  issuer: ManagedIssuer,
  ending?: AbortSignal,
): Transmitter {
  const call = authorizedCalls(deps, issuer.stream, ending)
  const configured = readConfiguration(deps, issuer, call)
  const own = ownAt(deps.config.issuer)
  const find = finding(call, configured, own)
  return {
    ending,
    find,
    async ensure() {
      const { configuration_endpoint: url } = await configured()
      const wanted = wantedOf(own, issuer)
      const found = await find()
      if (found !== undefined && isAsWanted(found, wanted))
        return { stream: checked(issuer, found), isNew: false }
      const answer =
        found === undefined
          ? await call({ method: 'POST', url, body: wanted })
          : await change(call, url, found, wanted)
      return { stream: checked(issuer, parsed(stream, answer, url)), isNew: true }
    },
    async remove() {
      const found = await find()
      if (found !== undefined)
        await remove(call, (await configured()).configuration_endpoint, found)
    },
    ...statusCalls(call, configured),
    async verify({ stream_id }, state) {
      const { verification_endpoint: url } = await configured()
      if (url === undefined)
        throw new TransmitterProblem(
          'Its configuration names no verification_endpoint.',
          'Ask its operator for one.',
        )
      await call({ method: 'POST', url, body: { stream_id, state } })
    },
    async poll({ delivery: { endpoint_url: url } }, body, limits) {
      if (url === undefined)
        throw new TransmitterProblem(
          'Its stream has no endpoint_url to poll.',
          'Ask its operator for one.',
        )
      return parsed(polled, await call({ method: 'POST', url, body, ...limits }), url)
    },
  }
}

/** Read and set the status of a stream (SSF 1.0 §8.1.2). */
const statusCalls = (
  call: Call,
  configured: () => Promise<Configuration>,
): Pick<Transmitter, 'status' | 'setStatus'> => ({
  async status({ stream_id: id }) {
    const { status_endpoint: url } = await configured()
    return url === undefined
      ? undefined
      : parsed(statusShape, await call({ method: 'GET', url: withId(url, id) }), url).status
  },
  async setStatus({ stream_id }, status) {
    const { status_endpoint: url } = await configured()
    if (url === undefined)
      throw new TransmitterProblem(
        'Its configuration names no status_endpoint.',
        'Remove status of stream in the file of issuers.',
      )
    await call({ method: 'POST', url, body: { stream_id, status } })
  },
})

/**
 * Returns a function that finds the stream by its id if known (SSF 1.0 §8.1.1.2), otherwise in the
 * list.
 */
function finding(
  call: Call,
  configured: () => Promise<Configuration>,
  own: Own,
): () => Promise<Stream | undefined> {
  let id: string | undefined
  const read = async (url: string): Promise<Stream | undefined> =>
    parsed(streams, await call({ method: 'GET', url }), url).find((candidate) =>
      isOurs(candidate, own),
    )
  const byId = async (url: string): Promise<Stream | undefined> => {
    if (id === undefined) return undefined
    try {
      return await read(withId(url, id))
    } catch (error) {
      // The stream was deleted at the transmitter.
      if (error instanceof TransmitterProblem && error.status === 404) return undefined
      throw error
    }
  }
  return async () => {
    const { configuration_endpoint: url } = await configured()
    const found = (await byId(url)) ?? (await read(url))
    id = found?.stream_id
    return found
  }
}

/**
 * Verifies issuer and audience of a stream. The operator sets the audience, never the transmitter,
 * so that a token for another receiver is not accepted.
 */
function checked({ issuer, audience }: ManagedIssuer, found: Stream): Stream {
  if (found.iss !== issuer)
    throw new TransmitterProblem(
      'Its stream has another iss.',
      'Compare issuer in the file of issuers with its ssf-configuration.',
    )
  if (![found.aud].flat().includes(audience)) {
    const aud = JSON.stringify(found.aud).slice(0, 300)
    throw new TransmitterProblem(
      `The aud of its stream is ${aud}.`,
      'If this names the broker, set it as audience in the file of issuers.',
    )
  }
  return found
}

function readConfiguration(
  { clock }: Pick<Deps, 'clock'>,
  { issuer, stream: { configurationUri: url } }: ManagedIssuer,
  call: Call,
) {
  let kept: { configuration: Configuration; until: number } | undefined
  return async (): Promise<Configuration> => {
    const now = clock.now()
    if (kept !== undefined && now < kept.until) return kept.configuration
    const read = parsed(configuration, await call({ method: 'GET', url, open: true }), url)
    // The configuration of another issuer would direct the broker's token there (SSF 1.0 §7.2.3).
    if (read.issuer !== issuer)
      throw new TransmitterProblem(
        'Its ssf-configuration names another issuer.',
        'Compare issuer and configuration_uri in the file of issuers.',
      )
    kept = { configuration: read, until: now + CONFIGURATION_SECONDS }
    return read
  }
}

function parsed<T extends z.ZodType>(shape: T, answer: unknown, url: string): z.output<T> {
  const { success, data } = shape.safeParse(answer)
  if (!success)
    throw new TransmitterProblem(
      `The answer of ${url} is not valid (SSF 1.0 §8.1, RFC 8936).`,
      'Ask its operator.',
    )
  return data
}
