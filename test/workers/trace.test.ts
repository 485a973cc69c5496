import { describe, expect, onTestFinished, test } from 'vitest'
import { context, trace } from '@opentelemetry/api'
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node'
import type { DeliveryRef } from '../../db/types.ts'
import { listen } from '../../src/runtime/listener.ts'
import { addressRanges } from '../../src/runtime/remote-address.ts'
import { inRequest, RequestContext, parseTraceparent } from '../../src/runtime/request-context.ts'
import { requestsOf } from '../../src/runtime/requests.ts'
import { createRig, type Rig, type RigOptions } from '../rig.ts'
import { signedIn } from '../token/tokens.ts'
import { deliverLogout } from './attempt.ts'
import { LocalQueue } from './local-queue.ts'
import { startReceiver } from './receiver.ts'

/** A request has one id in all its log lines, and one trace to the messages that it causes. */

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`
const PROXY = { 'x-request-id': 'proxy-4711-abc', traceparent: TRACEPARENT }
const BEHIND_PROXY: RigOptions['config'] = { trustedProxies: addressRanges(['127.0.0.1']) }

async function world(config: RigOptions['config'] = {}) {
  const rig = await createRig({ config, deps: { queue: new LocalQueue() } })
  const listener = await listen(
    rig.app,
    { host: '127.0.0.1', port: 0 },
    'BROKER_LISTEN',
    requestsOf(rig.deps, 'public', (_request, answer) => answer()),
  )
  onTestFinished(() => listener.close())
  const receiver = await startReceiver()
  const user = await signedIn(rig, { logoutUris: [receiver.url] })
  /** Ends the session by RFC 7009, and answers with the deliveries of it. */
  const revoke = async (headers: Record<string, string> = {}): Promise<DeliveryRef[]> => {
    const body = new URLSearchParams({ token: user.tokens.refresh_token ?? '' })
    const answer = await fetch(`http://127.0.0.1:${listener.address.port}/revoke?user=secret`, {
      method: 'POST',
      headers: { authorization: user.client.basic, ...headers },
      body,
    })
    expect(answer.status).toBe(200)
    const pending = await rig.store.listDeliveries({ limit: 10 })
    return pending.map(({ id, targetId, attempts }): DeliveryRef => ({
      id,
      targetId,
      attempt: attempts + 1,
      priority: 'urgent',
    }))
  }
  return { rig, receiver, revoke, at: `http://127.0.0.1:${listener.address.port}` }
}

const linesOf = (rig: Rig, event: string) =>
  rig.lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line.event === event)

describe('a request id', () => {
  test('is that of a trusted proxy, in each log line of the request', async () => {
    const { rig, at } = await world(BEHIND_PROXY)
    await fetch(`${at}/token`, {
      method: 'POST',
      headers: { ...PROXY, authorization: 'Basic eDp5' },
      body: new URLSearchParams({ grant_type: 'x' }),
    })
    expect(linesOf(rig, 'client_rejected')).toMatchObject([
      { request_id: 'proxy-4711-abc', trace_id: TRACE },
    ])
  })

  test.each([
    ['from a stranger', {}, PROXY],
    [
      'that is not well formed',
      BEHIND_PROXY,
      { 'x-request-id': 'a b"c', traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` },
    ],
  ])('%s does not count: the broker makes another', async (_, config, headers) => {
    const { rig, at } = await world(config)
    const rejected = () =>
      fetch(`${at}/token`, {
        method: 'POST',
        headers: { ...headers, authorization: 'Basic eDp5' },
        body: new URLSearchParams({ grant_type: 'x' }),
      })
    await rejected()
    await rejected()
    const made = linesOf(rig, 'client_rejected')
    for (const line of made)
      expect(line).toMatchObject({
        request_id: expect.stringMatching(UUID),
        trace_id: expect.stringMatching(/^(?!4bf92f35|0{32})[\da-f]{32}$/),
      })
    expect(new Set(made.map(({ request_id: id }) => id)).size).toBe(2)
  })
})

describe('the answer to a request', () => {
  const listening = async (
    app: Rig['app'],
    which: Parameters<typeof requestsOf>[1],
    rig: Rig,
  ): Promise<string> => {
    const observe = requestsOf(rig.deps, which, (_request, answer) => answer())
    const listener = await listen(app, { host: '127.0.0.1', port: 0 }, 'BROKER_LISTEN', observe)
    onTestFinished(() => listener.close())
    return `http://127.0.0.1:${listener.address.port}`
  }

  test('has its id, whatever it is and at either listener, and the log has the same', async () => {
    const rig = await createRig({ config: { accessLog: true } })
    const sydney = await rig.register('Sydney')
    const [at, ops] = [
      await listening(rig.app, 'public', rig),
      await listening(rig.opsApp, 'operators', rig),
    ]
    const stream = new AbortController()
    const answers = [
      fetch(`${at}/.well-known/openid-configuration`),
      fetch(`${at}/nothing`),
      fetch(`${at}/token`, {
        method: 'POST',
        headers: { authorization: 'Basic eDp5' },
        body: new URLSearchParams(),
      }),
      fetch(`${at}/token`, { method: 'OPTIONS' }),
      fetch(`${at}/account`, { redirect: 'manual', headers: PROXY }),
      fetch(`${at}/revocations`, {
        headers: { authorization: sydney.basic, accept: 'text/event-stream' },
        signal: stream.signal,
      }),
      fetch(`${ops}/healthz`, { method: 'HEAD' }),
      fetch(`${ops}/admin/v1/clients`),
    ]
    const ids = (await Promise.all(answers)).map(({ headers }) => headers.get('x-request-id'))
    stream.abort()
    expect(new Set(ids).size).toBe(answers.length)
    expect(ids).toEqual(ids.map(() => expect.stringMatching(UUID)))
    expect(
      linesOf(rig, 'request')
        .map(({ request_id: id }) => id)
        .toSorted(),
    ).toEqual(ids.toSorted())
    expect(ids).toContain(linesOf(rig, 'client_rejected')[0]?.request_id)
  })
})

describe('a logout token', () => {
  test('is sent in the trace of the request that revoked, and names its delivery and attempt', async () => {
    const { rig, receiver, revoke } = await world(BEHIND_PROXY)
    const [ref] = await revoke(PROXY)
    expect(linesOf(rig, 'revoked')).toMatchObject([{ trace_id: TRACE }])
    await deliverLogout(rig.deps, ref ?? expect.unreachable())
    const { headers } = receiver.requests[0] ?? expect.unreachable()
    expect(headers['x-request-id']).toBe(`${ref?.id}.1`)
    const sent = parseTraceparent(headers.traceparent as string)
    expect(sent).toMatchObject({ traceId: TRACE, flags: '01' })
    expect(sent?.spanId).not.toBe('00f067aa0ba902b7')
  })

  test('of two requests that share a commit is sent in the trace of its own', async () => {
    const rig = await createRig()
    const traces = ['a', 'b'].map((digit) => digit.repeat(32))
    const ended = await Promise.all(
      traces.map(async (traceId) => {
        const { session } = await rig.openSession()
        const ending = new RequestContext(rig.deps.random, {
          traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
        })
        return { traceId, sid: session.sid, ending }
      }),
    )
    const actor = { kind: 'user', id: 'u_1' } as const
    await Promise.all(
      ended.map(({ sid, ending }) =>
        inRequest(ending, () =>
          rig.store.revoke({
            selector: { kind: 'session', sid },
            reason: 'signed_out',
            actor,
            now: rig.clock.now(),
          }),
        ),
      ),
    )
    const logged = linesOf(rig, 'revoked').map(
      ({ sid, trace_id: traceId, request_id: requestId }) => ({ sid, traceId, requestId }),
    )
    expect(logged).toEqual(
      ended.map(({ sid, traceId }) => ({ sid, traceId, requestId: undefined })),
    )
  })
})

describe('with an SDK of OpenTelemetry', () => {
  test('each attempt is a span in the trace of the request, and the header names that span', async () => {
    const exporter = new InMemorySpanExporter()
    const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
    provider.register()
    onTestFinished(async () => {
      await provider.shutdown()
      trace.disable()
      context.disable()
    })
    const { rig, receiver, revoke } = await world()
    const refs = await provider.getTracer('http').startActiveSpan('POST /revoke', async (span) => {
      const found = await rig.store.listDeliveries({ limit: 10 })
      expect(found).toEqual([])
      span.end()
      return revoke()
    })
    receiver.answer = (response) => void response.writeHead(503).end()
    await deliverLogout(rig.deps, refs[0] ?? expect.unreachable())
    const attempt =
      exporter.getFinishedSpans().find(({ name }) => name === 'deliver logout_token') ??
      expect.unreachable()
    const { traceId, spanId } = attempt.spanContext()
    expect(receiver.requests[0]?.headers.traceparent).toBe(`00-${traceId}-${spanId}-01`)
    expect(linesOf(rig, 'revoked')).toMatchObject([{ trace_id: traceId }])
    expect(attempt).toMatchObject({
      status: { message: 'HTTP 503' },
      attributes: {
        'broker.delivery': refs[0]?.id,
        'broker.client_id': 'sydney',
        'broker.attempt': 1,
      },
    })
  })
})

describe('the access log', () => {
  test('is off unless the operator asks for it', async () => {
    const { rig, revoke } = await world()
    await revoke()
    expect(linesOf(rig, 'request')).toEqual([])
  })

  test('has one line a request, without query, tokens and cookies', async () => {
    const { rig, revoke, at } = await world({ ...BEHIND_PROXY, accessLog: true })
    await revoke({
      ...PROXY,
      'x-forwarded-for': '203.0.113.7',
      cookie: '__Host-session=abcdefghijk',
    })
    await fetch(`${at}/nothing/here?code=abc#x`)
    expect(linesOf(rig, 'request')).toMatchObject([
      {
        method: 'POST',
        path: '/revoke',
        status: 200,
        from: '203.0.113.7',
        listener: 'public',
        request_id: 'proxy-4711-abc',
        trace_id: TRACE,
      },
      { method: 'GET', path: '/nothing/here', status: 404, from: '127.0.0.1' },
    ])
    expect(rig.lines.join('\n')).not.toMatch(/secret|code=|abcdefghijk/)
  })
})
