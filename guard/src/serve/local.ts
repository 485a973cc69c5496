import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Guard } from '../guard.ts'
import type { Address } from './addresses.ts'
import type { EndedStream } from './ended-stream.ts'
import type { IdentitySigner } from './identity.ts'
import { valuesOf } from './headers.ts'

/**
 * The local listener for the application and for monitoring: health, metrics, the key of the
 * assertion, and the stream of ended sessions.
 */

interface LocalParts {
  guard: Pick<Guard, 'status'>
  ended: EndedStream
  signer: IdentitySigner | undefined
  metrics: () => string
  address: Address
  /** Accepted names in `Host`, for a TCP listener. */
  hosts: readonly string[]
  secret: string | undefined
}

export function local(parts: LocalParts): RequestListener {
  return (request, response) => {
    const wrong = fromOutside(parts, request)
    if (wrong !== undefined) return text(response, 403, wrong)
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return text(response, 405, 'Use GET.\n', { allow: 'GET, HEAD' })
    switch ((request.url ?? '').split('?', 1)[0]) {
      case '/healthz':
        return text(response, 200, 'ok\n')
      case '/readyz':
        return ready(parts, response)
      case '/metrics':
        return text(response, 200, parts.metrics(), {
          'content-type': 'text/plain; version=0.0.4; charset=utf-8',
        })
      case '/jwks':
        return json(response, 200, { keys: parts.signer === undefined ? [] : [parts.signer.jwk] })
      case '/ended':
        return follow(parts, request, response)
      default:
        return text(response, 404, 'There are /healthz, /readyz, /metrics, /jwks and /ended.\n')
    }
  }
}

/**
 * Returns why a request is rejected. A web page must not read this listener, neither from another
 * origin nor by DNS rebinding.
 */
function fromOutside({ address, hosts }: LocalParts, request: IncomingMessage): string | undefined {
  if (valuesOf(request.rawHeaders, 'origin').length > 0)
    return 'Pages in a browser have no access.\n'
  if (address.kind === 'unix') return undefined
  const called = valuesOf(request.rawHeaders, 'host')
  const host = called[0]?.toLowerCase().replace(/:\d+$/, '')
  return called.length === 1 && host !== undefined && hosts.includes(host)
    ? undefined
    : 'The name in Host is not in local_hosts.\n'
}

function ready({ guard }: LocalParts, response: ServerResponse): void {
  const { clockOffsetSeconds, connected, enforcedSeq, lastProblem, leaseMs, reportedSeq } =
    guard.status()
  const ready = leaseMs > 0
  const body = {
    ready,
    connected,
    lease_seconds: leaseMs / 1000,
    enforced_seq: enforcedSeq,
    reported_seq: reportedSeq ?? null,
  }
  json(response, ready ? 200 : 503, {
    ...body,
    clock_offset_seconds: clockOffsetSeconds ?? null,
    last_problem: lastProblem?.message ?? null,
  })
}

function follow(
  { address, ended, secret }: LocalParts,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (address.kind === 'tcp') {
    if (secret === undefined)
      return text(
        response,
        403,
        'Set local_secret_file, or let local_listen be a unix socket: then there is a stream.\n',
      )
    const given = valuesOf(request.rawHeaders, 'authorization')
    if (given.length !== 1 || !isSame(given[0] ?? '', `Bearer ${secret}`))
      return text(response, 401, 'Send Authorization: Bearer with the local secret.\n', {
        'www-authenticate': 'Bearer',
      })
  }
  if (request.method === 'HEAD') return text(response, 405, '', { allow: 'GET' })
  ended.open(valuesOf(request.rawHeaders, 'last-event-id')[0], response)
}

const digest = (value: string): Buffer => createHash('sha256').update(value).digest()
const isSame = (one: string, other: string): boolean => timingSafeEqual(digest(one), digest(other))

const json = (response: ServerResponse, status: number, body: unknown): void =>
  text(response, status, `${JSON.stringify(body)}\n`, { 'content-type': 'application/json' })

function text(
  response: ServerResponse,
  status: number,
  body: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  })
  response.end(body)
}
