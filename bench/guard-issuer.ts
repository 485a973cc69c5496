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
    const path = request.url?.split('?')[0]
    if (path === '/revocations') return follow(response)
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

function follow(response: ServerResponse): void {
  const at = { epoch: 'e', seq: 1 }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(
    `event: snapshot\nid: e.1\ndata: ${JSON.stringify({ ...at, entries: [], retired_kids: [] })}\n\n`,
  )
  response.write(`event: live\nid: e.1\ndata: ${JSON.stringify(at)}\n\n`)
  const beat = setInterval(() => response.write(': heartbeat\n\n'), 10_000)
  response.once('close', () => clearInterval(beat))
}
