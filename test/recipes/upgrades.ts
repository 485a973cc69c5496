import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { randomBytes } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import type { Application } from './application.ts'

/**
 * Checks that no connection changes from HTTP/1.1 to a protocol other than WebSocket: after the
 * upgrade, the proxy does not ask the guard any more.
 */

const H2C = 'Upgrade: h2c'
const SETTINGS = 'HTTP2-Settings: AAMAAABkAAQAAP__'
const WEBSOCKET = 'Upgrade: websocket'
const HANDSHAKE = [
  `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
  'Sec-WebSocket-Version: 13',
]

const ATTACKS: [what: string, lines: string[]][] = [
  ['as RFC 7540 §3.2 has it', ['Connection: Upgrade, HTTP2-Settings', H2C, SETTINGS]],
  ['Connection: Upgrade alone', ['Connection: Upgrade', H2C, SETTINGS]],
  ['without HTTP2-Settings', ['Connection: Upgrade', H2C]],
  ['in mixed case', ['cONNECTION: uPGRADE, http2-sETTINGS', 'uPGRADE: H2C', SETTINGS]],
  ['websocket first', ['Connection: Upgrade', 'Upgrade: websocket, h2c', SETTINGS, ...HANDSHAKE]],
  ['websocket last', ['Connection: Upgrade', 'Upgrade: h2c, websocket', SETTINGS, ...HANDSHAKE]],
  ['two headers, websocket first', ['Connection: Upgrade', WEBSOCKET, H2C, SETTINGS, ...HANDSHAKE]],
  ['two headers, websocket last', ['Connection: Upgrade', H2C, WEBSOCKET, SETTINGS, ...HANDSHAKE]],
  ['Connection twice', ['Connection: keep-alive', 'Connection: Upgrade', H2C, SETTINGS]],
  ['Upgrade without Connection', [H2C, SETTINGS]],
  ['a version behind it', ['Connection: Upgrade', 'Upgrade: h2c/2', SETTINGS]],
  [
    'a parameter behind websocket',
    ['Connection: Upgrade', 'Upgrade: websocket;h2c', SETTINGS, ...HANDSHAKE],
  ],
]

interface Upgraded {
  head: string
  status: number
  /** The connection, after the head. */
  socket: Socket
}

/** Sends one request unchanged, and reads the head of its answer. */
async function upgrade(port: number, path: string, lines: readonly string[]): Promise<Upgraded> {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  onTestFinished(() => void socket.destroy())
  socket.write([`GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, ...lines, '', ''].join('\r\n'))
  let text = ''
  let end = -1
  while (end < 0) {
    await new Promise((resolve) => socket.once('readable', resolve).once('close', resolve))
    const piece = socket.read() as Buffer | null
    if (piece === null && socket.closed) throw new Error(`The connection was closed after: ${text}`)
    text += piece?.toString('latin1') ?? ''
    end = text.indexOf('\r\n\r\n')
  }
  if (text.length > end + 4) socket.unshift(Buffer.from(text.slice(end + 4), 'latin1'))
  const head = text.slice(0, end)
  return { head, status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]), socket }
}

/**
 * Sends a request by HTTP/2 on a connection that was upgraded to it.
 * @returns the application's answer
 */
async function requestByHttp2(socket: Socket, headers: Record<string, string>): Promise<string> {
  const session = connectHttp2('http://application.example', { createConnection: () => socket })
  const request = session.request(headers).setEncoding('utf8')
  let body = ''
  for await (const piece of request) body += piece as string
  session.destroy()
  return body
}

interface Behind {
  application: Application
  /** The port on which the proxy listens. */
  port: number
}

/**
 * Tests that no upgrade to HTTP/2 passes a proxy.
 * @param behind the proxy, with the paths and headers of requests that pass
 */
export function upgradeTests(
  behind: () => Promise<
    Behind & { passing: readonly [path: string, headers: readonly string[]][] }
  >,
): void {
  test('the application itself takes an upgrade to HTTP/2: past it, any path and any header reach it', async () => {
    const { application } = await behind()
    const { socket, status } = await upgrade(application.port, '/health', ATTACKS[0]?.[1] ?? [])
    expect(status).toBe(101)
    const answer = await requestByHttp2(socket, {
      ':path': '/admin/users',
      'x-guard-sub': 'u_forged',
    })
    expect(JSON.parse(answer)).toMatchObject({
      url: '/admin/users',
      headers: { 'x-guard-sub': 'u_forged' },
    })
  })

  test('no upgrade to HTTP/2 reaches it through the proxy', async () => {
    const { application, passing, port } = await behind()
    for (const [path, headers] of passing) {
      expect([path, (await upgrade(port, path, headers)).status]).toEqual([path, 200])
      for (const [what, lines] of ATTACKS) {
        const before = application.offers.length
        const { status } = await upgrade(port, path, [...headers, ...lines])
        const offers = application.offers.slice(before)
        // Either rejected, or passed without the upgrade, or passed as the WebSocket that the
        // request also names.
        expect([what, offers.filter((offer) => offer !== 'websocket')]).toEqual([what, []])
        expect([what, status]).toEqual([
          what,
          offers.length > 0 ? 101 : expect.toBeOneOf([200, 400, 403]),
        ])
      }
    }
  })
}

/**
 * Tests that a WebSocket passes a proxy only with a token.
 * @param behind the proxy, with the token that a request needs to pass, and its user
 */
export function webSocketTest(behind: () => Behind & { bearer: string; sub: string }): void {
  test('a WebSocket passes with a token, and not without one', async () => {
    const { bearer, port, sub } = behind()
    for (const offer of [WEBSOCKET, 'Upgrade: WebSocket']) {
      const lines = ['Connection: Upgrade', offer, ...HANDSHAKE]
      const { socket, status } = await upgrade(port, '/cases', [bearer, ...lines])
      expect(status).toBe(101)
      socket.write('and back\n')
      let text = ''
      for await (const piece of socket) if ((text += String(piece)).endsWith('back\n')) break
      expect(text).toBe(`${sub}\nand back\n`)
      expect(await upgrade(port, '/cases', lines)).toMatchObject({ status: 401 })
    }
  })
}
