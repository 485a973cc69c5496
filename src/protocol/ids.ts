/** Identifiers and one-time values. Randomness is handed in, so that a test can repeat a run. */

/** `bytes` random bytes. `node:crypto.randomBytes` in production. */
export type Random = (bytes: number) => Buffer

/** A subject, opaque and never reused: `u_` + 128 random bits. */
export const newSub = (random: Random): string => `u_${random(16).toString('base64url')}`
/** A session id: 128 random bits. Not a secret: it travels in tokens and logout tokens. */
export const newSid = (random: Random): string => `s_${random(16).toString('base64url')}`
/** An id for rows and for `jti`: 128 random bits. */
export const newId = (random: Random): string => random(16).toString('base64url')
/** A secret to be handed out once and kept as a hash: 256 random bits. */
export const newSecret = (random: Random): string => random(32).toString('base64url')
