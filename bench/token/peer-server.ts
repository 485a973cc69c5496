import { randomBytes, generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { Provider, type Adapter, type AdapterPayload } from 'oidc-provider'
import { announceTarget } from '../clients/loader.ts'

/**
 * node-oidc-provider as its documentation sets it up, for comparison: rotated refresh tokens,
 * access tokens as JWTs signed with ES256, everything stored in SQLite with every write synced
 * (`synchronous=FULL`), as the broker does. It issues no ID token, so it signs once a refresh, as
 * the broker does.
 */

const RESOURCE = 'urn:case-manager:instance:bench'
const SCOPE = 'cases'
const DAY = 86_400

/**
 * Serves node-oidc-provider.
 * @param port where clients can register, with an id and a secret of theirs; by default any port
 */
async function servePeer(dataDir: string, connections: number, port = 0): Promise<void> {
  // The package prints notices to standard output, which has the figures.
  console.info = console.error
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const secret = randomBytes(32).toString('base64url')
  const resourceServer = {
    scope: SCOPE,
    audience: RESOURCE,
    accessTokenTTL: 300,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: 'ES256' } },
  } as const
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    adapter: sqliteAdapter(join(dataDir, 'peer.db')),
    clients: [
      {
        client_id: 'bench',
        client_secret: secret,
        grant_types: ['authorization_code', 'refresh_token'],
        redirect_uris: ['https://bench.case-manager.example/oidc/callback'],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    cookies: { keys: [secret] },
    jwks: {
      keys: [
        { ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'bench' },
        { ...rsa.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: 'rsa' },
      ],
    },
    rotateRefreshToken: true,
    ttl: { Grant: DAY, RefreshToken: DAY },
    issueRefreshToken: () => true,
    // The adapter does not find sessions by their uid.
    expiresWithSession: () => false,
    // Every user consents to everything.
    async loadExistingGrant({ oidc: { client, session } }) {
      const ids = { accountId: session?.accountId ?? '', clientId: client?.clientId ?? '' }
      const grant = new provider.Grant(ids)
      grant.addOIDCScope('openid')
      grant.addResourceScope(RESOURCE, SCOPE)
      await grant.save()
      return grant
    },
    // Its own dispatcher rejects the loopback addresses of the bench.
    fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined } as object),
    interactions: { url: (_, { uid }) => `/sign-in/${uid}` },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      registration: {
        enabled: port > 0,
        idFactory: ({ oidc }) => String(oidc.body?.software_id),
        secretFactory: ({ oidc }) => String(oidc.body?.software_version),
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => RESOURCE,
        getResourceServerInfo: () => resourceServer,
      },
    },
  })
  const client = await provider.Client.find('bench')
  if (client === undefined) throw new Error('node-oidc-provider does not know its own client.')
  const refreshTokens: string[] = []
  for (let index = 0; index < connections; index++) {
    const accountId = `u_${index}`
    const grant = new provider.Grant({ accountId, clientId: 'bench' })
    grant.addOIDCScope('offline_access')
    grant.addResourceScope(RESOURCE, SCOPE)
    const grantId = await grant.save()
    const scope = `offline_access ${SCOPE}`
    refreshTokens.push(
      await new provider.RefreshToken({
        accountId,
        client,
        grantId,
        scope,
        resource: RESOURCE,
        gty: 'authorization_code',
      }).save(),
    )
  }
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/sign-in/')) return next()
    ctx.respond = false
    await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: 'user' } })
  })
  const server = provider.listen(port, '127.0.0.1', () => {
    const address = server.address()
    if (address === null || typeof address === 'string')
      throw new Error('node-oidc-provider has no port.')
    announceTarget({
      url: `http://127.0.0.1:${address.port}`,
      authorization: `Basic ${Buffer.from(`bench:${secret}`).toString('base64')}`,
      refreshTokens,
    })
  })
}

/**
 * Returns an adapter with one table for all models, like the package's own example, which keeps
 * them in memory.
 */
function sqliteAdapter(file: string): (model: string) => Adapter {
  const db = new Database(file)
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.exec(`CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, payload TEXT NOT NULL, expires_at INTEGER, consumed_at INTEGER, grant_id TEXT);
    CREATE INDEX IF NOT EXISTS by_grant ON entries (grant_id)`)
  const upsert = db.prepare(
    'INSERT OR REPLACE INTO entries (key, payload, expires_at, grant_id) VALUES (?, ?, ?, ?)',
  )
  const find = db.prepare<[string], { payload: string; consumed_at: number | null }>(
    'SELECT payload, consumed_at FROM entries WHERE key = ?',
  )
  const consume = db.prepare('UPDATE entries SET consumed_at = ? WHERE key = ?')
  const destroy = db.prepare('DELETE FROM entries WHERE key = ?')
  const revoke = db.prepare('DELETE FROM entries WHERE grant_id = ?')
  return (model) => {
    const keyOf = (id: string) => `${model}:${id}`
    return {
      async upsert(id, payload, expiresIn = DAY) {
        upsert.run(
          keyOf(id),
          JSON.stringify(payload),
          Math.floor(Date.now() / 1000) + expiresIn,
          payload.grantId ?? null,
        )
      },
      async find(id) {
        const row = find.get(keyOf(id))
        if (row === undefined) return undefined
        const payload = JSON.parse(row.payload) as AdapterPayload
        return row.consumed_at === null ? payload : { ...payload, consumed: row.consumed_at }
      },
      findByUserCode: async () => undefined,
      findByUid: async () => undefined,
      async consume(id) {
        consume.run(Math.floor(Date.now() / 1000), keyOf(id))
      },
      async destroy(id) {
        destroy.run(keyOf(id))
      },
      async revokeByGrantId(grantId) {
        revoke.run(grantId)
      },
    }
  }
}

const [dataDir = '', connections, port] = process.argv.slice(2)
await servePeer(dataDir, Number(connections), Number(port ?? 0))
