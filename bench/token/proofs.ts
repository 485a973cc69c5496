import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Returns a function that makes DPoP proofs for a token endpoint, by one key (RFC 9449 §4.2). */
export function createProver(htu: string): (count: number) => string[] {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const header = encode({ typ: 'dpop+jwt', alg: 'ES256', jwk: publicKey.export({ format: 'jwk' }) })
  const prove = (): string => {
    const iat = Math.floor(Date.now() / 1000)
    const signed = `${header}.${encode({ jti: randomUUID(), htm: 'POST', htu, iat })}`
    const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
    return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
  }
  return (count) => Array.from({ length: count }, prove)
}
