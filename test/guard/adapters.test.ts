import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import fastify from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Guard, Logout } from '@case-manager/guard'
import * as onExpress from '@case-manager/guard/express'
import * as onFastify from '@case-manager/guard/fastify'
import * as onNode from '@case-manager/guard/node'
import { eventually, startBroker, startGuard, type Broker } from './stand-in.ts'

/**
 * An instance on each server: `/api/me` needs a token, `/api/admin` a role, `/events` stays open.
 */
type Instance = (guard: Guard) => Promise<{ origin: string; close: () => Promise<unknown> }>

async function listen(listener: RequestListener): ReturnType<Instance> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = (): Promise<void> => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(() => resolve()))
  }
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
}

function stream(
  guard: Guard,
  claims: Parameters<Guard['hold']>[0],
  response: ServerResponse,
): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': open\n\n')
  onNode.holdConnection(guard, claims, response)
}

const withNode: Instance = (guard) => {
  const [any, admin, logout] = [
    onNode.requireToken(guard),
    onNode.requireToken(guard, { anyRole: ['Admin'] }),
    onNode.receiveLogout(guard),
  ]
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.url === '/oidc/backchannel-logout') return logout(request, response)
    const claims = await (request.url === '/api/admin' ? admin : any)(request, response)
    if (claims === undefined) return
    if (request.url === '/events') stream(guard, claims, response)
    else response.end(claims.sub)
  }
  return listen(
    (request, response) => void answer(request, response).catch(() => response.destroy()),
  )
}

const withExpress =
  (...parsers: express.RequestHandler[]): Instance =>
  (guard) => {
    const app = express()
    app.use(...parsers, (_request, _response, next) => next())
    app.post('/oidc/backchannel-logout', onExpress.receiveLogout(guard))
    app.get(
      '/api/admin',
      onExpress.requireToken(guard, { anyRole: ['Admin'] }),
      (_request, response) => void response.end(),
    )
    app.use(onExpress.requireToken(guard))
    app.get('/api/me', (request, response) => void response.send(onExpress.claimsOf(request).sub))
    app.get('/events', (request, response) => stream(guard, onExpress.claimsOf(request), response))
    app.use(
      ((_error, _request, response, _next) =>
        void response.status(500).end()) as express.ErrorRequestHandler,
    )
    return listen(app)
  }

const withFastify =
  (parses: boolean): Instance =>
  async (guard) => {
    const app = fastify()
    if (parses)
      app.addContentTypeParser(
        'application/x-www-form-urlencoded',
        { parseAs: 'string' },
        (_request, body, done) =>
          done(null, Object.fromEntries(new URLSearchParams(body as string))),
      )
    app.register(onFastify.receiveLogout(guard, '/oidc/backchannel-logout'))
    app.get(
      '/api/admin',
      { onRequest: onFastify.requireToken(guard, { anyRole: ['Admin'] }) },
      () => '',
    )
    app.register(async (api) => {
      api.addHook('onRequest', onFastify.requireToken(guard))
      api.get('/api/me', (request) => onFastify.claimsOf(request).sub)
      api.get('/events', (request, reply) => {
        reply.hijack()
        stream(guard, onFastify.claimsOf(request), reply.raw)
      })
    })
    const origin = await app.listen({ port: 0, host: '127.0.0.1' })
    app.server.keepAliveTimeout = 1
    const close = (): Promise<unknown> => {
      app.server.closeAllConnections()
      return app.close()
    }
    return { origin, close }
  }

async function start(
  instance: Instance,
): Promise<{ broker: Broker; guard: Guard; origin: string; ended: Logout[] }> {
  const broker = await startBroker()
  const ended: Logout[] = []
  const guard = await startGuard(broker, { onLogout: (logout) => void ended.push(logout) })
  const { origin, close } = await instance(guard)
  onTestFinished(async () => void (await close()))
  return { broker, guard, origin, ended }
}

const bearer = (token: string): RequestInit => ({ headers: { authorization: `Bearer ${token}` } })

describe.each<[string, Instance]>([
  ['node:http', withNode],
  ['Express', withExpress()],
  ['Express with a parser of forms', withExpress(express.urlencoded())],
  ['Express with a parser of text', withExpress(express.text({ type: '*/*' }))],
  ['Fastify', withFastify(false)],
  ['Fastify with a parser of forms', withFastify(true)],
])('%s', (_name, instance) => {
  test('a valid token passes with its claims; the others are answered (RFC 6750 §3)', async () => {
    const { broker, origin } = await start(instance)
    const good = await fetch(`${origin}/api/me`, bearer(await broker.token()))
    expect([good.status, await good.text()]).toEqual([200, 'u_alice'])
    const none = await fetch(`${origin}/api/me`)
    expect([
      none.status,
      none.headers.get('www-authenticate'),
      none.headers.get('cache-control'),
    ]).toEqual([401, 'Bearer', 'no-store'])
    expect((await fetch(`${origin}/api/me`, bearer(await broker.token({ exp: 1 })))).status).toBe(
      401,
    )
    expect((await fetch(`${origin}/api/me`, bearer('"'))).status).toBe(400)
    expect((await fetch(`${origin}/api/admin`, bearer(await broker.token()))).status).toBe(403)
    expect(
      (await fetch(`${origin}/api/admin`, bearer(await broker.token({ roles: ['Admin'] })))).status,
    ).toBe(200)
    broker.clock.advance(36)
    const unknown = await fetch(`${origin}/api/me`, bearer(await broker.token()))
    expect([
      unknown.status,
      unknown.headers.get('retry-after'),
      await unknown.json(),
    ]).toMatchObject([503, '1', { error: 'temporarily_unavailable' }])
  })

  test('a logout token is received, whether or not the body was parsed', async () => {
    const { broker, ended, origin } = await start(instance)
    const post = async (body: URLSearchParams): Promise<number> =>
      (await fetch(`${origin}/oidc/backchannel-logout`, { method: 'POST', body })).status
    const token = await broker.logoutToken({ sid: 's_7' })
    expect([
      await post(new URLSearchParams({ logout_token: token })),
      ended.map(({ sid }) => sid),
    ]).toEqual([200, ['s_7']])
    expect(await post(new URLSearchParams({ logout_token: token }))).toBe(400)
    expect(
      await post(
        new URLSearchParams([
          ['logout_token', token],
          ['logout_token', 'x'],
        ]),
      ),
    ).toBe(400)
  })

  test('server-sent events of a revoked session are cut', async () => {
    const { broker, guard, origin } = await start(instance)
    const response = await fetch(`${origin}/events`, bearer(await broker.token()))
    expect(response.status).toBe(200)
    broker.revoke({ kind: 'session', sid: 's_1' })
    await response.text().catch(() => {})
    await eventually(() => expect(guard.status().holds).toBe(0))
  })
})

describe('what is not in order', () => {
  test('a body that was read and is nowhere is a failure, after which the broker sends another logout token', async () => {
    const swallow: express.RequestHandler = (request, _response, next) =>
      void request.resume().once('end', () => next())
    const { broker, ended, origin } = await start(withExpress(swallow))
    const body = new URLSearchParams({ logout_token: await broker.logoutToken() })
    expect([
      (await fetch(`${origin}/oidc/backchannel-logout`, { method: 'POST', body })).status,
      ended,
    ]).toEqual([500, []])
  })

  test('claims of a request that no requireToken has seen', () => {
    expect(() => onExpress.claimsOf({})).toThrow('put requireToken(guard) before this handler')
  })
})

describe('a WebSocket', () => {
  test('of a revoked session is cut by the event', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const server = createServer()
    server.on('upgrade', (request, socket) => {
      void guard
        .authorize({ headers: { get: (name) => String(request.headers[name]) } })
        .then((authorized) => {
          if (!authorized.ok) return socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n')
          socket.write(
            'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
          )
          return onNode.holdConnection(guard, authorized.claims, socket)
        })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const port = (server.address() as AddressInfo).port
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      authorization: `Bearer ${await broker.token()}`,
    }
    const times: number[] = []
    for (let round = 0; round < 5; round++) {
      broker.seq++
      headers.authorization = `Bearer ${await broker.token({ rev: broker.seq })}`
      const request = httpRequest({ port, host: '127.0.0.1', headers })
      const closed = new Promise<number>((resolve, reject) => {
        request.on('error', reject).on('upgrade', (_response, socket) => {
          const begun = performance.now()
          socket.on('error', () => {}).on('close', () => resolve(performance.now() - begun))
          socket.resume()
          broker.revoke({ kind: 'session', sid: 's_1' })
        })
      })
      request.end()
      times.push(await closed)
    }
    console.log(`A WebSocket was cut after ${times.map((time) => time.toFixed(1)).join(', ')} ms.`)
  })
})
