import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createHash, randomUUID } from 'node:crypto'
import type { Presented, SessionClaims } from '@case-manager/guard'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose'

/** The part of a broker that a guard needs to be live: its keys, a feed, and tokens. */
export interface Issuer {
  url: string
  tokens: string[]
  /** The claims of the ID tokens that came with them. */
  sessions: SessionClaims[]
  bound: Bound
  close(): void
}

/** The same tokens, each bound to one key (RFC 9449). */
interface Bound {
  tokens: string[]
  /** Returns a request with the token of this number and a new proof. */
  present(n: number): Promise<Presented>
}

export const CLIENT_ID = 'bench'
const AUDIENCE = `urn:case-manager:instance:${CLIENT_ID}`
const HOUR = 3600

/**
 * Starts the issuer.
 * @param revocations the number of ended sessions in its log, which are not those of the tokens
 */
export async function startIssuer(count: number, revocations = 0): Promise<Issuer> {
  const seq = revocations + 1
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }] }
  const server = createServer((request, response) => {
    const { pathname: path, searchParams } = new URL(request.url ?? '/', url)
    if (path === '/revocations') return follow(response, searchParams.get('nonce'), seq)
    if (path === '/revocations/enforced') return response.writeHead(204).end()
    const body = path === '/jwks' ? jwks : { issuer: url }
    return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const iat = Math.floor(Date.now() / 1000)
  const sign = (n: number, more: object = {}): Promise<string> => {
    const claims = {
      client_id: CLIENT_ID,
      sid: `s_${n}`,
      rev: seq,
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
      ...more,
    })
    return jwt.setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'at+jwt' }).sign(privateKey)
  }
  const numbers = Array.from({ length: count }, (_, n) => n)
  const tokens = await Promise.all(numbers.map((n) => sign(n)))
  const bound = await boundTokens((cnf) => Promise.all(numbers.map((n) => sign(n, { cnf }))))
  const close = (): void => {
    server.close()
    server.closeAllConnections()
  }
  const sessions = tokens.map((_token, n) => ({
    iss: url,
    aud: CLIENT_ID,
    sub: `u_${n}`,
    sid: `s_${n}`,
    tenant: 'tenant',
    rev: seq,
    iat,
    session_expiry: iat + 12 * HOUR,
  }))
  return { url, tokens, sessions, bound, close }
}

async function boundTokens(sign: (cnf: { jkt: string }) => Promise<string[]>): Promise<Bound> {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const jwk = await exportJWK(publicKey)
  const tokens = await sign({ jkt: await calculateJwkThumbprint(jwk) })
  const hashes = tokens.map((token) => createHash('sha256').update(token).digest('base64url'))
  const [method, htu] = ['GET', 'https://cases.example/api/cases']
  const present = async (n: number): Promise<Presented> => {
    const iat = Math.floor(Date.now() / 1000)
    const jwt = new SignJWT({ jti: randomUUID(), htm: method, htu, iat, ath: hashes[n] })
    const header = { alg: 'ES256', typ: 'dpop+jwt', jwk }
    return {
      proof: await jwt.setProtectedHeader(header).sign(privateKey),
      method,
      addresses: [htu],
    }
  }
  return { tokens, present }
}

const CLOCK = 'clock-of-the-bench'
const SECONDS = 30
/** The entries of one snapshot event. */
const PAGE = 1000

function follow(response: ServerResponse, nonce: string | null, seq: number): void {
  const at = { epoch: 'e', seq }
  const send = (event: string, data: object): void =>
    void response.write(`event: ${event}\nid: e.${seq}\ndata: ${JSON.stringify(data)}\n\n`)
  const clock = (): number => Math.floor(performance.now())
  const grant = (): void =>
    send('lease', { clock: CLOCK, known_ms: clock(), seconds: SECONDS, seq })
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  send('anchor', { clock: CLOCK, at_ms: clock(), stream: 'stream-of-bench', nonce })
  for (let first = 1; first <= seq; first += PAGE)
    send('snapshot', {
      ...at,
      entries: ended(first, Math.min(first + PAGE, seq)),
      retired_kids: [],
    })
  send('live', { ...at, complete_from: 0 })
  grant()
  const beat = setInterval(grant, 2_000)
  response.once('close', () => clearInterval(beat))
}

/** Returns the entries from one `seq` to below another, of sessions that ended today. */
function ended(first: number, below: number): object[] {
  const now = Math.floor(Date.now() / 1000)
  return Array.from({ length: below - first }, (_, n) => ({
    seq: first + n,
    selector: { kind: 'session', sid: `s_ended_${(first + n).toString().padStart(20, '0')}` },
    exp: now + HOUR,
    session_exp: now + 12 * HOUR,
    reason_class: 'signed_out',
  }))
}
