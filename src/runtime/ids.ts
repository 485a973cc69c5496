import { randomBytes } from 'node:crypto'

/** Identifiers and one-time values. Randomness is handed in, so that a test can repeat a run. */

/** `bytes` random bytes. `pooledRandom` in production. */
export type Random = (bytes: number) => Buffer

const POOL_BYTES = 4_096

/**
 * Random bytes of the operating system's generator, drawn 4 KiB at a time: a value costs 0.4
 * instead of 4 µs. The pool keeps no copy of the bytes that it has handed out, and a value that is
 * longer than the pool is drawn by itself.
 */
export function pooledRandom(draw: Random = randomBytes): Random {
  let pool: Buffer = Buffer.alloc(0)
  let at = 0
  return (bytes) => {
    if (bytes > POOL_BYTES) return draw(bytes)
    if (at + bytes > pool.length) {
      pool = draw(POOL_BYTES)
      at = 0
    }
    const taken = Buffer.from(pool.subarray(at, at + bytes))
    pool.fill(0, at, at + bytes)
    at += bytes
    return taken
  }
}

/** A subject, opaque and never reused: `u_` + 128 random bits. */
export const newSub = (random: Random): string => `u_${random(16).toString('base64url')}`
/** A session id: 128 random bits. Not a secret: it travels in tokens and logout tokens. */
export const newSid = (random: Random): string => `s_${random(16).toString('base64url')}`
/**
 * An id for rows and for `jti`: 128 random bits, of which none begins with a dash: `cmb` would take
 * it for an option.
 */
export function newId(random: Random): string {
  for (;;) {
    const id = random(16).toString('base64url')
    if (!id.startsWith('-')) return id
  }
}
/** A random UUID (RFC 9562 §5.4). */
export function newUuid(random: Random): string {
  const bytes = random(16)
  bytes.writeUInt8(0x40 | (bytes.readUInt8(6) & 0x0f), 6)
  bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8)
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
/** A secret to be handed out once and kept as a hash: 256 random bits. */
export const newSecret = (random: Random): string => random(32).toString('base64url')
