import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually, makeKey } from '../stand-in.ts'
import { startServe, type Running } from './rig.ts'

/** The connections of a proxy to the check listener. */

const LINES = [
  'GET / HTTP/1.1',
  'Host: guard',
  'X-Forwarded-Method: GET',
  'X-Forwarded-Host: cases.example',
  'X-Forwarded-Uri: /api/cases',
]

class Connection {
  readonly socket: Socket
  text = ''
  closed = false

  constructor({ directory }: Running) {
    this.socket = connect(join(directory, 'check.sock'))
    this.socket.setEncoding('latin1').on('error', () => {})
    this.socket
      .on('data', (piece: string) => (this.text += piece))
      .on('close', () => (this.closed = true))
    onTestFinished(() => void this.socket.destroy())
  }

  /** The answers so far: status and user. */
  get answers(): string[] {
    const heads = this.text.split('\r\n\r\n').slice(0, -1)
    return heads.map((head) =>
      `${/ (\d{3}) /.exec(head)?.[1]} ${/^X-Guard-Sub: (.*)$/m.exec(head)?.[1] ?? ''}`.trimEnd(),
    )
  }

  send(token: string | undefined): this {
    this.socket.write(
      [...LINES, ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]), '', ''].join(
        '\r\n',
      ),
    )
    return this
  }
}

const start = (): Promise<Running> => startServe({ listen: 'unix:{dir}/check.sock' })

/** A token whose check waits, because its key is new and the broker does not send it yet. */
async function slow({
  broker,
}: Running): Promise<{ token: string; release: () => void; waits: () => Promise<void> }> {
  const key = await makeKey('es-2')
  broker.keys.push(key)
  // An unknown key is looked up at most every 5 s.
  broker.clock.advance(6)
  const { promise, resolve } = Promise.withResolvers<void>()
  broker.hold = promise
  onTestFinished(() => resolve())
  const before = broker.count('/jwks')
  const waits = (): Promise<void> =>
    eventually(() => expect(broker.count('/jwks')).toBe(before + 1))
  return { token: await broker.token({ sub: 'u_slow' }, {}, key), release: resolve, waits }
}

/** Requests on TCP, each with its connection reset before the guard has read it. */
async function resets({ serving }: Running, token: string): Promise<void> {
  const { port } = new URL(serving.checkAddress)
  for (let each = 0; each < 20; each++) {
    const socket = connect(Number(port), '127.0.0.1')
    await new Promise((resolve) => socket.once('connect', resolve))
    // The guard has to have taken the connection before it is reset.
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write(`${[...LINES, `Authorization: Bearer ${token}`].join('\r\n')}\r\n\r\n`)
    socket.resetAndDestroy()
    await closed
  }
}

describe('a connection of a proxy', () => {
  test('is the proxy’s to close: the guard sets no limit of idle time', async () => {
    const running = await start()
    const connection = new Connection(running).send(undefined)
    await eventually(() => expect(connection.answers).toEqual(['401']))
    expect(connection.text).toMatch(/^Connection: keep-alive$/im)
    expect(connection.text).not.toMatch(/^Keep-Alive:/im)
  })

  test('with several requests at once: each gets its own answer, in their order', async () => {
    const running = await start()
    const { release, token, waits } = await slow(running)
    const connection = new Connection(running).send(token).send(undefined)
    await waits()
    const other = new Connection(running).send(undefined)
    await eventually(() => expect(other.answers).toEqual(['401']))
    expect(connection.answers).toEqual([])
    release()
    await eventually(() => expect(connection.answers).toEqual(['200 u_slow', '401']))
  })

  test('that broke off while its check was under way takes nothing with it', async () => {
    const running = await start()
    const { release, token, waits } = await slow(running)
    const gone = new Connection(running).send(token)
    await waits()
    gone.socket.destroy()
    await eventually(() => expect(gone.closed).toBe(true))
    release()
    const next = new Connection(running).send(token)
    await eventually(() => expect(next.answers).toEqual(['200 u_slow']))
    expect(running.problems).toEqual([])
  })

  test('that is not listed is rejected, also where it was reset and has no address any more', async () => {
    const running = await startServe({ trusted_proxies: '192.0.2.0/24' })
    await resets(running, await running.broker.token())
    const counted = async (): Promise<string[]> =>
      (await running.local('/metrics')).body
        .split('\n')
        .filter((line) => line.startsWith('guard_requests'))
    await eventually(async () =>
      expect((await counted()).join()).toMatch(/why="unlisted_proxy"} 20\b/),
    )
    expect(await counted()).toContain('guard_requests_allowed_total 0')
    expect(running.problems).toEqual([])
  })

  test('at the end: idle ones are closed, and one under way has its answer first', async () => {
    const running = await start()
    const { release, token, waits } = await slow(running)
    const [idle, busy] = [
      new Connection(running).send(undefined),
      new Connection(running).send(token),
    ]
    await eventually(() => expect(idle.answers).toEqual(['401']))
    await waits()
    const stopped = running.serving.stop()
    await eventually(() => expect(idle.closed).toBe(true))
    expect([busy.answers, busy.closed]).toEqual([[], false])
    release()
    await stopped
    await eventually(() => expect([busy.answers, busy.closed]).toEqual([['200 u_slow'], true]))
    expect(busy.text).toMatch(/^Connection: close$/im)
  })
})
