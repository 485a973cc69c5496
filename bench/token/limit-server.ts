import {
  createHash,
  createHmac,
  generateKeyPairSync,
  randomBytes,
  sign,
  timingSafeEqual,
  createSecretKey,
} from 'node:crypto'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { limitOnPostgres, limitOnSqlite } from './limit-store.ts'
import { announceTarget } from '../clients/loader.ts'

/**
 * The composed limit: the least that a refresh can cost with the same libraries. Hono, the client's
 * secret, the MAC, one row in a synced group commit, one ES256 signature. It has no sessions, no
 * revocations, no scopes, no replay and no errors.
 */
async function serveLimit(dataDir: string, families: number, url?: string): Promise<void> {
  const ids = Array.from({ length: families }, () => randomBytes(16).toString('base64url'))
  const store = url === undefined ? limitOnSqlite(dataDir, ids) : await limitOnPostgres(url, ids)
  const secret = randomBytes(32).toString('base64url')
  const secretHash = createHash('sha256').update(secret).digest()
  const macKey = createSecretKey(randomBytes(32))
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const header = Buffer.from('{"alg":"ES256","typ":"at+jwt","kid":"limit"}').toString('base64url')

  const mac = (bytes: Buffer): Buffer =>
    createHmac('sha256', macKey).update(bytes.subarray(0, 20)).digest()
  const write = (id: string, generation: number): string => {
    const bytes = Buffer.alloc(52)
    bytes.write(id, 0, 16, 'base64url')
    bytes.writeUInt32BE(generation, 16)
    mac(bytes).copy(bytes, 20)
    return bytes.toString('base64url')
  }
  const accessToken = (sub: string, now: number): string => {
    const claims = {
      iss: 'http://localhost',
      sub,
      aud: 'limit',
      client_id: 'limit',
      iat: now,
      exp: now + 300,
      jti: randomBytes(16).toString('base64url'),
    }
    const input = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`
    return `${input}.${sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }

  const app = new Hono()
  app.post('/token', async (c) => {
    const params = new URLSearchParams(await c.req.text())
    const [, presented = ''] = Buffer.from((c.req.header('authorization') ?? '').slice(6), 'base64')
      .toString()
      .split(':')
    if (!timingSafeEqual(createHash('sha256').update(presented).digest(), secretHash))
      return c.json({ error: 'invalid_client' }, 401)
    const bytes = Buffer.from(params.get('refresh_token') ?? '', 'base64url')
    if (bytes.length !== 52 || !timingSafeEqual(mac(bytes), bytes.subarray(20)))
      return c.json({ error: 'invalid_grant' }, 400)
    const [id, generation] = [bytes.toString('base64url', 0, 16), bytes.readUInt32BE(16)]
    if (!(await store.rotate(id, generation))) return c.json({ error: 'invalid_grant' }, 400)
    const now = Math.floor(Date.now() / 1000)
    return c.json(
      {
        access_token: accessToken(id, now),
        token_type: 'Bearer',
        expires_in: 300,
        refresh_token: write(id, generation + 1),
      },
      200,
      {
        'Cache-Control': 'no-store',
      },
    )
  })

  serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) =>
    announceTarget({
      url: `http://127.0.0.1:${port}`,
      authorization: `Basic ${Buffer.from(`limit:${secret}`).toString('base64')}`,
      refreshTokens: ids.map((id) => write(id, 1)),
    }),
  )
}

const [dataDir = '', families, url] = process.argv.slice(2)
await serveLimit(dataDir, Number(families), url)
