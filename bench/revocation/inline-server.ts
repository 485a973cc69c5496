import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import { Pool } from 'undici'

/**
 * The peer of the comparison: a sign-out that sends every logout token within the request, all at
 * once, and stores nothing. It signs one token and makes one POST for each instance over pooled
 * connections, and answers when the last one has answered or after 2.5 s. If it is killed, pending
 * tokens are lost; nothing is retried.
 */
async function serve(): Promise<void> {
  const keys = {
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  }
  let instances: { pool: Pool; path: string }[] = []
  let alg: keyof typeof keys = 'ES256'
  const tell = async (
    sid: string,
    rev: number,
    { pool, path }: { pool: Pool; path: string },
    aud: string,
  ): Promise<void> => {
    const answer = await pool.request({
      path,
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `logout_token=${mint(keys[alg], alg, { sid, rev, aud })}`,
      headersTimeout: 2_500,
    })
    await answer.body.dump()
  }
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://localhost')
    const [sid, rev] = [searchParams.get('sid') ?? '', Number(searchParams.get('rev'))]
    void Promise.allSettled(
      instances.map((instance, index) => tell(sid, rev, instance, `bench-${index}`)),
    ).then(() => response.writeHead(200).end())
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  process.on(
    'message',
    (message: { id: number; name: string; input: { uris: string[]; alg: keyof typeof keys } }) => {
      alg = message.input.alg
      instances = message.input.uris.map((uri) => ({
        pool: new Pool(new URL(uri).origin, { connections: 8 }),
        path: new URL(uri).pathname,
      }))
      process.send?.({ id: message.id, output: {} })
    },
  )
  process.once('SIGTERM', () => process.exit(0)).once('disconnect', () => process.exit(0))
  process.send?.({ port: (server.address() as { port: number }).port })
}

function mint(
  key: KeyObject,
  alg: string,
  claims: { sid: string; rev: number; aud: string },
): string {
  const now = Math.floor(Date.now() / 1000)
  const header = Buffer.from(JSON.stringify({ alg, typ: 'logout+jwt', kid: 'inline' })).toString(
    'base64url',
  )
  const more = {
    iss: 'http://localhost',
    iat: now,
    exp: now + 120,
    jti: randomBytes(16).toString('base64url'),
  }
  const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
  const input = `${header}.${Buffer.from(JSON.stringify({ ...more, ...claims, events })).toString('base64url')}`
  const signature = sign(
    'sha256',
    Buffer.from(input),
    alg === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' } : key,
  )
  return `${input}.${signature.toString('base64url')}`
}

await serve()
