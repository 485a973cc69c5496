// Writes DIR/clients.json (for `npm run demo -- --clients`) and DIR/config-*.json (for run.mjs):
// one set without a logout address, as the suite's other plans must not be called there, one with
// it, one with private_key_jwt, one with the profile FAPI 2.0, whose resource is guard-api.mjs: for
// that DIR/guard-api.json. With --ssf also a client for the Shared Signals plans, once the broker
// knows its scopes.
import fs from 'node:fs'
import crypto from 'node:crypto'
import path from 'node:path'
const API = 'https://app.emobix.test:9444'
const dir = process.argv[2],
  out = [],
  hash = (s) => crypto.createHash('sha256').update(s).digest('base64url')
const generate = {
  ES256: () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  PS256: () => crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }),
}
const keySets = (kid, alg) => {
  const { publicKey, privateKey } = generate[alg]()
  const of = (key) => ({ keys: [{ ...key.export({ format: 'jwk' }), kid, alg, use: 'sig' }] })
  return { ofBroker: of(publicKey), ofSuite: of(privateKey) }
}
for (const [alias, kind] of [
  ['cmb', 'secret'],
  ['cmbout', 'secret'],
  ['cmbpk', 'key'],
  ['cmbfapi', 'fapi2'],
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
    if (kind !== 'secret' && name === 'post') continue
    const client_id = `${alias}-${name}`,
      secret = `${client_id}-secret-${crypto.randomBytes(24).toString('base64url')}`,
      // The suite tries RS256, for assertions and for proofs, with an RSA key alone.
      alg = kind === 'fapi2' && name === 'one' ? 'PS256' : 'ES256',
      keys = kind === 'secret' ? undefined : keySets(client_id, alg)
    out.push({
      client_id,
      client_name: `Conformance ${client_id}`,
      id_token_user_claims: false,
      redirect_uris: [`${at}/callback`, `${at}/callback?dummy1=lorem&dummy2=ipsum`],
      post_logout_redirect_uris: [`${at}/post_logout_redirect`],
      ...(kind === 'fapi2'
        ? { profile: 'fapi2', consent_required: true, audience: API }
        : { require_pkce: false }),
      ...(alias === 'cmbout' ? { backchannel_logout_uri: `${at}/backchannel_logout` } : {}),
      ...(kind === 'key'
        ? { token_endpoint_auth_method: 'private_key_jwt', client_assertion_audience: 'endpoint' }
        : {}),
      ...(keys
        ? { jwks: keys.ofBroker }
        : { token_endpoint_auth_method: method, client_secret_hash: hash(secret) }),
    })
    config[field] = keys ? { client_id, jwks: keys.ofSuite } : { client_id, client_secret: secret }
    if (kind === 'fapi2')
      Object.assign(config[field], { scope: 'openid offline_access', dpop_signing_alg: alg })
  }
  if (kind === 'fapi2') config.resource = { resourceUrl: `${API}/resource` }
  fs.writeFileSync(path.join(dir, `config-${alias}.json`), JSON.stringify(config, null, 1))
}
const ofApi = {
  client_id: 'guard-api',
  client_secret: `guard-api-secret-${crypto.randomBytes(24).toString('base64url')}`,
  audience: API,
}
out.push({
  client_id: ofApi.client_id,
  client_name: 'Conformance API',
  grant_types: ['client_credentials'],
  audience: API,
  client_secret_hash: hash(ofApi.client_secret),
})
fs.writeFileSync(path.join(dir, 'guard-api.json'), JSON.stringify(ofApi))
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
