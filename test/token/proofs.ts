import { createHash, randomUUID } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT, type JWK } from 'jose'
import { ISSUER } from '../rig.ts'

/** A key of a client, and the DPoP proofs that it makes (RFC 9449 §4.2). */
export async function createProver(clock: { now: () => number }, alg = 'ES256') {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk: JWK = await exportJWK(publicKey)
  /**
   * Returns a proof for a request.
   * @param target such as `POST /token`
   * @param changes claims that differ from those of a valid proof; undefined removes one
   */
  const prove = (
    target: string,
    changes: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
  ): Promise<string> => {
    const [htm, path = ''] = target.split(' ')
    const claims = { jti: randomUUID(), htm, htu: ISSUER + path, iat: clock.now(), ...changes }
    return new SignJWT(JSON.parse(JSON.stringify(claims)) as typeof claims)
      .setProtectedHeader({ typ: 'dpop+jwt', alg, jwk, ...header })
      .sign(privateKey)
  }
  return { prove, jwk, privateKey, jkt: await calculateJwkThumbprint(jwk) }
}

/** Returns the claim that ties a proof to an access token (§4.2). */
export const ath = (token: string): { ath: string } => ({
  ath: createHash('sha256').update(token).digest('base64url'),
})
