import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { statSync } from 'node:fs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../stand-in.ts'
import { ask, placeOf, post, startServe, type Running } from './rig.ts'

interface Event {
  event: string
  id: string
  data: Record<string, unknown>
}

/** An application that reads the stream of ended sessions. */
async function follow(
  address: string,
  headers: string[] = [],
  onEvent: (event: Event) => void = () => {},
) {
  const events: Event[] = []
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = httpRequest(
      {
        ...placeOf(address),
        path: '/ended',
        headers: ['Host', 'localhost', ...headers],
        agent: false,
      },
      resolve,
    )
    request.on('error', reject).end()
    onTestFinished(() => void request.destroy())
  })
  let rest = ''
  response.setEncoding('utf8').on('error', () => {})
  response.on('data', (piece: string) => {
    const blocks = (rest + piece).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const fields = new Map(
        block
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      )
      if (!fields.has('event')) continue
      const event = {
        event: fields.get('event') ?? '',
        id: fields.get('id') ?? '',
        data: JSON.parse(fields.get('data') ?? '') as Record<string, unknown>,
      }
      events.push(event)
      onEvent(event)
    }
  })
  const names = (): string[] =>
    events.map(({ event, data }) => (event === 'ended' ? `ended ${String(data.sid)}` : event))
  await eventually(() => expect(events.length).toBeGreaterThan(0))
  return { response, events, names }
}

const check = async (
  { broker, check }: Running,
  claims: Record<string, unknown> = {},
): Promise<void> => {
  expect((await check({ token: await broker.token(claims) })).status).toBe(200)
}

describe('the stream of ended sessions (rule 21)', () => {
  test('says which sessions ended, of those that this process has checked alone', async () => {
    const running = await startServe()
    const { broker, serving } = running
    const stream = await follow(serving.localAddress)
    await check(running)
    await check(running, { sid: 's_2', sub: 'u_bob' })
    await check(running, { sid: undefined, sub: 'sydney' })
    broker.revoke({ kind: 'session', sid: 's_unchecked' })
    broker.revoke({ kind: 'session', sid: 's_2' }, 'session_limit')
    await eventually(() => expect(stream.names()).toEqual(['live', 'ended s_2']))
    expect(stream.events[1]?.data).toEqual({
      sid: 's_2',
      sub: 'u_bob',
      client_id: 'sydney',
      rev: 100,
      reason_class: 'session_limit',
    })
    broker.revoke({ kind: 'everything' }, 'a reason of a later broker')
    await eventually(() => expect(stream.names()).toEqual(['live', 'ended s_2', 'ended s_1']))
    expect(stream.events[2]?.data).not.toHaveProperty('reason_class')
  })

  test('a session that was opened again after the end is spared: `rev` tells them apart', async () => {
    const running = await startServe()
    const { broker, serving } = running
    const stream = await follow(serving.localAddress)
    await check(running)
    await check(running, { rev: 101 })
    broker.revoke({ kind: 'grant', sid: 's_1', client_id: 'sydney' })
    await eventually(() => expect(stream.names()).toContain('ended s_1'))
    expect(
      stream.events.filter(({ event }) => event === 'ended').map(({ data }) => data.rev),
    ).toEqual([100])
  })

  test('a reader that comes back gets what it missed; one that has been away for too long, or of another process, has to look again', async () => {
    const running = await startServe()
    const { broker, serving } = running
    const first = await follow(serving.localAddress)
    await check(running)
    await check(running, { sid: 's_2' })
    broker.revoke({ kind: 'session', sid: 's_1' })
    await eventually(() => expect(first.names()).toContain('ended s_1'))
    const last = first.events.at(-1)?.id ?? ''
    first.response.destroy()
    broker.revoke({ kind: 'session', sid: 's_2' })
    await eventually(() => expect(serving.guard.status().enforcedSeq).toBe(broker.seq))
    expect((await follow(serving.localAddress, ['Last-Event-ID', last])).names()).toEqual([
      'ended s_2',
      'live',
    ])
    expect((await follow(serving.localAddress, ['Last-Event-ID', 'other.3'])).names()).toEqual([
      'reset',
      'live',
    ])
    expect(
      (await follow(serving.localAddress, ['Last-Event-ID', last.replace(/\d+$/, '900')])).names(),
    ).toEqual(['reset', 'live'])
  })

  test('says when the broker is silent, and when the feed is live again', async () => {
    const running = await startServe()
    const { broker, serving } = running
    const stream = await follow(serving.localAddress)
    broker.clock.advance(36)
    await eventually(() => expect(stream.names()).toEqual(['live', 'no_lease']))
    broker.heartbeat()
    await eventually(() => expect(stream.names()).toEqual(['live', 'no_lease', 'live']))
    // A session that ends while the broker is silent is reported all the same.
    await check(running)
    broker.clock.advance(36)
    broker.revoke({ kind: 'session', sid: 's_1' })
    await eventually(() => expect(stream.names()).toContain('ended s_1'))
  })

  test('more sessions than fit: the oldest is said to be forgotten', async () => {
    const running = await startServe({}, { mostSessions: 2 })
    const stream = await follow(running.serving.localAddress)
    for (const sid of ['s_1', 's_2', 's_3']) await check(running, { sid })
    await eventually(() =>
      expect(stream.events.at(-1)).toMatchObject({ event: 'forgotten', data: { sid: 's_1' } }),
    )
    running.broker.revoke({ kind: 'everything' })
    await eventually(() => expect(stream.names().slice(2)).toEqual(['ended s_2', 'ended s_3']))
  })

  test('the unix socket is for the owner and the group alone, and pages have no access', async () => {
    const { local, serving } = await startServe()
    expect(statSync(serving.localAddress.slice(5)).mode & 0o777).toBe(0o660)
    for (const path of ['/ended', '/metrics', '/readyz'])
      expect((await local(path, ['Origin', 'https://cases.example'])).status).toBe(403)
  })

  test('over TCP: the secret, a name in Host that is listed, and no Origin', async () => {
    const secret = 'a-secret-of-24-characters'
    const running = await startServe({ local_listen: '127.0.0.1:0', local_secret: secret })
    const { localAddress } = running.serving
    const get = async (headers: string[], path = '/ended'): Promise<number> =>
      (await ask(localAddress, headers, { path })).status
    const bearer = ['Authorization', `Bearer ${secret}`]
    expect(await get(['Host', 'localhost'])).toBe(403)
    expect(await get(['Host', 'localhost', 'Authorization', `Bearer ${secret}x`])).toBe(403)
    expect(await get(['Host', 'localhost', ...bearer, ...bearer])).toBe(403)
    expect(await get(['Host', 'rebound.example', ...bearer])).toBe(403)
    expect(await get(['Host', 'rebound.example'], '/metrics')).toBe(403)
    expect(await get(['Host', 'localhost', 'Origin', 'null', ...bearer])).toBe(403)
    expect((await follow(localAddress, bearer)).names()).toEqual(['live'])
    const without = await startServe({ local_listen: '127.0.0.1:0' })
    expect(
      (await ask(without.serving.localAddress, ['Host', 'localhost'], { path: '/ended' })).body,
    ).toContain('Set local_secret_file')
  })
})

describe('an application behind the proxy', () => {
  test('cuts the WebSocket of a revoked session by the event', async () => {
    const running = await startServe()
    const { broker, serving } = running
    // The application: it remembers the sid of each WebSocket from X-Guard-Sid, and reads the
    // stream.
    const sockets = new Map<string, Socket>()
    const application = createServer().on('upgrade', (request, socket: Socket) => {
      sockets.set(String(request.headers['x-guard-sid']), socket)
      socket
        .on('error', () => {})
        .write(
          'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
        )
    })
    await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void application.close())
    await follow(
      serving.localAddress,
      [],
      ({ event, data }) => event === 'ended' && sockets.get(String(data.sid))?.destroy(),
    )
    const times: number[] = []
    for (let round = 0; round < 5; round++) {
      const sid = `s_${round}`
      const { headers } = await running.check({ token: await broker.token({ sid }) })
      const socket = connect((application.address() as AddressInfo).port, '127.0.0.1')
      const upgraded = new Promise((resolve) => socket.once('data', resolve))
      socket.write(
        `GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Guard-Sid: ${String(headers['x-guard-sid'])}\r\n\r\n`,
      )
      await upgraded
      const begun = performance.now()
      const closed = new Promise((resolve) => socket.once('close', resolve))
      broker.revoke({ kind: 'session', sid })
      await closed
      times.push(performance.now() - begun)
    }
    console.log(
      `A WebSocket behind guard serve was cut after ${times.map((time) => time.toFixed(1)).join(', ')} ms.`,
    )
  })
})

describe('the local listener', () => {
  test('health, readiness and metrics', async () => {
    const { broker, check: send, local } = await startServe()
    await send({ token: await broker.token() })
    await send()
    expect([(await local('/healthz')).status, (await local('/nowhere')).status]).toEqual([200, 404])
    expect(JSON.parse((await local('/readyz')).body)).toEqual({
      ready: true,
      connected: true,
      lease_seconds: 29.95,
      enforced_seq: 100,
      reported_seq: 100,
      clock_offset_seconds: 0,
      last_problem: null,
    })
    const metrics = (await local('/metrics')).body
    for (const line of [
      'guard_ready 1',
      'guard_requests_allowed_total 1',
      'guard_requests_denied_total{why="no_token"} 1',
      'guard_sessions 1',
    ])
      expect(metrics.split('\n')).toContain(line)
    broker.clock.advance(36)
    expect([(await local('/readyz')).status, (await local('/healthz')).status]).toEqual([503, 200])
  })

  test('metrics are in the format that Prometheus reads', async () => {
    const { local } = await startServe()
    for (const line of (await local('/metrics')).body.trimEnd().split('\n'))
      expect(line).toMatch(
        /^(?:# HELP guard_\w+ .+|# TYPE guard_\w+ (?:gauge|counter)|guard_\w+(?:\{\w+="\w+"\})? (?:[\d.]+|NaN|\+Inf))$/,
      )
  })

  test('takes nothing but GET', async () => {
    const { serving } = await startServe()
    expect(
      (await ask(serving.localAddress, ['Host', 'localhost'], { method: 'DELETE', path: '/ended' }))
        .status,
    ).toBe(405)
  })
})

describe('the sessions of an application', () => {
  test('are judged by what the ID token said, and the stream names those that end', async () => {
    const running = await startServe({ sessions: 'yes' })
    const { broker, serving } = running
    const session = broker.sessionClaims()
    const askAgain = async () => {
      const { body, status } = await post(serving.localAddress, JSON.stringify(session))
      return [status, JSON.parse(body)]
    }
    expect(await askAgain()).toEqual([200, { state: 'live', rev: 100 }])
    const { events, names } = await follow(serving.localAddress)
    broker.revoke({ kind: 'session', sid: 's_1' }, 'signed_out')
    await eventually(() => expect(names()).toEqual(['live', 'ended s_1']))
    expect(events.at(-1)?.data).toEqual({
      sid: 's_1',
      sub: 'u_alice',
      client_id: 'sydney',
      rev: 100,
      reason_class: 'signed_out',
    })
    expect(await askAgain()).toEqual([
      401,
      { state: 'ended', why: 'revoked', reason_class: 'signed_out' },
    ])
    broker.broken['/revocations'] = 503
    broker.cut()
    broker.clock.advance(31)
    const other = await post(serving.localAddress, JSON.stringify({ ...session, sid: 's_2' }))
    expect(other.status).toBe(503)
    expect(JSON.parse(other.body)).toMatchObject({ state: 'unknown', why: 'no_lease' })
    expect((await running.local('/metrics')).body).toContain('guard_session_checks_total 3\n')
  })

  test('are compared with what an act demands: a live session that falls short is 403, with what to ask for', async () => {
    const running = await startServe({ sessions: 'yes' })
    const { broker, serving } = running
    const now = broker.clock.now
    const judged = async (claims: Record<string, unknown>, query = '?acr=phr&max_age=300') => {
      const session = JSON.stringify(broker.sessionClaims(claims))
      const path = `/session/strength${query}`
      const { body, status } = await post(serving.localAddress, session, [], path)
      return status === 400 ? [status] : [status, JSON.parse(body)]
    }
    const strong = { acr: 'phr', auth_time: now }
    const live = { state: 'live', rev: 100 }
    const missed = [403, { ...live, step_up: { acr_values: 'phr', max_age: '300' } }]
    expect(await judged(strong)).toEqual([200, live])
    expect(await judged({ ...strong, acr: 'urn:case-manager:acr:mfa' })).toEqual(missed)
    expect(await judged({ ...strong, auth_time: now - 400 })).toEqual(missed)
    expect(await judged({})).toEqual(missed)
    expect(await judged(strong, '?acr=urn:case-manager:acr:mfa')).toEqual([200, live])
    expect(await judged({ auth_time: now - 400 }, '?max_age=300')).toEqual([
      403,
      { ...live, step_up: { max_age: '300' } },
    ])
    // A demand that is misspelled is never met.
    for (const query of [
      '',
      '?acr=',
      '?acr=phr&acr=phr',
      '?acr=phr&maxage=300',
      '?max_age=0',
      '?max_age=5m',
      '?max_age=',
      '?max_age=1e3',
      '?acr=%22',
    ])
      expect([query, await judged(strong, query)]).toEqual([query, [400]])
    broker.revoke({ kind: 'session', sid: 's_1' }, 'signed_out')
    await eventually(async () => expect((await judged({ rev: 100 }))[0]).toBe(401))
  })

  test('are judged only where the setting says so, and only for those who may ask', async () => {
    const off = await startServe()
    expect((await post(off.serving.localAddress, '{}')).status).toBe(403)
    const running = await startServe({
      sessions: 'yes',
      local_listen: '127.0.0.1:0',
      local_secret: 'a secret of the app',
    })
    const { localAddress } = running.serving
    const body = JSON.stringify(running.broker.sessionClaims())
    const secret = ['Authorization', 'Bearer a secret of the app']
    // 401 would say that the session has ended.
    expect((await post(localAddress, body)).status).toBe(403)
    expect((await post(localAddress, body, ['Authorization', 'Bearer wrong'])).status).toBe(403)
    expect(
      (await post(localAddress, body, [...secret, 'Origin', 'https://evil.example'])).status,
    ).toBe(403)
    expect((await post(localAddress, body, secret)).status).toBe(200)
    expect((await post(localAddress, 'text', secret)).status).toBe(400)
    expect((await post(localAddress, 'null', secret)).status).toBe(400)
    expect((await post(localAddress, '[]', secret)).status).toBe(401)
    expect((await post(localAddress, ' '.repeat(70_000), secret)).status).toBe(413)
    expect((await running.local('/session', secret)).status).toBe(405)
  })
})
