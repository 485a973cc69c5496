import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose'
import { onTestFinished } from 'vitest'

/**
 * Entra's endpoints on a real socket, as small as these tests need: discovery, keys, token. The
 * test sets the answers.
 */

export const TENANT = '11111111-1111-4111-8111-111111111111'
export const OTHER_TENANT = '22222222-2222-4222-8222-222222222222'
export const CLIENT = '33333333-3333-4333-8333-333333333333'
export const OID = '44444444-4444-4444-8444-444444444444'
export const NONCE = 'the-nonce-of-this-sign-in'

export type Claims = Record<string, unknown>

export interface TokenAnswer {
  status: number
  body: unknown
  headers?: Record<string, string>
}

const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
const stranger = await generateKeyPair('RS256')

export async function startEntra() {
  const requests: { method: string; path: string; form: URLSearchParams }[] = []
  const entra = {
    requests,
    origin: '',
    kid: 'key-1',
    published: ['key-1'],
    /** The issuer that Microsoft adds to a key, whose tokens it signs. */
    keyIssuer: undefined as string | undefined,
    now: Math.floor(Date.now() / 1000),
    down: false,
    token: undefined as TokenAnswer | undefined,
    idToken: undefined as string | undefined,
    issuer: (tid: string) => `${entra.origin}/${tid}/v2.0`,
    claims: (changes: Claims = {}): Claims => ({
      iss: entra.issuer(TENANT),
      aud: CLIENT,
      tid: TENANT,
      oid: OID,
      sub: 'pairwise',
      nonce: NONCE,
      ver: '2.0',
      name: 'Alice Adams',
      preferred_username: 'alice@contoso.example',
      iat: entra.now,
      nbf: entra.now,
      exp: entra.now + 3600,
      ...changes,
    }),
    sign: (claims: Claims, options: { key?: CryptoKey; kid?: string; alg?: string } = {}) =>
      new SignJWT(claims)
        .setProtectedHeader({
          alg: options.alg ?? 'RS256',
          kid: options.kid ?? entra.kid,
          typ: 'JWT',
        })
        .sign(options.key ?? privateKey),
    strangersKey: stranger.privateKey,
    /** The public key as bytes, with which an HS256 forger would sign. */
    publicBytes: new TextEncoder().encode(JSON.stringify(await exportJWK(publicKey))),
  }
  const jwk = await exportJWK(publicKey)
  const discovery = (tenant: string) => ({
    issuer: tenant === 'organizations' ? `${entra.origin}/{tenantid}/v2.0` : entra.issuer(tenant),
    authorization_endpoint: `${entra.origin}/${tenant}/oauth2/v2.0/authorize`,
    token_endpoint: `${entra.origin}/${tenant}/oauth2/v2.0/token`,
    end_session_endpoint: `${entra.origin}/${tenant}/oauth2/v2.0/logout`,
    jwks_uri: `${entra.origin}/${tenant}/discovery/v2.0/keys`,
  })
  const clientInfo = Buffer.from(JSON.stringify({ uid: OID, utid: TENANT })).toString('base64url')
  const token = async (): Promise<TokenAnswer> =>
    entra.token ?? {
      status: 200,
      body: {
        token_type: 'Bearer',
        access_token: 'microsoft-access-token',
        refresh_token: 'microsoft-refresh-token',
        expires_in: 3600,
        scope: 'openid profile email offline_access',
        id_token: entra.idToken ?? (await entra.sign(entra.claims())),
        client_info: clientInfo,
      },
    }
  const answer = async (path: string): Promise<TokenAnswer> => {
    const tenant = path.split('/')[1] ?? ''
    if (entra.down) return { status: 503, body: { error: 'temporarily_unavailable' } }
    if (path.endsWith('/openid-configuration')) return { status: 200, body: discovery(tenant) }
    if (path.endsWith('/keys'))
      return {
        status: 200,
        body: {
          keys: entra.published.map((kid) => ({
            ...jwk,
            kid,
            use: 'sig',
            issuer: entra.keyIssuer,
          })),
        },
      }
    if (path.endsWith('/token')) return token()
    return { status: 404, body: {} }
  }
  const server = createServer((request, response) => {
    void body(request).then(async (text) => {
      const path = (request.url ?? '').replace(/\?.*/, '')
      requests.push({ method: request.method ?? '', path, form: new URLSearchParams(text) })
      const { status, body: content, headers } = await answer(path)
      response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(typeof content === 'string' ? content : JSON.stringify(content))
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  entra.origin = `http://localhost:${(server.address() as AddressInfo).port}`
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  })
  return entra
}

export type FakeEntra = Awaited<ReturnType<typeof startEntra>>

async function body(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
