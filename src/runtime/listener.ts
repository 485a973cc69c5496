import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import type { ObserveAnswer } from './requests.ts'

/** The address of a listener. */
export interface Address {
  host: string
  port: number
}

/**
 * An HTTP listener that shuts down without cutting requests off: it announces on each connection
 * that it will be closed, and closes it after the answer.
 */
export interface Listener {
  /** The actual address, with the assigned port if the configured one is 0. */
  address: Address
  /**
   * Makes each answer the last one of its connection. The listener goes on accepting connections.
   */
  drain(): void
  /**
   * Waits until no request has come for a while, up to a limit. A proxy that has not noticed the
   * shutdown may send a request on an idle connection; closing that connection at the same moment
   * would leave the request without an answer.
   * @param pass waits for one interval
   */
  quiet(pass?: () => Promise<unknown>): Promise<void>
  /** Accepts no new connection, waits for running answers up to a limit, and closes everything. */
  close(): Promise<void>
}

/**
 * Limits that disconnect slow or silent clients. An event stream is an answer, not a request, so it
 * is not limited.
 */
const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  // Longer than any proxy keeps an idle connection: Google's load balancers do for 600 s.
  keepAliveTimeout: 620_000,
  maxHeaderSize: 16_384,
}
/**
 * How long clients may keep an idle connection. A proxy in front may pass it on, and closes its own
 * connections to clients much earlier than those to the broker.
 */
const KEEP_ALIVE = 'timeout=65'
/**
 * The time for which answers say `Connection: close` before the port is closed, so that clients
 * that keep their connections busy have left them.
 */
const LINGER_MS = 150
/**
 * The time without a request after which proxies have noticed the shutdown. It is longer than the
 * interval of their checks.
 */
const QUIET_MS = 500
/**
 * The most intervals that `quiet` waits, so that a client that goes on sending does not keep the
 * process from ending.
 */
const MOST_QUIETS = 10
/** The time after which a running answer is cut off. */
const DRAIN_MS = 5_000

/**
 * Starts an HTTP listener for the app.
 * @param observe called for each request, with a function that answers it
 * @throws Error that names the setting to change if the address cannot be used
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
    response.setHeader('Keep-Alive', KEEP_ALIVE)
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

/**
 * Waits until an interval passes without a request, at most MOST_QUIETS intervals.
 * @param begun returns the number of requests so far
 * @param pass waits for one interval
 */
async function untilQuiet(begun: () => number, pass: () => Promise<unknown>): Promise<void> {
  for (let before = -1, passed = 0; before !== begun() && passed < MOST_QUIETS; passed++) {
    before = begun()
    await pass()
  }
}

/**
 * Announces that the connection will be closed (RFC 9112 §9.6). An event stream has already sent
 * its headers; its connection is closed when it ends.
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
