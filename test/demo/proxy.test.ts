import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { startProxy } from '../../demo/proxy.ts'
import { freePorts } from '../process/ports.ts'

/** The reverse proxy of `npm run demo -- --cluster`. */

async function broker(answer: RequestListener): Promise<number> {
  const server = createServer(answer)
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

async function proxyTo(...targets: number[]): Promise<string> {
  const [port = 0] = await freePorts(1)
  const proxy = await startProxy(port, targets)
  onTestFinished(() => proxy.close())
  return `http://127.0.0.1:${port}`
}

const refusing = async (): Promise<number> => (await freePorts(1))[0] ?? 0

test('each broker has its turn; one that refuses connections is skipped, with the whole of the request', async () => {
  const echo: RequestListener = (request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () =>
      response.end(`${request.method} ${request.url} ${request.headers.host} ${body}`),
    )
  }
  const at = await proxyTo(await refusing(), await broker(echo))
  for (const body of ['one', 'two', 'three'])
    expect(await (await fetch(`${at}/token?a=1`, { method: 'POST', body })).text()).toBe(
      `POST /token?a=1 ${new URL(at).host} ${body}`,
    )
  const none = await fetch(await proxyTo(await refusing(), await refusing()))
  expect([none.status, none.headers.get('retry-after')]).toEqual([503, '1'])
})

test('a request that a broker has seen is not given to another: it may have been carried out', async () => {
  let seen = 0
  const dying: RequestListener = (request) => {
    seen++
    request.socket.destroy()
  }
  const at = await proxyTo(await broker(dying), await broker(dying))
  expect((await fetch(`${at}/revoke`, { method: 'POST', body: 'token=x' })).status).toBe(502)
  expect(seen).toBe(1)
})

test('an event stream passes event by event, and ends at the broker when the client goes', async () => {
  let say = (_text: string): void => {}
  let gone = (): void => {}
  const left = new Promise<void>((done) => (gone = done))
  const at = await proxyTo(
    await broker((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      say = (text) => void response.write(text)
      response.once('close', () => gone())
    }),
  )
  const client = new AbortController()
  const reader =
    (await fetch(at, { signal: client.signal })).body?.getReader() ?? expect.fail('no body')
  for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
    say(event)
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe(event)
  }
  client.abort()
  await left
})

test('each Set-Cookie stays its own header, and the broker learns who asked', async () => {
  const at = await proxyTo(
    await broker((request, response) => {
      response.writeHead(200, {
        'set-cookie': ['a=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT', 'b=2'],
        'x-from': request.headers['x-forwarded-for'],
      })
      response.end()
    }),
  )
  const answer = await fetch(at, { headers: { 'x-forwarded-for': '192.0.2.7' } })
  expect(answer.headers.getSetCookie()).toEqual([
    'a=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT',
    'b=2',
  ])
  expect(answer.headers.get('x-from')).toBe('192.0.2.7, 127.0.0.1')
})
