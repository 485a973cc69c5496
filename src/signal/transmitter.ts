import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { DELIVERY } from '../protocol/stream-event.ts'
import { authorizedCalls, type Call } from './transmitter-calls.ts'
import type { ManagedIssuer } from './issuers.ts'
import { TransmitterProblem } from './transmitter-problem.ts'
import { EVENT_TYPES } from './security-event.ts'

/**
 * The stream that the broker has at a transmitter (SSF 1.0 §8.1): found, created and changed there, never here. It changes no stream but its
 * own: the one that is pushed to this broker, or has its description.
 */

/** How long a transmitter's configuration is cached. */
const CONFIGURATION_SECONDS = 600

const configuration = z.object({ issuer: z.string(), configuration_endpoint: z.url(), verification_endpoint: z.url().optional() })
const stream = z.object({
  stream_id: z.string().min(1).max(500),
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  delivery: z.object({ method: z.string(), endpoint_url: z.url().optional() }),
  events_requested: z.array(z.string()).optional(),
  description: z.string().optional(),
})
const streams = z.union([z.array(stream), stream.transform((one) => [one])])
const polled = z.object({ sets: z.record(z.string().max(512), z.string()), moreAvailable: z.boolean().optional() })

type Configuration = z.output<typeof configuration>
export type Stream = z.output<typeof stream>
export type Polled = z.output<typeof polled>

export interface Poll {
  maxEvents: number
  returnImmediately: boolean
  ack?: string[]
  setErrs?: Record<string, { err: string; description: string }>
}

export interface Transmitter {
  /** Aborts every request when the process ends. A failure after that is no fault. */
  readonly ending: AbortSignal | undefined
  /** The broker's stream, as it is there. */
  find(): Promise<Stream | undefined>
  /** The same stream, created or changed where it differs from the settings. */
  ensure(): Promise<Stream>
  /** Asks for a verification event (SSF 1.0 §8.1.4.2). */
  verify(stream: Stream, state: string): Promise<void>
  /** RFC 8936 §2.2 */
  poll(stream: Stream, body: Poll, limits: { timeoutMs: number; maxBytes: number }): Promise<Polled>
}

/** Every method throws TransmitterProblem if the transmitter's answer is not valid. */
export function createTransmitter(deps: Pick<Deps, 'config' | 'clock' | 'outbound'>, issuer: ManagedIssuer, ending?: AbortSignal): Transmitter {
  const call = authorizedCalls(deps, issuer.stream, ending)
  const configured = readConfiguration(deps, issuer, call)
  const wanted = wantedOf(deps.config.issuer, issuer)
  const find = async (): Promise<Stream | undefined> => {
    const { configuration_endpoint: url } = await configured()
    return parsed(streams, await call({ method: 'GET', url }), url).find((one) => isOurs(one, wanted))
  }
  return {
    ending,
    find,
    async ensure() {
      const { configuration_endpoint: url } = await configured()
      const found = await find()
      if (found !== undefined && isAsWanted(found, wanted)) return checked(issuer, found)
      const body = found === undefined ? wanted : { stream_id: found.stream_id, ...wanted }
      return checked(issuer, parsed(stream, await call({ method: found === undefined ? 'POST' : 'PATCH', url, body }), url))
    },
    async verify({ stream_id }, state) {
      const { verification_endpoint: url } = await configured()
      if (url === undefined) throw new TransmitterProblem('Its configuration names no verification_endpoint.', 'Ask its operator for one.')
      await call({ method: 'POST', url, body: { stream_id, state } })
    },
    async poll({ delivery: { endpoint_url: url } }, body, limits) {
      if (url === undefined) throw new TransmitterProblem('Its stream has no endpoint_url to poll.', 'Ask its operator for one.')
      return parsed(polled, await call({ method: 'POST', url, body, ...limits }), url)
    },
  }
}

type Wanted = ReturnType<typeof wantedOf>

const wantedOf = (own: string, { stream: { delivery, events } }: ManagedIssuer) => ({
  delivery: delivery === 'push' ? { method: DELIVERY.push, endpoint_url: `${own}/signal/events` } : { method: DELIVERY.poll },
  events_requested: events ?? EVENT_TYPES,
  description: `Case Manager Identity Broker ${own}`,
})

const isOurs = ({ delivery, description }: Stream, wanted: Wanted): boolean =>
  description === wanted.description || (wanted.delivery.endpoint_url !== undefined && delivery.endpoint_url === wanted.delivery.endpoint_url)

function isAsWanted({ delivery, events_requested: events = [] }: Stream, wanted: Wanted): boolean {
  const { method, endpoint_url: url } = wanted.delivery
  const asSet = (types: readonly string[]): string => JSON.stringify([...new Set(types)].sort())
  return delivery.method === method && (url === undefined || delivery.endpoint_url === url) && asSet(events) === asSet(wanted.events_requested)
}

/** The operator sets the audience, never the transmitter: a token for another receiver must not count here. */
function checked({ issuer, audience }: ManagedIssuer, found: Stream): Stream {
  if (found.iss !== issuer)
    throw new TransmitterProblem('Its stream has another iss.', 'Compare issuer in the file of issuers with its ssf-configuration.')
  if (![found.aud].flat().includes(audience)) {
    const aud = JSON.stringify(found.aud).slice(0, 300)
    throw new TransmitterProblem(`The aud of its stream is ${aud}.`, 'If this names the broker, set it as audience in the file of issuers.')
  }
  return found
}

function readConfiguration({ clock }: Pick<Deps, 'clock'>, { issuer, stream: { configurationUri: url } }: ManagedIssuer, call: Call) {
  let kept: { configuration: Configuration; until: number } | undefined
  return async (): Promise<Configuration> => {
    const now = clock.now()
    if (kept !== undefined && now < kept.until) return kept.configuration
    const read = parsed(configuration, await call({ method: 'GET', url, open: true }), url)
    // SSF 1.0 §7.2.3: the configuration of another issuer would receive our token.
    if (read.issuer !== issuer)
      throw new TransmitterProblem('Its ssf-configuration names another issuer.', 'Compare issuer and configuration_uri in the file of issuers.')
    kept = { configuration: read, until: now + CONFIGURATION_SECONDS }
    return read
  }
}

function parsed<T extends z.ZodType>(shape: T, answer: unknown, url: string): z.output<T> {
  const { success, data } = shape.safeParse(answer)
  if (!success) throw new TransmitterProblem(`The answer of ${url} is not valid (SSF 1.0 §8.1, RFC 8936).`, 'Ask its operator.')
  return data
}
