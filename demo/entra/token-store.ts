import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider'
import { BoundedMap } from './bounded.ts'

const MAX_ENTRIES = 500_000

/**
 * The storage of `oidc-provider` for codes, grants and tokens: in memory, bounded. A refresh token
 * is never marked as consumed, because Entra does not revoke the old one when it issues a new one.
 */
export function createTokenStore(
  clientOf: (id: string) => AdapterPayload | undefined,
): AdapterFactory {
  const entries = new BoundedMap<string, AdapterPayload>(MAX_ENTRIES)
  return (model: string): Adapter => {
    const key = (id: string): string => `${model}:${id}`
    return {
      async upsert(id, payload, expiresIn) {
        entries.set(key(id), payload, expiresIn === undefined ? undefined : expiresIn * 1000)
      },
      async find(id) {
        return model === 'Client' ? clientOf(id) : entries.get(key(id))
      },
      async findByUid() {},
      async findByUserCode() {},
      async consume(id) {
        const payload = entries.get(key(id))
        if (payload && model !== 'RefreshToken') payload['consumed'] = Math.floor(Date.now() / 1000)
      },
      async destroy(id) {
        entries.delete(key(id))
      },
      async revokeByGrantId() {},
    }
  }
}
