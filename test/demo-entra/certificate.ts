import { createHash, createSign, generateKeyPairSync, randomBytes } from 'node:crypto'

/**
 * A self-signed X.509 certificate, made at run time so that the repository holds no key, and so
 * that it can have expired.
 */
export interface Certificate {
  certificate: string
  privateKey: string
  thumbprintSha256: string
}

const tlv = (tag: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts)
  const length =
    body.length < 128
      ? [body.length]
      : body.length < 256
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
const sequence = (...parts: Buffer[]): Buffer => tlv(0x30, ...parts)
const SHA256_WITH_RSA = sequence(tlv(0x06, Buffer.from('2a864886f70d01010b', 'hex')), tlv(0x05))
const COMMON_NAME = tlv(0x06, Buffer.from('550403', 'hex'))
const SUBJECT_ALTERNATIVE_NAME = tlv(0x06, Buffer.from('551d11', 'hex'))
const time = (at: Date): Buffer =>
  tlv(0x18, Buffer.from(`${at.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`))

/**
 * Returns a new self-signed certificate.
 * @param host its common name, and the only host for which it is valid
 */
export function newCertificate(
  notAfter: Date = new Date(Date.now() + 86_400_000),
  host = 'broker',
): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const name = sequence(tlv(0x31, sequence(COMMON_NAME, tlv(0x0c, Buffer.from(host)))))
  const serial = tlv(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)]))
  const validity = sequence(time(new Date(notAfter.getTime() - 30 * 86_400_000)), time(notAfter))
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    serial,
    SHA256_WITH_RSA,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(
      0xa3,
      sequence(
        sequence(SUBJECT_ALTERNATIVE_NAME, tlv(0x04, sequence(tlv(0x82, Buffer.from(host))))),
      ),
    ),
  )
  const signature = createSign('RSA-SHA256').update(body).sign(privateKey)
  const der = sequence(body, SHA256_WITH_RSA, tlv(0x03, Buffer.from([0]), signature))
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${der
      .toString('base64')
      .match(/.{1,64}/g)!
      .join('\n')}\n-----END CERTIFICATE-----\n`,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    thumbprintSha256: createHash('sha256').update(der).digest('hex').toUpperCase(),
  }
}
