import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import type { Requirement } from './authorize.ts'
import { keepClaims } from './claims-of.ts'
import type { Guard } from './guard.ts'
import { pathOf, readable, streamOf, webRequest } from './node.ts'
import { checkOwnSession, keepEnd, type OwnSessions, type SessionGuard } from './own-sessions.ts'

export { claimsOf } from './claims-of.ts'
export { endedOf } from './own-sessions.ts'
export { holdConnection } from './node.ts'

/** The part of Fastify that is used. The package depends on no framework. */
interface FastifyRequest {
  raw: IncomingMessage
  /** The target before it was rewritten. */
  originalUrl?: string
  body?: unknown
}
interface FastifyReply {
  code(status: number): unknown
  header(name: string, value: string): unknown
  send(payload: string | Readable): unknown
}
interface FastifyInstance {
  hasContentTypeParser(type: string): boolean
  addContentTypeParser(
    type: string,
    options: { parseAs: 'string' },
    parser: (request: never, body: string, done: Done) => void,
  ): unknown
  post(
    path: string,
    handler: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>,
  ): unknown
}
type Done = (error: Error | null, body?: unknown) => void

const FORM = 'application/x-www-form-urlencoded'

/**
 * Admits a request whose bearer token is valid, and keeps its claims for `claimsOf(request)`:
 * `app.addHook('onRequest', requireToken(guard))`, or for one route `{ onRequest:
 * requireToken(guard) }`.
 */
export function requireToken(guard: Pick<Guard, 'authorize'>, requirement?: Requirement) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const authorized = await guard.authorize(
      { ...readable(request.raw), url: request.originalUrl ?? request.raw.url },
      requirement,
    )
    if (!authorized.ok) return send(authorized.response, reply)
    keepClaims(request, authorized.claims)
    return undefined
  }
}

/**
 * Returns a plugin that judges the session of each request, to be registered behind what reads it:
 * `app.register(checkSessions(guard, { claims, end }))`. Then `endedOf(request)` says why a session
 * has ended.
 */
export function checkSessions<Req extends FastifyRequest, Res extends FastifyReply>(
  guard: SessionGuard,
  own: OwnSessions<[request: Req, reply: Res]>,
) {
  const check = checkOwnSession(guard, own)
  const judge = async (request: Req, reply: Res): Promise<unknown> => {
    const judged = await check(pathOf(request.raw.url), request, reply)
    if (judged instanceof Response) return send(judged, reply)
    if (judged !== undefined) keepEnd(request, judged)
    return undefined
  }
  const plugin = (app: Judged<Req, Res>, _options: unknown, done: () => void): void => {
    app.addHook('onRequest', judge)
    // The hook answers. Without a route, Fastify would not ask the hooks that were added before.
    if (own.events !== undefined) app.get(own.events, judge)
    done()
  }
  // The hook is for the whole application, not for what this plugin registers.
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}
interface Judged<Req, Res> {
  addHook(name: 'onRequest', hook: (request: Req, reply: Res) => Promise<unknown>): unknown
  get(path: string, handler: (request: Req, reply: Res) => Promise<unknown>): unknown
}

/**
 * Returns a plugin that answers logout tokens: `app.register(receiveLogout(guard,
 * '/oidc/backchannel-logout'))`. If the app has no parser of forms, the plugin adds one for itself.
 */
export function receiveLogout(guard: Pick<Guard, 'receiveLogout'>, path: string) {
  return (app: FastifyInstance, _options: unknown, done: (error?: Error) => void): void => {
    if (!app.hasContentTypeParser(FORM))
      app.addContentTypeParser(FORM, { parseAs: 'string' }, (_request, body, parsed) =>
        parsed(null, body),
      )
    app.post(path, async (request, reply) =>
      send(await guard.receiveLogout(webRequest(request.raw, request.body)), reply),
    )
    done()
  }
}

async function send(answer: Response, reply: FastifyReply): Promise<unknown> {
  reply.code(answer.status)
  for (const [name, value] of answer.headers) reply.header(name, value)
  return reply.send(streamOf(answer) ?? (await answer.text()))
}
