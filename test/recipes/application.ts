import { createHash } from 'node:crypto'
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * The application behind a proxy: it answers with the headers that reached it, unchanged. It
 * accepts upgrades to cleartext HTTP/2, as Tomcat, Undertow, Jetty and Hypercorn do, and
 * WebSockets, on which it echoes.
 */

export interface Application {
  port: number
  /** Each value of `Upgrade` that reached it. */
  offers: string[]
  close(): Promise<void>
}

export async function startApplication(): Promise<Application> {
  const offers: string[] = []
  const tunnels: Duplex[] = []
  const note = ({ headers }: IncomingMessage): void => {
    if (headers.upgrade !== undefined) offers.push(headers.upgrade)
  }
  const server = createServer((request, response) => {
    note(request)
    const { url, rawHeaders } = request
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ url, rawHeaders }))
  })
  const http2 = createHttp2Server((request, response) => {
    response.end(JSON.stringify({ url: request.url, headers: request.headers }))
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    note(request)
    tunnels.push(socket)
    const wanted = String(request.headers.upgrade)
    socket.on('error', () => {})
    if (head.length > 0) socket.unshift(head)
    if (/h2c/i.test(wanted)) {
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
      )
      http2.emit('connection', socket)
    } else {
      const accepted = createHash('sha1')
        .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
        .digest('base64')
      const lines = [
        'Connection: Upgrade',
        `Upgrade: ${wanted}`,
        `Sec-WebSocket-Accept: ${accepted}`,
      ]
      socket.write(['HTTP/1.1 101 Switching Protocols', ...lines, '', ''].join('\r\n'))
      // The first line names the user.
      socket.write(`${String(request.headers['x-guard-sub'])}\n`)
      socket.pipe(socket)
    }
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  return {
    port: (server.address() as AddressInfo).port,
    offers,
    async close() {
      server.closeAllConnections()
      for (const tunnel of tunnels) tunnel.destroy()
      await new Promise((done) => server.close(done))
    },
  }
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
  /**
   * Names and values as the application received them; empty where the request did not reach it.
   */
  reached: [name: string, value: string][]
}

/** Sends one request on its own connection, with exactly these headers: names and values. */
export function ask(
  baseUrl: string,
  path: string,
  headers: readonly string[] = [],
): Promise<Answer> {
  const { host, hostname, port } = new URL(baseUrl)
  return new Promise((resolve, reject) => {
    const options = {
      host: hostname,
      port,
      path,
      headers: ['Host', host, ...headers],
      agent: false,
      timeout: 60_000,
    }
    const request = httpRequest(options, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (piece: string) => (body += piece))
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body,
          reached: pairsIn(body),
        }),
      )
      response.on('error', reject)
    })
    request.on('timeout', () =>
      request.destroy(new Error(`${baseUrl}${path} did not answer within a minute.`)),
    )
    request.on('error', reject).end()
  })
}

function pairsIn(body: string): [string, string][] {
  return body.startsWith('{"url"')
    ? pairsOf((JSON.parse(body) as { rawHeaders: string[] }).rawHeaders)
    : []
}

export const pairsOf = (rawHeaders: readonly string[]): [name: string, value: string][] =>
  rawHeaders.flatMap((name, at) =>
    at % 2 === 0 ? [[name, rawHeaders[at + 1] ?? ''] as [string, string]] : [],
  )
