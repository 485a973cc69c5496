import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Hono } from 'hono'
import { expect, onTestFinished, test } from 'vitest'
import { listen } from '../../src/runtime/listener.ts'

/** A broker that shuts down still answers the requests of a proxy that has not noticed yet. */

async function listening() {
  const app = new Hono()
  app.get('/', (c) => c.text('answered'))
  const listener = await listen(app, { host: '127.0.0.1', port: 0 }, 'BROKER_LISTEN')
  onTestFinished(() => listener.close())
  const ask = async (socket: Socket): Promise<string> => {
    const answer = once(socket, 'data')
    socket.write('GET / HTTP/1.1\r\nHost: broker\r\n\r\n')
    return String((await answer)[0])
  }
  /** A connection on which a request was answered, as a proxy keeps it. */
  const kept = async (): Promise<Socket> => {
    const socket = connect(listener.address.port, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    await once(socket, 'connect')
    expect(await ask(socket)).toMatch(/\r\nconnection: keep-alive\r\n/i)
    return socket
  }
  return { listener, kept, ask }
}

test('a listener that ends waits until no request comes on the connections that proxies have kept, and answers each', async () => {
  const { listener, kept, ask } = await listening()
  const sockets = [await kept(), await kept(), await kept()]
  listener.drain()
  const answers: string[] = []
  let passed = 0
  await listener.quiet(async () => {
    passed++
    const socket = sockets.pop()
    if (socket !== undefined) answers.push(await ask(socket))
  })
  expect(passed).toBe(4)
  for (const answer of answers)
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n(.+\r\n)*connection: close\r\n/i)
  expect(answers).toHaveLength(3)
})

test('a client that goes on asking keeps no process from ending', async () => {
  const { listener } = await listening()
  listener.drain()
  let passed = 0
  await listener.quiet(async () => {
    passed++
    await fetch(`http://127.0.0.1:${listener.address.port}/`)
  })
  expect(passed).toBe(10)
})
