// Writes DIR/clients.json (for `npm run demo -- --clients`) and DIR/config-*.json (for run.mjs):
// one set without a logout address, as the suite's other plans must not be called there, one with
// it, one with private_key_jwt. With --ssf also a client for the Shared Signals plans, once the
// broker knows its scopes.
import fs from 'node:fs'
import crypto from 'node:crypto'
import path from 'node:path'
const dir = process.argv[2],
  out = [],
  hash = (s) => crypto.createHash('sha256').update(s).digest('base64url')
const jwk = (kid) => ({
  ...crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
  kid,
  alg: 'ES256',
  use: 'sig',
})
for (const [alias, kind] of [
  ['cmb', 'secret'],
  ['cmbout', 'secret'],
  ['cmbpk', 'key'],
]) {
  const at = `https://localhost.emobix.co.uk:8443/test/a/${alias}`,
    config = {
      alias,
      description: 'Case Manager Identity Broker',
      server: {
        discoveryUrl: 'https://broker.emobix.test:9443/.well-known/openid-configuration',
        login_hint: 'alice@contoso.example',
      },
      browser: [],
    }
  for (const [field, name, method] of [
    ['client', 'one', 'client_secret_basic'],
    ['client2', 'two', 'client_secret_basic'],
    ['client_secret_post', 'post', 'client_secret_post'],
  ]) {
    if (kind === 'key' && name === 'post') continue
    const client_id = `${alias}-${name}`,
      secret = `${client_id}-secret-${crypto.randomBytes(24).toString('base64url')}`,
      key = kind === 'key' ? jwk(client_id) : undefined
    out.push({
      client_id,
      client_name: `Conformance ${client_id}`,
      id_token_user_claims: false,
      redirect_uris: [`${at}/callback`, `${at}/callback?dummy1=lorem&dummy2=ipsum`],
      post_logout_redirect_uris: [`${at}/post_logout_redirect`],
      require_pkce: false,
      ...(alias === 'cmbout' ? { backchannel_logout_uri: `${at}/backchannel_logout` } : {}),
      ...(key
        ? {
            token_endpoint_auth_method: 'private_key_jwt',
            client_assertion_audience: 'endpoint',
            jwks: { keys: [(({ d: _d, ...pub }) => pub)(key)] },
          }
        : { token_endpoint_auth_method: method, client_secret_hash: hash(secret) }),
    })
    config[field] = key
      ? { client_id, jwks: { keys: [key] } }
      : { client_id, client_secret: secret }
  }
  fs.writeFileSync(path.join(dir, `config-${alias}.json`), JSON.stringify(config, null, 1))
}
if (process.argv.includes('--ssf')) {
  const secret = `cmbssf-secret-${crypto.randomBytes(24).toString('base64url')}`,
    issuer = 'https://broker.emobix.test:9443',
    user = process.env.SSF_SUB ?? 'the sub of a user'
  out.push({
    client_id: 'cmbssf',
    client_name: 'Conformance SSF receiver',
    grant_types: ['client_credentials'],
    scope: 'ssf.read ssf.manage',
    ssf_push_origins: ['https://localhost.emobix.co.uk:8443'],
    token_endpoint_auth_method: 'client_secret_post',
    client_secret_hash: hash(secret),
  })
  fs.writeFileSync(
    path.join(dir, 'config-cmbssf.json'),
    JSON.stringify(
      {
        alias: 'cmbssf',
        description: 'Case Manager Identity Broker, SSF',
        server: { discoveryUrl: `${issuer}/.well-known/openid-configuration` },
        client: { client_id: 'cmbssf', client_secret: secret, scope: 'ssf.read ssf.manage' },
        ssf: {
          subjects: {
            valid: { format: 'iss_sub', iss: issuer, sub: user },
            invalid: { format: 'opaque', id: 'invalid' },
          },
          transmitter: {
            issuer,
            push_endpoint_authorization_header: 'Bearer push-token-of-the-suite',
          },
        },
      },
      null,
      1,
    ),
  )
}
fs.writeFileSync(path.join(dir, 'clients.json'), JSON.stringify({ clients: out }, null, 1))
