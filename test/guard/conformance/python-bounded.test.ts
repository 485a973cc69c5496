import type { ServerResponse } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { completeClock } from '../../../guard/src/clock.ts'
import { openAdapter } from '../../../guard/src/conformance/adapter.ts'
import { CLIENT, eventually } from '../stand-in.ts'
import { PYTHON, startBrokerOfToday } from './python-program.ts'

/** The guard for Python, when an answer of the broker does not end. */

const ADAPTER = new URL('../../../guard-python/conformance/adapter.py', import.meta.url).pathname

const begin = (response: ServerResponse): ServerResponse =>
  response.writeHead(200, { 'content-type': 'application/json' })

/** A piece before each timeout of a socket. */
function drips(response: ServerResponse): void {
  begin(response)
  const timer = setInterval(() => void response.write(' '), 500)
  response.on('close', () => clearInterval(timer))
}

function floods(response: ServerResponse): void {
  const piece = ' '.repeat(64 * 1024)
  const more = (): void => {
    while (!response.destroyed && response.write(piece));
    response.once('drain', more)
  }
  begin(response)
  more()
}

describe.skipIf(PYTHON === undefined)('the guard for Python', () => {
  test.each([
    ['drips', drips],
    ['floods', floods],
  ])('keeps checking and following while an answer %s', async (_, send) => {
    const broker = await startBrokerOfToday()
    const adapter = openAdapter(
      `PYTHONDONTWRITEBYTECODE=1 ${PYTHON} ${ADAPTER}`,
      completeClock(undefined),
    )
    onTestFinished(() => adapter.close())
    const { clientId: client_id, clientSecret: client_secret } = CLIENT
    const audience = 'https://sydney.example'
    await adapter.ask({
      do: 'start',
      issuer: broker.issuer,
      client_id,
      client_secret,
      audience,
      guard: 'python-1',
    })
    const token = await broker.token()
    const status = async (): Promise<number | undefined> =>
      (await adapter.ask({ do: 'check', token })).status
    await eventually(async () => expect(await status()).toBe(200))
    let isOpen = true
    broker.instead['/jwks'] = (response) => {
      response.on('close', () => (isOpen = false))
      send(response)
    }
    const asked = broker.count('/jwks')
    broker.send('keys', { jwks: 'changed', retired_kids: [] })
    await eventually(() => expect(broker.count('/jwks')).toBe(asked + 1))
    expect(await status()).toBe(200)
    if (send === drips) expect(isOpen).toBe(true)
    broker.revoke({ kind: 'session', sid: 's_1' })
    await eventually(async () => expect(await status()).toBe(401))
  })
})
