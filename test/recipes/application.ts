import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The application behind a proxy: answers which headers reached it, as they were received. */

export interface Application {
  port: number
  close(): Promise<void>
}

export async function startApplication(): Promise<Application> {
  const server = createServer((request, response) => {
    const { url, rawHeaders } = request
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ url, rawHeaders }))
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
  /** Names and values as the application received them; empty where it was not reached. */
  reached: [name: string, value: string][]
}

/** One request on a connection of its own, its headers exactly as given: names and values. */
export function ask(baseUrl: string, path: string, headers: readonly string[] = []): Promise<Answer> {
  const { host, hostname, port } = new URL(baseUrl)
  return new Promise((resolve, reject) => {
    const options = { host: hostname, port, path, headers: ['Host', host, ...headers], agent: false, timeout: 60_000 }
    const request = httpRequest(options, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (piece: string) => (body += piece))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body, reached: pairsIn(body) }))
      response.on('error', reject)
    })
    request.on('timeout', () => request.destroy(new Error(`${baseUrl}${path} did not answer within a minute.`)))
    request.on('error', reject).end()
  })
}

function pairsIn(body: string): [string, string][] {
  if (!body.startsWith('{"url"')) return []
  const { rawHeaders } = JSON.parse(body) as { rawHeaders: string[] }
  return rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [[name, rawHeaders[at + 1] ?? ''] as [string, string]] : []))
}
