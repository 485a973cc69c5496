// The resource of the FAPI 2.0 plan: an API of Express behind the guard's requireToken. node
// guard-api.mjs DIR needs the broker of step 4, and app.emobix.test:9444 → 127.0.0.1:9555 over TLS.
// Env: ISSUER, and NODE_EXTRA_CA_CERTS=DIR/tls/ca.pem for the broker's certificate.
import fs from 'node:fs'
import path from 'node:path'
import express from 'express'
import { createGuard } from '@case-manager/guard'
import { claimsOf, requireToken } from '@case-manager/guard/express'
const API = 'https://app.emobix.test:9444'
const registration = JSON.parse(
  fs.readFileSync(path.join(process.argv[2], 'guard-api.json'), 'utf8'),
)
const guard = createGuard({
  issuer: process.env.ISSUER ?? 'https://broker.emobix.test:9443',
  clientId: registration.client_id,
  clientSecret: registration.client_secret,
  audience: registration.audience,
  publicAddress: API,
  hooks: { problem: (error) => console.error(error) },
})
await guard.start()
express()
  .get('/resource', requireToken(guard, { scope: 'openid' }), (q, a) => {
    a.json({ sub: claimsOf(q).sub })
  })
  .listen(9555, '127.0.0.1', () => console.log(`${API}/resource`))
