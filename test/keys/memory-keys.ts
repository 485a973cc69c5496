import type { KeyStore } from '../../src/keys/key-files.ts'
import type { StoredSigningKey } from '../../db/types.ts'

/** The store's key acts in memory, so that tests of the key ring test the ring alone. */
export function memoryKeys(): KeyStore & { rows: StoredSigningKey[] } {
  const rows: StoredSigningKey[] = []
  return {
    rows,
    listKeys: async () => structuredClone(rows),
    addKey: async (key) => {
      if (!rows.some((row) => row.kid === key.kid)) rows.push(structuredClone(key))
    },
    activateKey: async ({ kid, retireAt, now }) => {
      const next = rows.find((row) => row.kid === kid && row.state === 'next')
      if (!next) return false
      for (const row of rows)
        if (row.alg === next.alg && row.state === 'active')
          Object.assign(row, { state: 'retiring', retireAt })
      Object.assign(next, { state: 'active', activatedAt: now })
      return true
    },
    retireKey: async ({ kid, now }) => {
      const row = rows.find((each) => each.kid === kid && each.state !== 'retired')
      if (row) Object.assign(row, { state: 'retired', retireAt: now })
      return row !== undefined
    },
  }
}
