import {
  createServer,
  request,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http'
import { connect, type Socket } from 'node:net'

/**
 * The reverse proxy of `--cluster`: it sends each request to the next broker, and streams both
 * ways. Only a refused connection is retried at another broker, because then no broker has seen the
 * request.
 */

const HOST = '127.0.0.1'
/** Headers that are valid for one hop only (RFC 9110 §7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
])

/**
 * Starts a proxy that sends each request to the next broker.
 * @param targets the ports of the brokers
 */
export async function startProxy(
  port: number,
  targets: readonly number[],
): Promise<{ close(): Promise<void> }> {
  let turn = 0
  const server = createServer((incoming, outgoing) => {
    const first = turn++ % targets.length
    const order = [...targets.slice(first), ...targets.slice(0, first)]
    forward(incoming, outgoing, order).catch(() => fail(outgoing, 502))
  })
  await new Promise<void>((ready, failed) => server.once('error', failed).listen(port, HOST, ready))
  return {
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}

async function forward(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  order: readonly number[],
): Promise<void> {
  const socket = await connectToOne(order)
  if (socket === undefined) return fail(outgoing, 503)
  if (outgoing.destroyed) return void socket.destroy()
  const { method, url: path } = incoming
  const onward = request({
    createConnection: () => socket,
    method,
    path,
    headers: onwardHeaders(incoming),
    setHost: false,
  })
  onward.once('error', () => fail(outgoing, 502))
  onward.once('response', (answer) => {
    outgoing.writeHead(
      answer.statusCode ?? 502,
      answer.statusMessage,
      answerHeaders(answer.rawHeaders),
    )
    // An event stream needs its head before its first event.
    outgoing.flushHeaders()
    answer.once('error', () => outgoing.destroy())
    answer.pipe(outgoing)
  })
  outgoing.once('close', () => onward.destroy())
  incoming.pipe(onward)
}

/** Connects to the first of these ports that accepts. */
async function connectToOne(ports: readonly number[]): Promise<Socket | undefined> {
  for (const port of ports) {
    const socket = await open(port)
    if (socket !== undefined) return socket
  }
  return undefined
}

const open = (port: number): Promise<Socket | undefined> =>
  new Promise((done, failed) => {
    const socket = connect({ port, host: HOST })
    const refused = (error: NodeJS.ErrnoException): void =>
      error.code === 'ECONNREFUSED' ? done(undefined) : failed(error)
    socket.once('error', refused)
    socket.once('connect', () => done(socket.off('error', refused)))
  })

function onwardHeaders({ headers, socket }: IncomingMessage): OutgoingHttpHeaders {
  const kept = Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name))
  const chunked =
    headers['transfer-encoding'] === undefined ? {} : { 'transfer-encoding': 'chunked' }
  const from = [headers['x-forwarded-for'], socket.remoteAddress].flat().filter(Boolean).join(', ')
  return { ...Object.fromEntries(kept), ...chunked, 'x-forwarded-for': from }
}

/**
 * Returns the headers without those of one hop, as alternating names and values, so that each
 * Set-Cookie stays a header of its own.
 */
const answerHeaders = (raw: readonly string[]): string[] =>
  raw.filter((_, index) => !HOP_BY_HOP.has((raw[index - (index % 2)] ?? '').toLowerCase()))

function fail(outgoing: ServerResponse, status: 502 | 503): void {
  if (outgoing.headersSent) outgoing.destroy()
  else
    outgoing
      .writeHead(status, { 'content-type': 'text/plain', 'retry-after': '1' })
      .end('No broker answered. Try again.\n')
}
