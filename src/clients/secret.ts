import type { SecretHash } from '../protocol/client-metadata.ts'
import { sha256 } from '../runtime/compare.ts'
import { newId, newSecret, type Random } from '../runtime/ids.ts'

/**
 * Generates a client secret. It is shown once and stored as a hash (SHA-256 is enough for 256
 * random bits).
 */
export function newClientSecret(random: Random, now: number): { secret: string; hash: SecretHash } {
  const secret = `cms_${newSecret(random)}`
  return { secret, hash: { id: newId(random), hash: sha256(secret), createdAt: now } }
}
