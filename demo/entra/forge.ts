import { CompactSign, decodeJwt, generateKeyPair, importJWK, type JWK } from 'jose'
import { randomUUID } from 'node:crypto'
import type { FORGERIES } from './switches.ts'

/**
 * Returns an ID token with one error, for tests that it is rejected. All but `signature` and
 * `algorithm` are signed with the tenant's real key.
 */
export async function forge(
  idToken: string,
  how: (typeof FORGERIES)[number],
  key: JWK,
): Promise<string> {
  const claims: Record<string, unknown> = { ...decodeJwt(idToken) }
  const header = { alg: 'RS256', kid: key.kid! }
  switch (how) {
    case 'signature': {
      const { privateKey } = await generateKeyPair('RS256')
      return new CompactSign(encode(claims)).setProtectedHeader(header).sign(privateKey)
    }
    case 'algorithm':
      return `${Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')}.${Buffer.from(encode(claims)).toString('base64url')}.`
    case 'issuer':
      claims['iss'] = 'https://login.example.com/elsewhere/v2.0'
      break
    case 'audience':
      claims['aud'] = randomUUID()
      break
    case 'tenant':
      claims['tid'] = randomUUID()
      break
    case 'nonce':
      claims['nonce'] = randomUUID()
      break
    case 'expiry':
      Object.assign(claims, {
        exp: Number(claims['exp']) - 8000,
        iat: Number(claims['iat']) - 8000,
        nbf: Number(claims['nbf']) - 8000,
      })
      break
  }
  return new CompactSign(encode(claims))
    .setProtectedHeader(header)
    .sign(await importJWK(key, 'RS256'))
}

const encode = (claims: Record<string, unknown>): Uint8Array =>
  new TextEncoder().encode(JSON.stringify(claims))
