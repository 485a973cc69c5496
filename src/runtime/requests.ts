import type { IncomingMessage, ServerResponse } from 'node:http'
import { BlockList } from 'node:net'
import type { Metrics } from './metrics.ts'
import {
  type AddressWatch,
  forwarded,
  isTrustedProxy,
  remoteAddress,
  type TrustedProxies,
} from './remote-address.ts'
import type { SteadyClock } from './clock.ts'
import type { Random } from './ids.ts'
import type { Log } from './log.ts'
import { privateProblem } from './outbound-addresses.ts'
import { type IncomingTrace, inRequest, RequestContext } from './request-context.ts'
import { activeTraceparent } from './telemetry.ts'

/**
 * Wraps the answering of each request of a listener: sets its ids, returns the id in the answer,
 * and writes the access log if it is on.
 */

/**
 * The first path segments that the broker serves. The list is closed, so that metric labels never
 * come from a request.
 */
const ROUTES: ReadonlySet<string> = new Set([
  'account',
  'admin',
  'assets',
  'authorize',
  'healthz',
  'introspect',
  'jwks',
  'logout',
  'metrics',
  'openapi',
  'openapi.json',
  'ops',
  'par',
  'readyz',
  'revocations',
  'revoke',
  'setup',
  'signal',
  'signin',
  'ssf',
  'token',
  'userinfo',
  '.well-known',
])

/** Returns the route class of a request target, which may include a query. */
export function routeOf(target: string): string {
  const segment = /^\/([^/?#]*)/.exec(target)?.[1] ?? ''
  return ROUTES.has(segment) ? segment : 'other'
}

export type ObserveAnswer = (
  request: IncomingMessage,
  answer: () => Response | Promise<Response>,
  response: ServerResponse,
) => Response | Promise<Response>

/** Calls `note` when the answer begins. The further duration of an event stream is not counted. */
function timed(
  { clock }: Pick<Needs, 'clock'>,
  answer: () => Response | Promise<Response>,
  note: (response: Response, ms: number) => void,
): Response | Promise<Response> {
  const begunMs = clock.steadyMs()
  const noted = (response: Response): Response => {
    note(response, clock.steadyMs() - begunMs)
    return response
  }
  const answered = answer()
  // An immediate answer is sent without a turn of the event loop.
  return answered instanceof Promise ? answered.then(noted) : noted(answered)
}

/** Records the time until an answer begins, as a metric. */
export const answerTimes =
  ({
    metrics: { httpSeconds },
    clock,
  }: { metrics: Pick<Metrics, 'httpSeconds'> } & Pick<Needs, 'clock'>): ObserveAnswer =>
  ({ url = '' }, answer) =>
    timed({ clock }, answer, ({ status }, ms) =>
      httpSeconds.observe(
        { route: routeOf(url), code: `${Math.floor(status / 100)}xx` },
        ms / 1000,
      ),
    )

interface Needs {
  config: { accessLog: boolean; trustedProxies: TrustedProxies }
  log: Log
  addressWatch: AddressWatch
  clock: Pick<SteadyClock, 'steadyMs'>
  random: Random
}
const MOST_OF_PATH = 200

/**
 * Returns the observer of a listener's requests, which sets ids and writes the access log.
 * @param within another observer, which runs inside this one
 */
export function requestsOf(
  deps: Needs,
  listener: 'public' | 'operators',
  within: ObserveAnswer,
): ObserveAnswer {
  const { accessLog } = deps.config
  const answered: ObserveAnswer = accessLog
    ? (request, answer, response) =>
        inAccessLog(deps, listener, request, () => within(request, answer, response))
    : within
  return (request, answer, response) => {
    const context = new RequestContext(deps.random, incomingTrace(deps.config, request))
    if (listener === 'public') watchAddress(deps, request)
    response.setHeader('X-Request-Id', context.requestId)
    return inRequest(context, () => answered(request, answer, response))
  }
}

const entry = (value: string | string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined

const NONE = new BlockList()
const isPrivate = (address: string): boolean => privateProblem(address, NONE, false) !== undefined

function watchAddress({ config, addressWatch }: Needs, { headers, socket }: IncomingMessage): void {
  const header = entry(headers['x-forwarded-for'])
  if (header === undefined || socket.remoteAddress === undefined) return
  addressWatch.note(forwarded(socket.remoteAddress, header, config.trustedProxies), isPrivate)
}

/**
 * Returns the ids of a request. Headers count only from a trusted proxy, because any client can
 * write a request id, and one that is not unique misleads the operator who searches for it.
 */
function incomingTrace(
  { trustedProxies }: Needs['config'],
  { headers, socket }: IncomingMessage,
): IncomingTrace {
  const isTrusted = isTrustedProxy(trustedProxies, socket.remoteAddress)
  const fromProxy = (name: string): string | undefined =>
    isTrusted ? entry(headers[name]) : undefined
  return {
    requestId: fromProxy('x-request-id'),
    traceparent: activeTraceparent() ?? fromProxy('traceparent'),
  }
}

/**
 * Logs one line for each request when its answer begins. The query is omitted, because it can
 * contain codes, tokens and names of users.
 */
function inAccessLog(
  deps: Needs,
  listener: string,
  { method, url = '', headers, socket }: IncomingMessage,
  answer: () => Response | Promise<Response>,
): Response | Promise<Response> {
  const from = remoteAddress(
    socket.remoteAddress,
    entry(headers['x-forwarded-for']),
    deps.config.trustedProxies,
  )
  const path = url.replace(/[?#].*$/s, '').slice(0, MOST_OF_PATH)
  return timed(deps, answer, ({ status }, ms) =>
    deps.log.info('request', { listener, method, path, status, ms, from }),
  )
}
