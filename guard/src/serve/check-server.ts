import { createServer, type RequestListener, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import { Answer, type Decide } from './answer.ts'
import { SimpleConnections } from './simple-connection.ts'

/** An HTTP server for checks: requests of the simple form are answered without node:http, every other one by it (decision 0052). */

export interface CheckServer {
  server: Server
  simple: SimpleConnections
}

export function createCheckServer(
  decide: Decide,
  { clock, firstRequestMs, ...options }: ServerOptions & { clock: Clock; firstRequestMs: number },
): CheckServer {
  const server = createServer(options, answering(decide))
  // Node 20 silently leaves out what comes after about a thousand headers: a name that no client may send, or a second token. Their size is limited.
  server.maxHeadersCount = 0
  // node:http's own, which takes a new connection. It is called for those that are handed over.
  const taking = server.listeners('connection')
  server.removeAllListeners('connection')
  const handOver = (socket: Socket): void => {
    for (const take of taking) Reflect.apply(take, server, [socket])
  }
  const simple = new SimpleConnections({ decide, clock, handOver, firstRequestMs })
  server.on('connection', (socket) => simple.accept(socket))
  return { server, simple }
}

/** The same answers by node:http. */
export function answering(decide: Decide): RequestListener {
  return ({ method = '', rawHeaders, socket, url = '' }, response) => {
    const answer = decide({ method, url, rawHeaders, remoteAddress: socket.remoteAddress })
    if (answer instanceof Answer) return send(response, answer)
    void answer.then((later) => send(response, later))
  }
}

function send(response: ServerResponse, { headers, status }: Answer): void {
  response.writeHead(status, headers as string[]).end()
}
