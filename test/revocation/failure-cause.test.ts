import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createOutbound } from '../../src/runtime/outbound.ts'
import { failureOf } from '../../src/outbox/attempt.ts'

/**
 * Operators see why a target gives no answer: by real connections, and by the codes of systems that
 * are not here.
 */

const failing = async (
  url: string,
  options: Partial<Parameters<typeof createOutbound>[0]> = {},
) => {
  const outbound = createOutbound({ allowLoopback: true, ...options })
  onTestFinished(() => outbound.close())
  const error: unknown = await outbound
    .request(url, { method: 'POST', timeoutMs: 200, maxBytes: 100 })
    .then(
      () => 'answered',
      (reason: unknown) => reason,
    )
  return failureOf(error)
}

async function server(answer: Parameters<typeof createServer>[1]) {
  const listener = createServer({}, answer)
  await new Promise<void>((done) => listener.listen(0, '127.0.0.1', done))
  onTestFinished(() => void (listener.closeAllConnections(), listener.close()))
  return `http://127.0.0.1:${(listener.address() as AddressInfo).port}/`
}

describe('why a target gave no answer', () => {
  test('a connection that is refused', async () => {
    expect(await failing('http://127.0.0.1:1/')).toEqual({
      cause: 'connection_refused',
      text: 'connection refused or unreachable (ECONNREFUSED)',
    })
  })

  test('a name that does not resolve', async () => {
    const lookup = ((_name: string, _options: object, done: (error: Error) => void) =>
      done(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }))) as never
    expect(await failing('http://gone.example/', { lookup })).toEqual({
      cause: 'dns',
      text: 'the host name does not resolve (ENOTFOUND)',
    })
  })

  test('no answer in time', async () => {
    expect(await failing(await server(() => {}))).toMatchObject({
      cause: 'timeout',
      text: 'no answer in time',
    })
  })

  test('a connection that breaks', async () => {
    expect(await failing(await server((request) => void request.socket.destroy()))).toMatchObject({
      cause: 'connection_lost',
    })
  })

  test('an address that is not allowed', async () => {
    expect(await failing('http://169.254.169.254/')).toMatchObject({ cause: 'address_not_allowed' })
  })

  test.each([
    'CERT_HAS_EXPIRED',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'EPROTO',
  ])('a certificate that is not trusted: %s', (code) => {
    const nested = new Error('fetch failed', { cause: Object.assign(new Error('inner'), { code }) })
    expect(failureOf(nested)).toEqual({
      cause: 'certificate',
      text: `TLS failed: the certificate is not trusted (${code})`,
    })
  })
})
