import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { createRig } from '../rig.ts'

const ENDPOINTS = ['/token', '/introspect', '/revoke', '/par', '/authorize', '/logout']

test('a request whose sender goes before its body ends writes no error, on any endpoint that reads a form', async () => {
  const rig = await createRig()
  const origin = await rig.serve()
  const abort = (path: string, framing: string, begun: string): Promise<void> =>
    new Promise((closed) => {
      const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n${framing}\r\n\r\n`
      const socket = connect(Number(new URL(origin).port), '127.0.0.1', () =>
        socket.write(head + begun, () => setImmediate(() => socket.destroy())),
      )
      socket.on('close', () => closed())
    })
  for (const path of ENDPOINTS) {
    await abort(path, 'Content-Length: 1000', 'token=x')
    await abort(path, 'Transfer-Encoding: chunked', '7\r\ntoken=x\r\n')
  }
  // The request comes on another connection, after the server has seen the aborted ones.
  expect((await fetch(`${origin}/healthz`)).status).toBe(200)
  expect(rig.lines.filter((line) => line.includes('"level":"error"'))).toEqual([])
})
