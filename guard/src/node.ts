import { pipeline, Readable } from 'node:stream'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HasHeaders, Requirement } from './authorize.ts'
import type { AccessClaims } from './claims.ts'
import type { Guard } from './guard.ts'
import { checkOwnSession, type OwnSessions, type SessionGuard } from './own-sessions.ts'
import type { EndedSession } from './session-check.ts'

/**
 * A request of node:http, Express or the like. `body` is set if a parser has read it, `originalUrl`
 * if a router has cut `url`.
 */
export type NodeRequest = IncomingMessage & { body?: unknown; originalUrl?: string }

/**
 * Returns a check for a listener of node:http: `const claims = await requireToken(guard)(request,
 * response); if (claims === undefined) return`. The check returns the claims of a valid bearer
 * token. Otherwise it has answered the request (RFC 6750 §3) and returns undefined.
 */
export function requireToken(guard: Pick<Guard, 'authorize'>, requirement?: Requirement) {
  return async (
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<AccessClaims | undefined> => {
    const authorized = await guard.authorize(readable(request), requirement)
    if (authorized.ok) return authorized.claims
    await send(authorized.response, response)
    return undefined
  }
}

/**
 * Returns a check of the session of each request: `const judged = await checkSessions(guard, own)(
 * request, response); if (judged === undefined) return`. It returns undefined if it has answered
 * the request. `judged.ended` says why the session has ended, where it has.
 */
export function checkSessions<Req extends NodeRequest, Res extends ServerResponse>(
  guard: SessionGuard,
  own: OwnSessions<[request: Req, response: Res]>,
) {
  const check = checkOwnSession(guard, own)
  return async (
    request: Req,
    response: Res,
  ): Promise<{ ended: EndedSession | undefined } | undefined> => {
    const judged = await check(pathOf(request.originalUrl ?? request.url), request, response)
    if (!(judged instanceof Response)) return { ended: judged }
    await send(judged, response)
    return undefined
  }
}

export const pathOf = (url = ''): string => url.split('?', 1)[0] ?? ''

/**
 * Answers the broker's logout tokens, whether or not a parser has read the body.
 * @throws TypeError if the body was read and is not in `request.body`
 */
export function receiveLogout(guard: Pick<Guard, 'receiveLogout'>) {
  return async (request: NodeRequest, response: ServerResponse): Promise<void> =>
    send(await guard.receiveLogout(webRequest(request)), response)
}

/**
 * Destroys a connection when the token that opened it is no longer valid: a response of server-sent
 * events, or the socket of a WebSocket. Returns the signal, with the reason.
 */
export function holdConnection(
  guard: Pick<Guard, 'hold'>,
  claims: AccessClaims,
  connection: { destroy(): unknown; once(event: 'close', listener: () => void): unknown },
): AbortSignal {
  const closed = new AbortController()
  connection.once('close', () => closed.abort())
  const signal = guard.hold(claims, { until: closed.signal })
  if (signal.aborted) connection.destroy()
  else signal.addEventListener('abort', () => connection.destroy(), { once: true })
  return signal
}

/** Returns the part of a web `Request` that `authorize` reads. */
export const readable = (request: NodeRequest): HasHeaders => ({
  method: request.method,
  url: request.originalUrl ?? request.url,
  headers: {
    get: (name) => {
      const value = request.headers[name]
      return value === undefined ? null : String(value)
    },
  },
})

/**
 * Returns the request as a web `Request`.
 * @param parsed the body, if a parser has read it
 */
export function webRequest(request: NodeRequest, parsed: unknown = request.body): Request {
  const { method = 'GET', headers } = request
  const type = headers['content-type']
  const init: RequestInit & { duplex?: 'half' } = {
    method,
    headers: type === undefined ? {} : { 'content-type': type },
  }
  if (method !== 'GET' && method !== 'HEAD') {
    init.body = bodyOf(request, parsed) as NonNullable<RequestInit['body']>
    init.duplex = 'half'
  }
  return new Request('http://localhost/', init)
}

function bodyOf(request: IncomingMessage, parsed: unknown): unknown {
  if (typeof parsed === 'string' || parsed instanceof Uint8Array) return parsed
  const members = typeof parsed === 'object' && parsed !== null ? Object.entries(parsed) : []
  if (members.length > 0) {
    const form = new URLSearchParams()
    for (const [name, value] of members)
      for (const each of Array.isArray(value) ? value : [value]) form.append(name, String(each))
    return form.toString()
  }
  // A 400 would be final, and the sign-out would be lost. After any other failure the broker sends
  // another logout token.
  if (request.readableDidRead)
    throw new TypeError(
      'The body of the logout token was read before receiveLogout, and is not in request.body. Parse it as a form, or not at all.',
    )
  return Readable.toWeb(request)
}

export async function send(answer: Response, response: ServerResponse): Promise<void> {
  const headers = Object.fromEntries(answer.headers)
  const stream = streamOf(answer)
  if (stream === undefined) {
    const body = await answer.text()
    return void response.writeHead(answer.status, headers).end(body)
  }
  response.writeHead(answer.status, headers)
  // An open page that goes away is no error.
  pipeline(stream, response, () => {})
}

/** Returns the body of an answer of server-sent events. */
export const streamOf = ({ body, headers }: Response): Readable | undefined =>
  body !== null && headers.get('content-type') === 'text/event-stream'
    ? // The types of the DOM, where a program has them, are not those of Node. An iterable would keep
      // watching a page that has gone until the next heartbeat.
      Readable.fromWeb(body as never)
    : undefined
