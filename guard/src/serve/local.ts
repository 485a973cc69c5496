import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Guard } from '../guard.ts'
import type { EndedStream } from './ended-stream.ts'
import type { IdentitySigner } from './identity.ts'
import { valuesOf } from './headers.ts'
import { readText } from '../read-text.ts'
import { checkDemand } from './rules.ts'
import { pathOf, webRequest } from '../node.ts'
import type { SessionClaims } from '../session-check.ts'
import type { Strength } from '../strength.ts'
import type { Sessions } from './sessions.ts'
import type { ServeConfig } from './settings.ts'

/**
 * The local listener for the application and for monitoring: health, metrics, the key of the
 * assertion, the check of a session, and the stream of ended sessions.
 */

interface LocalParts {
  config: ServeConfig
  guard: Pick<Guard, 'checkSession' | 'status' | 'stepUp'>
  sessions: Sessions
  ended: EndedStream
  signer: IdentitySigner | undefined
  metrics: () => string
}

export function local(parts: LocalParts): RequestListener {
  return (request, response) => {
    const wrong = fromOutside(parts, request)
    if (wrong !== undefined) return text(response, 403, wrong)
    const path = pathOf(request.url)
    if (path === '/session' || path === '/session/strength')
      return void judge(parts, request, response).catch(() => response.destroy())
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return text(response, 405, 'Use GET.\n', { allow: 'GET, HEAD' })
    switch (path) {
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
        return text(
          response,
          404,
          'There are /healthz, /readyz, /metrics, /jwks, /session, /session/strength and /ended.\n',
        )
    }
  }
}

/**
 * Returns why a request is rejected. A web page must not read this listener, neither from another
 * origin nor by DNS rebinding.
 */
function fromOutside({ config }: LocalParts, request: IncomingMessage): string | undefined {
  if (valuesOf(request.rawHeaders, 'origin').length > 0)
    return 'Pages in a browser have no access.\n'
  if (config.localListen.kind === 'unix') return undefined
  const called = valuesOf(request.rawHeaders, 'host')
  const host = called[0]?.toLowerCase().replace(/:\d+$/, '')
  return called.length === 1 && host !== undefined && config.localHosts.includes(host)
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

function follow(parts: LocalParts, request: IncomingMessage, response: ServerResponse): void {
  if (isStranger(parts, request, response)) return
  if (request.method === 'HEAD') return text(response, 405, '', { allow: 'GET' })
  parts.ended.open(valuesOf(request.rawHeaders, 'last-event-id')[0], response)
}

/**
 * Answers a request over TCP without the local secret, and returns true. 403, because an application
 * takes 401 for the end of its session.
 */
function isStranger(
  { config: { localListen, localSecret: secret } }: LocalParts,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  if (localListen.kind === 'unix') return false
  if (secret === undefined) {
    text(response, 403, 'Set local_secret_file, or let local_listen be a unix socket.\n')
    return true
  }
  const given = valuesOf(request.rawHeaders, 'authorization')
  if (given.length === 1 && isSame(given[0] ?? '', `Bearer ${secret}`)) return false
  text(response, 403, 'Send Authorization: Bearer with the local secret.\n')
  return true
}

/** The most bytes of a session's claims. An ID token with many roles has a tenth of it. */
const MOST_BYTES = 64 * 1024
const STATUS = { live: 200, ended: 401, unknown: 503 } as const

/**
 * Answers whether a session of the application is live, and at /session/strength, whether its user
 * has authenticated as the query demands. That has a path of its own: a former version ignores a
 * query at /session and would answer 200, and it has no such path.
 */
async function judge(
  parts: LocalParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (isStranger(parts, request, response)) return
  if (request.method !== 'POST') return text(response, 405, 'Use POST.\n', { allow: 'POST' })
  if (!parts.config.judgesSessions)
    return text(response, 403, 'Set sessions to yes, so that guard serve judges sessions.\n')
  const demand = pathOf(request.url) === '/session' ? {} : demandOf(request.url ?? '')
  if (typeof demand === 'string') return text(response, 400, `${demand}\n`)
  const body = await readText(webRequest(request), MOST_BYTES)
  if (body === undefined) return text(response, 413, `Send at most ${MOST_BYTES} bytes.\n`)
  const session = objectOf(body)
  if (session === undefined)
    return text(response, 400, 'Send the claims of the ID token as a JSON object.\n')
  const state = await parts.guard.checkSession(session)
  // The guard has read the claims of a live session.
  if (state.state === 'live')
    parts.sessions.live(session as SessionClaims, parts.config.guard.clientId, state.rev)
  const missed = state.state === 'live' ? parts.guard.stepUp(session, demand) : undefined
  const { reasonClass, ...rest } = { reasonClass: undefined, ...state }
  json(response, missed === undefined ? STATUS[state.state] : 403, {
    ...rest,
    reason_class: reasonClass,
    step_up: missed,
  })
}

/** Returns the demand of a query such as `?acr=phr&max_age=300`, or what is wrong. */
function demandOf(url: string): Strength | string {
  const query = new URLSearchParams(url.split('?')[1] ?? '')
  const names = [...query.keys()]
  if (
    names.length === 0 ||
    new Set(names).size < names.length ||
    names.some((name) => name !== 'acr' && name !== 'max_age')
  )
    return 'Demand acr, max_age or both, each once, e.g. /session/strength?acr=phr&max_age=300.'
  const acr = query.get('acr') ?? undefined
  const age = query.get('max_age') ?? undefined
  const maxAgeSeconds = age === undefined ? undefined : /^\d+$/.test(age) ? Number(age) : Number.NaN
  const problems: string[] = []
  checkDemand({ acr, max_age: maxAgeSeconds }, (member, wanted) =>
    problems.push(`${member}: ${wanted}.`),
  )
  return problems[0] ?? { acr, maxAgeSeconds }
}

function objectOf(body: string): object | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

const digest = (value: string): Buffer => createHash('sha256').update(value).digest()
const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b))

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
