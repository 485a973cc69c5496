import { X509Certificate } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { loadConfig } from '../../src/config/config.ts'
import { createMicrosoft } from '../../src/microsoft/microsoft.ts'
import { createOutbound, proxiedFetch } from '../../src/runtime/outbound.ts'
import { newCertificate } from '../demo-entra/certificate.ts'
import { CLIENT, TENANT } from './entra.ts'

/** A real CONNECT proxy in front of an https server whose name only the proxy can resolve. */

const CERTIFICATE = newCertificate()
/** The certificate's own name: it is in no resolver. */
const HOST = 'broker'

async function listening(
  server: ReturnType<typeof createServer> | ReturnType<typeof createTlsServer>,
): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

async function world(answer: (path: string) => unknown) {
  const asked: string[] = []
  const target = createTlsServer(
    { key: CERTIFICATE.privateKey, cert: CERTIFICATE.certificate },
    (request, response) => {
      asked.push(`${request.method} ${request.url}`)
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(answer(request.url ?? '')))
    },
  )
  const port = await listening(target)
  const tunnels: string[] = []
  const proxy = createServer((_request, response) => void response.writeHead(405).end())
  proxy.on('connect', (request: IncomingMessage, client: Socket, head: Buffer) => {
    tunnels.push(`${request.url} ${request.headers['proxy-authorization'] ?? 'without a password'}`)
    const through = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      through.write(head)
      through.pipe(client).pipe(through)
    })
    for (const socket of [client, through]) socket.on('error', () => {})
    client.on('close', () => through.destroy())
  })
  const proxyPort = await listening(proxy)
  return {
    asked,
    tunnels,
    port,
    settings: { https: `http://user:pass@127.0.0.1:${proxyPort}`, noProxy: '' },
  }
}

const BASIC = `Basic ${Buffer.from('user:pass').toString('base64')}`
const post = { method: 'POST' as const, body: 'logout_token=x', timeoutMs: 2_000, maxBytes: 1_000 }

describe('HTTPS_PROXY', () => {
  test('Microsoft is asked through the proxy, with its password; NO_PROXY goes around it', async () => {
    const at = (path: string): string => `https://${HOST}/${TENANT}${path}`
    const { asked, tunnels, settings, port } = await world((path) =>
      path.endsWith('/openid-configuration')
        ? {
            issuer: at('/v2.0'),
            authorization_endpoint: at('/oauth2/v2.0/authorize'),
            token_endpoint: at('/oauth2/v2.0/token'),
            end_session_endpoint: at('/oauth2/v2.0/logout'),
            jwks_uri: at('/discovery/v2.0/keys'),
          }
        : {},
    )
    const { fetch, close } = proxiedFetch(settings, { requestTls: { ca: CERTIFICATE.certificate } })
    onTestFinished(close)
    const entra = {
      tenants: [TENANT],
      clientId: CLIENT,
      credential: undefined,
      authority: `https://${HOST}`,
      simulated: true,
    }
    const clock = { now: () => Math.floor(Date.now() / 1000), nowMs: () => Date.now() }
    const log = { info: () => {}, warn: () => {}, error: () => {} }
    const microsoft = createMicrosoft({
      config: { issuer: 'https://login.case-manager.example', entra },
      clock,
      log,
      fetch,
    })
    expect(await microsoft.logoutUrl({ tid: TENANT })).toContain(at('/oauth2/v2.0/logout'))
    expect([tunnels, asked]).toEqual([
      [`${HOST}:443 ${BASIC}`],
      [`GET /${TENANT}/v2.0/.well-known/openid-configuration`],
    ])

    const around = proxiedFetch(
      { ...settings, noProxy: '127.0.0.1' },
      { connect: { ca: CERTIFICATE.certificate, servername: HOST } },
    )
    onTestFinished(around.close)
    expect((await around.fetch(`https://127.0.0.1:${port}/direct`, {})).status).toBe(200)
    expect([tunnels.length, asked.at(-1)]).toEqual([1, 'GET /direct'])
  })

  test('deliveries go through it where a setting says so; addresses that no setting allows are rejected all the same', async () => {
    const { asked, tunnels, settings } = await world(() => ({}))
    const outbound = createOutbound({
      allowLoopback: false,
      proxy: settings,
      ca: CERTIFICATE.certificate,
    })
    onTestFinished(() => outbound.close())
    expect((await outbound.request(`https://${HOST}/logout`, post)).status).toBe(200)
    expect([tunnels, asked]).toEqual([[`${HOST}:443 ${BASIC}`], ['POST /logout']])
    for (const url of [
      'https://169.254.169.254/latest',
      'https://127.0.0.1/logout',
      'https://[::1]/logout',
      'https://localhost/logout',
    ])
      await expect(outbound.request(url, post)).rejects.toThrow(
        /never called|loopback|this machine/,
      )
    expect(tunnels).toHaveLength(1)
    // A certificate is that of the server behind the proxy.
    const { until } = await outbound.certificate(`https://${HOST}`, 2_000)
    expect(until).toBe(Date.parse(new X509Certificate(CERTIFICATE.certificate).validTo) / 1000)
    await expect(outbound.certificate('https://169.254.169.254', 2_000)).rejects.toThrow(
      /never called/,
    )
    expect(tunnels).toHaveLength(2)
  })

  test('is read from the environment, and a wrong one is reported', () => {
    const env = {
      BROKER_ISSUER: 'https://login.case-manager.example',
      BROKER_SECRET: Buffer.from('secret of this test rig 01234567').toString('hex'),
    }
    const read = (more: Record<string, string>) => loadConfig({ ...env, ...more }).proxy
    expect(read({})).toEqual({ https: undefined, noProxy: '', deliveries: false })
    expect(
      read({
        HTTPS_PROXY: 'http://proxy.example:3128',
        NO_PROXY: '.example',
        BROKER_PROXY_DELIVERIES: 'yes',
      }),
    ).toEqual({
      https: 'http://proxy.example:3128/',
      noProxy: '.example',
      deliveries: true,
    })
    expect(() => read({ HTTPS_PROXY: 'proxy.example:3128' })).toThrow(
      /HTTPS_PROXY: must be the http or https address/,
    )
  })
})
