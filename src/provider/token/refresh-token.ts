import { createHmac, timingSafeEqual, type KeyObject } from 'node:crypto'
import type { Sealer } from '../../keys/interface.ts'

/**
 * A refresh token is a MAC over (family, generation): the database holds nothing usable, and a
 * forgery is rejected without a query. `cmr_` + base64url of: version (1 byte), key id (3), family
 * (16), generation (4, big-endian), HMAC-SHA-256 over all of that (32).
 */

export const REFRESH_TOKEN_PREFIX = 'cmr_'
const VERSION = 1
const FAMILY_AT = 4
const GENERATION_AT = 20
const MAC_AT = 24
const LENGTH = 56
const SHAPE = /^cmr_[A-Za-z0-9_-]{75}$/

export interface RefreshToken {
  familyId: string
  generation: number
}

/**
 * Returns the functions that write and read refresh tokens.
 * @param sealer its first MAC key signs and all of them verify, so that `BROKER_SECRET` can be
 * rotated
 */
export function refreshTokens(sealer: Sealer): {
  write(token: RefreshToken): string
  read(presented: string): RefreshToken | undefined
} {
  const keys = sealer
    .macKeys('refresh-token')
    .map(({ id, key }) => ({ id: Buffer.from(id, 'base64url'), key }))
  const current = keys[0]
  if (!current) throw new Error('There is no key for refresh tokens.')
  return {
    write({ familyId, generation }) {
      const bytes = Buffer.alloc(LENGTH)
      bytes[0] = VERSION
      current.id.copy(bytes, 1)
      bytes.write(familyId, FAMILY_AT, GENERATION_AT - FAMILY_AT, 'base64url')
      bytes.writeUInt32BE(generation, GENERATION_AT)
      mac(current.key, bytes).copy(bytes, MAC_AT)
      return REFRESH_TOKEN_PREFIX + bytes.toString('base64url')
    },
    read(presented) {
      if (!SHAPE.test(presented)) return undefined
      const bytes = Buffer.from(presented.slice(REFRESH_TOKEN_PREFIX.length), 'base64url')
      if (
        bytes[0] !== VERSION ||
        bytes.toString('base64url') !== presented.slice(REFRESH_TOKEN_PREFIX.length)
      )
        return undefined
      const good = keys.some(
        ({ id, key }) =>
          id.equals(bytes.subarray(1, FAMILY_AT)) &&
          timingSafeEqual(mac(key, bytes), bytes.subarray(MAC_AT)),
      )
      return good
        ? {
            familyId: bytes.toString('base64url', FAMILY_AT, GENERATION_AT),
            generation: bytes.readUInt32BE(GENERATION_AT),
          }
        : undefined
    },
  }
}

const mac = (key: KeyObject, bytes: Buffer): Buffer =>
  createHmac('sha256', key).update(bytes.subarray(0, MAC_AT)).digest()
