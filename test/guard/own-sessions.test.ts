import {
  createServer,
  get as httpGet,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { EndedSession, Guard } from '@case-manager/guard'
import * as onExpress from '@case-manager/guard/express'
import * as onFastify from '@case-manager/guard/fastify'
import * as onHono from '@case-manager/guard/hono'
import * as onNext from '@case-manager/guard/next'
import * as onNode from '@case-manager/guard/node'
import { eventually, startBroker, startGuard, TestClock, type Broker } from './stand-in.ts'

/**
 * An instance with each framework. Its only page is `/`, which shows the user, or why the session
 * has ended. Its own sessions are kept by the cookie's value.
 */
type Sessions = Map<string, { sub: string; [claim: string]: unknown }>
type Open = (guard: Guard, sessions: Sessions) => Promise<string>

const EVENTS = '/session/events'
const cookieOf = (header: string | null | undefined): string =>
  /session=([^;]*)/.exec(header ?? '')?.[1] ?? ''
const page = (sessions: Sessions, cookie: string, ended: EndedSession | undefined) => ({
  user: sessions.get(cookie)?.sub ?? null,
  why: ended?.reasonClass ?? ended?.why ?? null,
})

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    return new Promise<void>((resolve) => server.close(() => resolve()))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The rules of an instance whose framework gives requests of node:http. */
const ofNode = (sessions: Sessions) => ({
  claims: ({ headers }: IncomingMessage) => sessions.get(cookieOf(headers.cookie)),
  end: ({ headers }: IncomingMessage) => sessions.delete(cookieOf(headers.cookie)),
  events: EVENTS,
})

const withNode: Open = (guard, sessions) => {
  const check = onNode.checkSessions(guard, ofNode(sessions))
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const judged = await check(request, response)
    if (judged === undefined) return
    response.end(JSON.stringify(page(sessions, cookieOf(request.headers.cookie), judged.ended)))
  }
  return listen((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
}

const withExpress: Open = (guard, sessions) => {
  const app = express()
  app.use(onExpress.checkSessions(guard, ofNode(sessions)))
  app.get('/', (request, response) => {
    const cookie = cookieOf(request.headers.cookie)
    response.json(page(sessions, cookie, onExpress.endedOf(request)))
  })
  return listen(app)
}

const withFastify: Open = async (guard, sessions) => {
  const app = fastify({ forceCloseConnections: true })
  const own = ofNode(sessions)
  await app.register(
    onFastify.checkSessions(guard, {
      claims: ({ raw }) => own.claims(raw),
      end: ({ raw }) => own.end(raw),
      events: EVENTS,
    }),
  )
  app.get('/', (request, reply) => {
    const cookie = cookieOf(request.headers.cookie)
    void reply.send(page(sessions, cookie, onFastify.endedOf(request)))
  })
  onTestFinished(() => app.close())
  return app.listen({ host: '127.0.0.1', port: 0 })
}

/** Serves a function of web requests. */
const serveWeb = (answer: (request: Request) => Promise<Response | undefined>): Promise<string> =>
  listen((request, response) => {
    const headers = { cookie: request.headers.cookie ?? '' }
    answer(new Request(`http://localhost${request.url}`, { headers }))
      .then((answered = new Response(null, { status: 500 })) => onNode.send(answered, response))
      .catch(() => response.destroy())
  })

const withHono: Open = (guard, sessions) => {
  const app = new Hono<onHono.GuardVariables>()
  const cookie = (c: { req: { raw: Request } }): string => cookieOf(c.req.raw.headers.get('cookie'))
  app.use(
    onHono.checkSessions(guard, {
      claims: (c) => sessions.get(cookie(c)),
      end: (c) => sessions.delete(cookie(c)),
      events: EVENTS,
    }),
  )
  app.get('/', (c) => c.json(page(sessions, cookie(c), c.get('ended'))))
  return serveWeb(async (request) => app.request(request))
}

const withNext: Open = (guard, sessions) => {
  const withSession = onNext.checkSessions(guard, {
    claims: ({ headers }) => sessions.get(cookieOf(headers.get('cookie'))),
    end: ({ headers }) => sessions.delete(cookieOf(headers.get('cookie'))),
    events: EVENTS,
  })
  const handler = (request: Request): Response => {
    const cookie = cookieOf(request.headers.get('cookie'))
    return Response.json(page(sessions, cookie, onNext.endedOf(request)))
  }
  return serveWeb(withSession(handler))
}

const FRAMEWORKS: [name: string, open: Open][] = [
  ['node:http', withNode],
  ['Express', withExpress],
  ['Fastify', withFastify],
  ['Hono', withHono],
  ['Next.js', withNext],
]

async function instance(open: Open): Promise<{
  broker: Broker
  clock: TestClock
  guard: Guard
  sessions: Sessions
  /** Requests the page with the cookie of Alice's session. */
  ask: () => Promise<{ status: number; body: unknown; retryAfter: string | null }>
  /** Opens the events of the page. Returns what has arrived, and whether the stream has ended. */
  listenTo: (cookie?: string) => Promise<{ text: string; ended: boolean; close: () => void }>
}> {
  const clock = new TestClock('turned')
  const broker = await startBroker(clock)
  const guard = await startGuard(broker, { start: false })
  const sessions: Sessions = new Map()
  const origin = await open(guard, sessions)
  await guard.start()
  sessions.set('alice', broker.sessionClaims())
  return {
    broker,
    clock,
    guard,
    sessions,
    async ask() {
      const response = await fetch(origin, { headers: { cookie: 'session=alice' } })
      const body: unknown = await response.json()
      return { status: response.status, body, retryAfter: response.headers.get('retry-after') }
    },
    listenTo: (cookie = 'alice') =>
      new Promise((resolve, reject) => {
        const headers = { cookie: `session=${cookie}` }
        const request = httpGet(`${origin}${EVENTS}?of=page`, { headers }, (response) => {
          expect(response.headers['content-type']).toBe('text/event-stream')
          const heard = { text: '', ended: false, close: () => void request.destroy() }
          response.on('data', (piece) => (heard.text += String(piece)))
          response.on('close', () => (heard.ended = true))
          response.on('error', () => {})
          resolve(heard)
        }).on('error', reject)
        onTestFinished(() => void request.destroy())
      }),
  }
}

describe.each(FRAMEWORKS)('the sessions of an instance with %s', (_name, open) => {
  test('are live, and once revoked ended: the request goes on as signed out, with the reason', async () => {
    const { ask, broker, sessions } = await instance(open)
    expect(await ask()).toMatchObject({ status: 200, body: { user: 'u_alice', why: null } })
    broker.revoke({ kind: 'subject', sub: 'u_alice' }, 'locked')
    await eventually(async () =>
      expect(await ask()).toMatchObject({ status: 200, body: { user: null, why: 'locked' } }),
    )
    expect(sessions.size).toBe(0)
    expect(await ask()).toMatchObject({ status: 200, body: { user: null, why: null } })
  })

  test('stay, and are answered 503, where the guard cannot know', async () => {
    const { ask, broker, clock, sessions } = await instance(open)
    expect(await ask()).toMatchObject({ status: 200 })
    broker.broken['/revocations'] = 503
    broker.cut()
    clock.advance(31)
    expect(await ask()).toMatchObject({
      status: 503,
      body: { error: 'temporarily_unavailable' },
      retryAfter: '1',
    })
    expect(sessions.size).toBe(1)
  })

  test('tell an open page why they ended', async () => {
    const { broker, guard, listenTo, sessions } = await instance(open)
    const heard = await listenTo()
    await eventually(() => expect(guard.status().holds).toBe(1))
    expect(heard).toMatchObject({ text: 'retry: 2000\n\n', ended: false })
    broker.revoke({ kind: 'session', sid: 's_1' }, 'signed_out_remotely')
    await eventually(() => expect(heard.ended).toBe(true))
    expect(heard.text).toContain(
      'event: ended\ndata: {"why":"revoked","reason_class":"signed_out_remotely"}\n\n',
    )
    const again = await listenTo()
    await eventually(() => expect(again.ended).toBe(true))
    expect(again.text).toContain('"reason_class":"signed_out_remotely"')
    expect(sessions.size).toBe(0)
    const without = await listenTo('nobody')
    await eventually(() => expect(without.ended).toBe(true))
    expect(without.text).toContain('event: ended\ndata: {"why":"signed_out"}\n\n')
  })

  test('are not watched for a page that has gone, and tell nothing where nothing is known', async () => {
    const { broker, clock, guard, listenTo } = await instance(open)
    const gone = await listenTo()
    const open2 = await listenTo()
    await eventually(() => expect(guard.status().holds).toBe(2))
    gone.close()
    // Sooner than the next heartbeat, which would find out too.
    await vi.waitFor(() => expect(guard.status().holds).toBe(1), { timeout: 10_000 })
    broker.broken['/revocations'] = 503
    broker.cut()
    clock.advance(31)
    await eventually(() => expect(open2.ended).toBe(true))
    const later = await listenTo()
    await eventually(() => expect(later.ended).toBe(true))
    expect(open2.text + later.text).not.toContain('event:')
  })
})

test('an instance may answer itself where nothing is known, and an end that fails is an error', async () => {
  const broker = await startBroker()
  const guard = await startGuard(broker, { start: false })
  const session = {
    iss: broker.issuer,
    aud: 'sydney',
    sub: 'u_alice',
    sid: 's_1',
    iat: 1,
    rev: 100,
    session_expiry: broker.now - 60,
  }
  const withSession = onNext.checkSessions(guard, {
    claims: () => session,
    end: () => {
      throw new Error('the database is down')
    },
    unavailable: ({ why }) => new Response(why, { status: 503 }),
  })
  const handler = withSession(() => new Response('the page'))
  const answer = await handler(new Request('http://localhost/'))
  expect([answer?.status, await answer?.text()]).toEqual([503, 'starting'])
  await guard.start()
  await expect(handler(new Request('http://localhost/'))).rejects.toThrow('the database is down')
})
