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
 * What surrounds each request of a listener: its ids, the id in its answer, and a line of the
 * access log where that is on.
 */

/**
 * The first segments of the paths that the broker serves. A closed list: a label never comes from
 * what a stranger sends.
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

/** The route class of a request target, query and all. */
export function routeOf(target: string): string {
  const segment = /^\/([^/?#]*)/.exec(target)?.[1] ?? ''
  return ROUTES.has(segment) ? segment : 'other'
}

export type ObserveAnswer = (
  request: IncomingMessage,
  answer: () => Response | Promise<Response>,
  response: ServerResponse,
) => Response | Promise<Response>

/**
 * Calls `note` when the answer begins. An event stream then goes on for as long as its reader
 * stays: that is not counted.
 */
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
  // One that is there at once is sent without a turn of the event loop.
  return answered instanceof Promise ? answered.then(noted) : noted(answered)
}

/** Records the time until an answer begins. */
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

/** @param within what else observes the answer */
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

const one = (value: string | string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined

const NONE = new BlockList()
const isPrivate = (address: string): boolean => privateProblem(address, NONE, false) !== undefined

function watchAddress({ config, addressWatch }: Needs, { headers, socket }: IncomingMessage): void {
  const header = one(headers['x-forwarded-for'])
  if (header === undefined || socket.remoteAddress === undefined) return
  addressWatch.note(forwarded(socket.remoteAddress, header, config.trustedProxies), isPrivate)
}

/**
 * Of headers only what a trusted proxy sends: any client can write a request id, and one that is
 * not unique misleads the operator who searches for it.
 */
function incomingTrace(
  { trustedProxies }: Needs['config'],
  { headers, socket }: IncomingMessage,
): IncomingTrace {
  const isTrusted = isTrustedProxy(trustedProxies, socket.remoteAddress)
  const fromProxy = (name: string): string | undefined =>
    isTrusted ? one(headers[name]) : undefined
  return {
    requestId: fromProxy('x-request-id'),
    traceparent: activeTraceparent() ?? fromProxy('traceparent'),
  }
}

/**
 * One line a request, when its answer begins. The query is left out: codes, tokens and names of
 * users come there.
 */
function inAccessLog(
  deps: Needs,
  listener: string,
  { method, url = '', headers, socket }: IncomingMessage,
  answer: () => Response | Promise<Response>,
): Response | Promise<Response> {
  const from = remoteAddress(
    socket.remoteAddress,
    one(headers['x-forwarded-for']),
    deps.config.trustedProxies,
  )
  const path = url.replace(/[?#].*$/s, '').slice(0, MOST_OF_PATH)
  return timed(deps, answer, ({ status }, ms) =>
    deps.log.info('request', { listener, method, path, status, ms, from }),
  )
}
