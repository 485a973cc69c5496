/**
 * Owns the keys derived from `BROKER_SECRET`, for sealing secrets at rest and for MACs. Rejects
 * short secrets, values sealed for another place, and values it did not seal.
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
} from 'node:crypto'
import { pooledRandom, type Random } from '../runtime/ids.ts'
import type { Sealer } from './interface.ts'

const VERSION = 1
const KEY_ID_BYTES = 3
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = 1 + KEY_ID_BYTES
const MIN_SECRET_BYTES = 32

/** One secret of the list, with the keys derived from it. */
interface Root {
  id: Buffer
  derive(label: string): KeyObject
}

function root(secret: Buffer): Root {
  if (secret.length < MIN_SECRET_BYTES) {
    throw new Error(
      `A broker secret has ${secret.length} bytes; it needs at least ${MIN_SECRET_BYTES}. Make one with: openssl rand -base64 32`,
    )
  }
  const raw = (label: string, bytes: number): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, '', `case-manager-broker/1/${label}`, bytes))
  const derived = new Map<string, KeyObject>()
  return {
    id: raw('key-id', KEY_ID_BYTES),
    derive(label) {
      let key = derived.get(label)
      if (!key) derived.set(label, (key = createSecretKey(raw(label, 32))))
      return key
    },
  }
}

/**
 * Returns the purpose of a place, its first part: `sessions/<sid>/login_hint` is sealed with the
 * key of `sessions`.
 */
const purposeOf = (where: string): string => where.split('/', 1)[0] ?? where

/**
 * Returns the additional authenticated data: the place, and the head of the sealed value, so that
 * neither version nor key can be swapped.
 */
const bind = (head: Buffer, where: string): Buffer => Buffer.concat([head, Buffer.from(where)])

/**
 * Creates a sealer.
 * @param secrets raw values, current first: the first seals, each of them opens
 * @param random the source of nonces
 * @throws Error if a secret is shorter than 32 bytes
 */
export function createSealer(secrets: readonly Buffer[], random: Random = pooledRandom()): Sealer {
  const roots = secrets.map(root)
  const current = roots[0]
  if (!current)
    throw new Error(
      'No broker secret is set. Set BROKER_SECRET to at least 32 random bytes: openssl rand -base64 32',
    )
  const macs = new Map<string, readonly { id: string; key: KeyObject }[]>()

  return {
    seal(where, plaintext) {
      const head = Buffer.concat([Buffer.of(VERSION), current.id])
      const nonce = random(NONCE_BYTES)
      const cipher = createCipheriv(
        'aes-256-gcm',
        current.derive(`seal/${purposeOf(where)}`),
        nonce,
      ).setAAD(bind(head, where))
      const body = Buffer.concat([
        typeof plaintext === 'string' ? cipher.update(plaintext, 'utf8') : cipher.update(plaintext),
        cipher.final(),
      ])
      return Buffer.concat([head, nonce, body, cipher.getAuthTag()]).toString('base64url')
    },
    open(where, sealed) {
      const bytes = Buffer.from(sealed, 'base64url')
      if (
        bytes.length < HEAD_BYTES + NONCE_BYTES + TAG_BYTES ||
        bytes[0] !== VERSION ||
        bytes.toString('base64url') !== sealed
      )
        return undefined
      const head = bytes.subarray(0, HEAD_BYTES)
      for (const candidate of roots) {
        if (!candidate.id.equals(head.subarray(1))) continue
        const plaintext = decrypt(
          candidate.derive(`seal/${purposeOf(where)}`),
          bytes,
          bind(head, where),
        )
        if (plaintext) return plaintext
      }
      return undefined
    },
    macKeys(purpose) {
      let keys = macs.get(purpose)
      if (!keys) {
        keys = roots.map((each) => ({
          id: each.id.toString('base64url'),
          key: each.derive(`mac/${purpose}`),
        }))
        macs.set(purpose, keys)
      }
      return keys
    },
  }
}

function decrypt(key: KeyObject, bytes: Buffer, aad: Buffer): Buffer | undefined {
  const body = bytes.subarray(HEAD_BYTES + NONCE_BYTES, -TAG_BYTES)
  const decipher = createDecipheriv(
    'aes-256-gcm',
    key,
    bytes.subarray(HEAD_BYTES, HEAD_BYTES + NONCE_BYTES),
    { authTagLength: TAG_BYTES },
  )
  decipher.setAAD(aad).setAuthTag(bytes.subarray(-TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(body), decipher.final()])
  } catch {
    return undefined
  }
}
