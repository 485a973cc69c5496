import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { lookup as systemLookup } from 'node:dns'
import { describe, expect, onTestFinished, test } from 'vitest'
import { addressProblem } from '../../src/runtime/outbound-addresses.ts'
import { createOutbound, type OutboundOptions } from '../../src/runtime/outbound.ts'

const outboundWith = (options: Partial<OutboundOptions> = {}) => {
  const outbound = createOutbound({ allowLoopback: true, ...options })
  onTestFinished(() => outbound.close())
  return outbound
}

async function receiver(listener: RequestListener) {
  let connections = 0
  const server = createServer(listener)
  server.on('connection', () => connections++)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/logout?instance=1`,
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
  }
}

const post = { method: 'POST' as const, timeoutMs: 5_000, maxBytes: 1_000 }

describe('which addresses may be called', () => {
  test.each([
    '169.254.169.254',
    'fe80::1',
    'fe80::1%eth0',
    'fd00:ec2::254',
    '0.0.0.0',
    '::',
    '224.0.0.1',
    '255.255.255.255',
    'ff02::1',
    '168.63.129.16',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1:a9fe:a9:fe00::',
    '2002:a9fe:a9fe::1',
    'not an address',
  ])('%s never is, whatever is configured', (address) =>
    expect(addressProblem(address, true)).toBeDefined(),
  )

  test.each([
    '10.0.0.5',
    '172.16.3.4',
    '192.168.1.1',
    'fd12:3456::1',
    '203.0.113.7',
    '2001:db8::1',
  ])('%s is: instances may be private', (address) => {
    expect(addressProblem(address, false)).toBeUndefined()
  })

  test.each([
    '127.0.0.1',
    '127.8.9.1',
    '::1',
    '::ffff:127.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
  ])('%s is only where loopback is configured', (address) => {
    expect(addressProblem(address, false)).toMatch(/BROKER_ALLOW_LOOPBACK_TARGETS/)
    expect(addressProblem(address, true)).toBeUndefined()
  })

  test('a literal metadata address is rejected before anything is connected', async () => {
    await expect(
      outboundWith().request('http://169.254.169.254/latest/meta-data/', post),
    ).rejects.toThrow(/never called/)
    await expect(outboundWith().request('http://[fe80::1]/', post)).rejects.toThrow(/never called/)
  })

  test('a number in another notation is the address it stands for', async () => {
    await expect(outboundWith().request('http://0xa9fea9fe/', post)).rejects.toThrow(
      /169\.254\.169\.254/,
    )
  })

  test('a name is judged by what it resolves to', async () => {
    const lookup = ((_name: string, _options: object, done: (e: null, all: object[]) => void) =>
      done(null, [{ address: '169.254.169.254', family: 4 }])) as unknown as typeof systemLookup
    await expect(
      outboundWith({ lookup }).request('http://instance.example/', post),
    ).rejects.toThrow(/169\.254\.169\.254/)
  })

  test('a name that resolves to good and bad addresses is called at the good one only', async () => {
    const there = await receiver((_request, response) => response.end('here'))
    const lookup = ((_name: string, _options: object, done: (e: null, all: object[]) => void) =>
      done(null, [
        { address: '169.254.169.254', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ])) as unknown as typeof systemLookup
    const answer = await outboundWith({ lookup }).request(
      `http://instance.example:${there.port}/`,
      post,
    )
    expect(answer.body).toBe('here')
  })

  test('the connected socket decides: an answer of DNS that changed since it was checked is rejected', async () => {
    let requests = 0
    const there = await receiver((_request, response) => {
      requests++
      response.end('secret')
    })
    // The address that is checked is 10.0.0.5. The socket then connects to loopback.
    let times = 0
    const rebound = {
      family: 4,
      get address() {
        return times++ === 0 ? '10.0.0.5' : '127.0.0.1'
      },
    }
    const lookup = ((_name: string, _options: object, done: (e: null, all: object[]) => void) =>
      done(null, [rebound])) as unknown as typeof systemLookup
    const outbound = outboundWith({ lookup, allowLoopback: false, allowHttp: true })
    await expect(outbound.request(`http://instance.example:${there.port}/`, post)).rejects.toThrow(
      /127\.0\.0\.1 is a loopback address/,
    )
    expect(requests).toBe(0)
  })

  test('plain http and loopback are rejected unless configured', async () => {
    const outbound = outboundWith({ allowLoopback: false })
    await expect(outbound.request('http://10.0.0.5/logout', post)).rejects.toThrow(/https/)
    await expect(outbound.request('https://127.0.0.1/logout', post)).rejects.toThrow(/loopback/)
  })
})

describe('a request', () => {
  test('goes over one connection that is kept', async () => {
    const there = await receiver((_request, response) => response.end('{}'))
    const outbound = outboundWith()
    for (let i = 0; i < 5; i++) await outbound.request(there.url, { ...post, body: 'a=b' })
    expect(there.connections()).toBeLessThan(5)
  })

  test('sends its body and headers, and brings back status, headers and body', async () => {
    const there = await receiver(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += String(chunk)
      response
        .writeHead(400, { 'content-type': 'application/json', 'retry-after': '7' })
        .end(JSON.stringify({ body, type: request.headers['content-type'], url: request.url }))
    })
    const answer = await outboundWith().request(there.url, {
      ...post,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'logout_token=x',
    })
    expect(answer.status).toBe(400)
    expect(answer.headers['retry-after']).toBe('7')
    expect(JSON.parse(answer.body)).toEqual({
      body: 'logout_token=x',
      type: 'application/x-www-form-urlencoded',
      url: '/logout?instance=1',
    })
  })

  test('never follows a redirect', async () => {
    let requests = 0
    const there = await receiver((_request, response) => {
      requests++
      response.writeHead(307, { location: '/elsewhere' }).end()
    })
    expect((await outboundWith().request(there.url, post)).status).toBe(307)
    expect(requests).toBe(1)
  })

  test('reads no more than its limit', async () => {
    const there = await receiver((_request, response) => {
      response.write('x'.repeat(5_000))
      const timer = setInterval(() => response.write('x'.repeat(5_000)), 20)
      response.on('close', () => clearInterval(timer))
    })
    const answer = await outboundWith().request(there.url, { ...post, maxBytes: 100 })
    expect(answer.body).toBe('x'.repeat(100))
  })

  test('ends after its time, headers or not', async () => {
    const silent = await receiver(() => {})
    await expect(outboundWith().request(silent.url, { ...post, timeoutMs: 200 })).rejects.toThrow(
      /200 ms/,
    )
    const stalling = await receiver(
      (_request, response) => void response.writeHead(204 + 1).write('begun'),
    )
    const answer = await outboundWith().request(stalling.url, { ...post, timeoutMs: 1_000 })
    expect(answer).toMatchObject({ status: 205, body: 'begun' })
  })

  test('says what went wrong when no server listens', async () => {
    const gone = await receiver(() => {})
    const outbound = outboundWith()
    await expect(outbound.request('http://127.0.0.1:1/', post)).rejects.toThrow()
    expect(gone.connections()).toBe(0)
  })
})
