import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

/**
 * The part of a broker that a guard needs to be live: its keys, a feed without revocations, and
 * tokens.
 */
export interface Issuer {
  url: string
  tokens: string[]
  close(): void
}

export const CLIENT_ID = 'bench'
const AUDIENCE = `urn:case-manager:instance:${CLIENT_ID}`
const HOUR = 3600

export async function startIssuer(count: number): Promise<Issuer> {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }] }
  const server = createServer((request, response) => {
    const { pathname: path, searchParams } = new URL(request.url ?? '/', url)
    if (path === '/revocations') return follow(response, searchParams.get('nonce'))
    if (path === '/revocations/enforced') return response.writeHead(204).end()
    const body = path === '/jwks' ? jwks : { issuer: url }
    return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const iat = Math.floor(Date.now() / 1000)
  const sign = (n: number): Promise<string> => {
    const claims = {
      client_id: CLIENT_ID,
      sid: `s_${n}`,
      rev: 1,
      jti: String(n),
      scope: 'openid',
      tid: 'tenant',
      roles: ['CaseManager.User'],
    }
    const jwt = new SignJWT({
      ...claims,
      iss: url,
      sub: `u_${n}`,
      aud: AUDIENCE,
      iat,
      exp: iat + HOUR,
    })
    return jwt.setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'at+jwt' }).sign(privateKey)
  }
  const tokens = await Promise.all(Array.from({ length: count }, (_, n) => sign(n)))
  const close = (): void => {
    server.close()
    server.closeAllConnections()
  }
  return { url, tokens, close }
}

const CLOCK = 'clock-of-the-bench'
const SECONDS = 30

function follow(response: ServerResponse, nonce: string | null): void {
  const at = { epoch: 'e', seq: 1 }
  const send = (event: string, data: object): void =>
    void response.write(`event: ${event}\nid: e.1\ndata: ${JSON.stringify(data)}\n\n`)
  const clock = (): number => Math.floor(performance.now())
  const grant = (): void =>
    send('lease', { clock: CLOCK, known_ms: clock(), seconds: SECONDS, seq: 1 })
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  send('anchor', { clock: CLOCK, at_ms: clock(), stream: 'stream-of-bench', nonce })
  send('snapshot', { ...at, entries: [], retired_kids: [] })
  send('live', at)
  grant()
  const beat = setInterval(grant, 2_000)
  response.once('close', () => clearInterval(beat))
}
