import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { preciseMs } from '../machine/machine.ts'

/**
 * The instances' logout addresses, each with its own listener. A listener records when it got which
 * logout token and answers 200; it can also hang, or reject connections.
 */

export interface Arrival {
  sid: string
  rev: number
  atMs: number
}

export class Receivers {
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #uris: string[] = []
  readonly #hanging = new Set<number>()
  #onArrival: (instance: number, arrival: Arrival) => void = () => {}

  static async open(count: number): Promise<Receivers> {
    const receivers = new Receivers()
    for (let instance = 0; instance < count; instance++) await receivers.#listen(instance, 0)
    return receivers
  }

  get uris(): readonly string[] {
    return this.#uris
  }
  onArrival(listener: (instance: number, arrival: Arrival) => void): void {
    this.#onArrival = listener
  }

  hang(instance: number): void {
    this.#hanging.add(instance)
  }
  /** Closes the listener, so that connections are refused. */
  async refuse(instance: number): Promise<void> {
    const server = this.#servers[instance]
    server?.closeAllConnections()
    await new Promise((done) => server?.close(done))
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(this.#servers.map((server) => new Promise((done) => server.close(done))))
  }

  async #listen(instance: number, port: number): Promise<void> {
    const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      request.on('end', () => {
        if (this.#hanging.has(instance)) return
        response.writeHead(200).end()
        const { sid, rev } = claimsOf(body)
        this.#onArrival(instance, { sid, rev, atMs: preciseMs() })
      })
    })
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    await new Promise<void>((ready) => server.listen(port, '127.0.0.1', ready))
    this.#servers[instance] = server
    this.#uris[instance] =
      `http://127.0.0.1:${(server.address() as AddressInfo).port}/backchannel-logout`
  }
}

/** Reads the claims from a body that is `logout_token=…` and nothing else. */
function claimsOf(body: string): { sid: string; rev: number } {
  const payload = body.slice(body.indexOf('=') + 1).split('.')[1] ?? ''
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sid: string; rev: number }
}
