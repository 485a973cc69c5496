import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import type { ObserveAnswer } from './requests.ts'

/** Where a listener listens. */
export interface Address {
  host: string
  port: number
}

/**
 * An HTTP listener that ends without breaking a request off: it says on each connection that it
 * will be closed, and closes it after its answer.
 */
export interface Listener {
  /** Where it really listens (a port 0 is resolved). */
  address: Address
  /** From now on each answer is the last one of its connection. It listens on. */
  drain(): void
  /**
   * Until no request has come for a while (bounded). A proxy that has not noticed yet that this
   * process ends may send a request on a connection that is idle; closing that connection at the
   * same moment would leave the request without an answer.
   * @param pass how that while passes
   */
  quiet(pass?: () => Promise<unknown>): Promise<void>
  /** Takes no new connection, waits for the answers under way (bounded), closes everything. */
  close(): Promise<void>
}

/**
 * Slow or silent clients are disconnected; an event stream is an answer, not a request, and may
 * last.
 */
const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 65_000,
  maxHeaderSize: 16_384,
}
/**
 * So long, answers say `Connection: close` before the port is closed: a client that keeps its
 * connections busy has left them by then.
 */
const LINGER_MS = 150
/** Without a request for so long, proxies have noticed: longer than one of their checks. */
const QUIET_MS = 500
/** A client that goes on for longer keeps no process from ending. */
const MOST_QUIETS = 10
/** An answer that takes longer is cut off. */
const DRAIN_MS = 5_000

/**
 * @param observe is called for each request, with what answers it
 * @throws Error that names the setting to change, where the address cannot be used
 */
export async function listen(
  app: Hono,
  address: Address,
  setting: string,
  observe: ObserveAnswer = (_request, answer) => answer(),
): Promise<Listener> {
  const answer = getRequestListener((request, env) =>
    observe(
      env.incoming as IncomingMessage,
      () => app.fetch(request, env),
      env.outgoing as ServerResponse,
    ),
  )
  const answers = new Set<ServerResponse>()
  let draining = false
  let begun = 0
  const server = createServer(LIMITS, (request: IncomingMessage, response: ServerResponse) => {
    begun++
    answers.add(response)
    response.once('close', () => answers.delete(response))
    if (draining) lastOfItsConnection(response)
    void answer(request, response)
  })
  await new Promise<void>((ready, failed) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      failed(new Error(explainListen(error, address, setting), { cause: error })),
    )
    server.listen(address.port, address.host, ready)
  })
  const drain = (): void => {
    if (draining) return
    draining = true
    for (const response of answers) lastOfItsConnection(response)
  }
  const { address: host, port } = server.address() as AddressInfo
  return {
    address: { host, port },
    drain,
    quiet: (pass = () => pause(QUIET_MS)) => untilQuiet(() => begun, pass),
    async close() {
      drain()
      await pause(LINGER_MS)
      await closeServer(server)
    },
  }
}

/** @param begun how many requests there were */
async function untilQuiet(begun: () => number, pass: () => Promise<unknown>): Promise<void> {
  for (let before = -1, passed = 0; before !== begun() && passed < MOST_QUIETS; passed++) {
    before = begun()
    await pass()
  }
}

/**
 * RFC 9112 §9.6. A stream has sent its headers long ago: its connection is closed when it has
 * ended.
 */
function lastOfItsConnection(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close')
  const { socket } = response
  response.once('finish', () => socket?.end())
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((done) => server.close(() => done()))
  const timer = setTimeout(() => server.closeAllConnections(), DRAIN_MS)
  await closed
  clearTimeout(timer)
}

function explainListen(error: NodeJS.ErrnoException, address: Address, setting: string): string {
  const where = `${address.host}:${address.port}`
  if (error.code === 'EADDRINUSE')
    return `${where} is taken by another program: stop that, or choose another address with ${setting}.`
  if (error.code === 'EACCES')
    return `${where} may not be used by this user: choose a port above 1023 with ${setting}.`
  return `Cannot listen on ${where} (${error.code ?? error.message}): choose another address with ${setting}.`
}
