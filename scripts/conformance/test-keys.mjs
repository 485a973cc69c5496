// The keys that sign the vectors of the guard conformance kit. They are for tests only. To replace them
// delete guard/conformance/keys.json and tokens.json, and run scripts/conformance-vectors.mjs.
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const FILE = join(import.meta.dirname, '..', '..', 'guard', 'conformance', 'keys.json')

/** Returns new keys, by the names that cases and vectors use. */
function generated() {
  const ec = (kid, namedCurve = 'P-256', alg = 'ES256') => ({
    ...generateKeyPairSync('ec', { namedCurve }).privateKey.export({ format: 'jwk' }),
    kid,
    alg,
  })
  const rsa = (kid, alg = 'RS256') => ({
    ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }),
    kid,
    alg,
  })
  return {
    'es-1': ec('es-1'),
    'es-2': ec('es-2'),
    'rs-1': rsa('rs-1'),
    'another rs-1': rsa('rs-1'),
    'another es-1': ec('es-1'),
    unpublished: ec('es-9'),
    'es-384': ec('es-384', 'P-384', 'ES384'),
    client: ec('client-1'),
    proof: ec('proof'),
    'another proof': ec('another proof'),
    'proof rsa': rsa('proof rsa', 'PS256'),
    'proof ed': {
      ...generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }),
      kid: 'proof ed',
      alg: 'EdDSA',
    },
  }
}

if (!existsSync(FILE)) writeFileSync(FILE, `${JSON.stringify(generated(), null, 2)}\n`)
/** @type {import('../../guard/src/conformance/sign.ts').Keys} */
export const TEST_KEYS = JSON.parse(readFileSync(FILE, 'utf8'))
