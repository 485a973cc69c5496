import type { IncomingMessage } from 'node:http'
import { BlockList } from 'node:net'
import { type ObserveAnswer } from './answer-times.ts'
import type { AddressWatch } from './address-watch.ts'
import type { Log } from './log.ts'
import { privateProblem } from './outbound-addresses.ts'
import { forwarded, isTrustedProxy, remoteAddress, type TrustedProxies } from './remote-address.ts'
import { type Came, inRequest, RequestContext } from './request-context.ts'
import { activeTraceparent } from './telemetry.ts'

/** What surrounds each request of a listener: its ids, the id in its answer, and a line of the access log where that is on. */

interface Needs {
  config: { accessLog: boolean; trustedProxies: TrustedProxies }
  log: Log
  addressWatch: AddressWatch
}
const MOST_OF_PATH = 200

/** @param within what else observes the answer */
export function requestsOf(deps: Needs, listener: 'public' | 'operators', within: ObserveAnswer): ObserveAnswer {
  const { accessLog } = deps.config
  const answered: ObserveAnswer = accessLog
    ? (request, answer, response) => inAccessLog(deps, listener, request, () => within(request, answer, response))
    : within
  return (request, answer, response) => {
    const context = new RequestContext(cameWith(deps.config, request))
    if (listener === 'public') watchAddress(deps, request)
    response.setHeader('X-Request-Id', context.requestId)
    return inRequest(context, () => answered(request, answer, response))
  }
}

const one = (value: string | string[] | undefined): string | undefined => (typeof value === 'string' ? value : undefined)

const NONE = new BlockList()
const isPrivate = (address: string): boolean => privateProblem(address, NONE, false) !== undefined

function watchAddress({ config, addressWatch }: Needs, { headers, socket }: IncomingMessage): void {
  const header = one(headers['x-forwarded-for'])
  if (header === undefined || socket.remoteAddress === undefined) return
  addressWatch.note(forwarded(socket.remoteAddress, header, config.trustedProxies), isPrivate)
}

/** Of headers only what a trusted proxy sends: any client can write a request id, and one that is not unique misleads the operator who searches for it. */
function cameWith({ trustedProxies }: Needs['config'], { headers, socket }: IncomingMessage): Came {
  const isTrusted = isTrustedProxy(trustedProxies, socket.remoteAddress)
  const fromProxy = (name: string): string | undefined => (isTrusted ? one(headers[name]) : undefined)
  return { requestId: fromProxy('x-request-id'), traceparent: activeTraceparent() ?? fromProxy('traceparent') }
}

/** One line a request, when its answer begins. The query is left out: codes, tokens and names of users come there. */
function inAccessLog(
  { config, log }: Needs,
  listener: string,
  { method, url = '', headers, socket }: IncomingMessage,
  answer: () => Response | Promise<Response>,
): Response | Promise<Response> {
  const begun = performance.now()
  const from = remoteAddress(socket.remoteAddress, one(headers['x-forwarded-for']), config.trustedProxies)
  const write = (response: Response): Response => {
    const path = url.replace(/[?#].*$/s, '').slice(0, MOST_OF_PATH)
    log.info('request', { listener, method, path, status: response.status, ms: Math.round(performance.now() - begun), from })
    return response
  }
  const answered = answer()
  return answered instanceof Promise ? answered.then(write) : write(answered)
}
