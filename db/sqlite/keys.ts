import type { KeyActs } from '../store.ts'
import type { StoredSigningKey } from '../types.ts'
import { optional } from './core.ts'
import type { Core } from './core.ts'

/** Signing keys and their states. Of one algorithm, one key at most is active. */

interface KeyRow {
  kid: string
  alg: StoredSigningKey['alg']
  state: StoredSigningKey['state']
  private_sealed: string | null
  public_jwk: string
  created_at: number
  activated_at: number | null
  retire_at: number | null
}

export function keyActs({ db, write, read }: Core): KeyActs {
  const all = db.prepare<[], KeyRow>('SELECT * FROM signing_keys ORDER BY created_at, kid')
  const find = db.prepare<[string], KeyRow>('SELECT * FROM signing_keys WHERE kid = ?')
  const add = db.prepare(`INSERT OR IGNORE INTO signing_keys (kid, alg, state, private_sealed, public_jwk, created_at, activated_at, retire_at)
    VALUES (@kid, @alg, @state, @privateSealed, @publicJwk, @createdAt, @activatedAt, @retireAt)`)
  const retireActive = db.prepare<[number, string]>("UPDATE signing_keys SET state = 'retiring', retire_at = ? WHERE alg = ? AND state = 'active'")
  const activate = db.prepare<[number, string]>("UPDATE signing_keys SET state = 'active', activated_at = ? WHERE kid = ?")
  const retire = db.prepare<[number, string]>("UPDATE signing_keys SET state = 'retired', retire_at = ? WHERE kid = ? AND state <> 'retired'")

  return {
    listKeys: () =>
      read(() =>
        all.all().map((row) => ({
          kid: row.kid,
          alg: row.alg,
          state: row.state,
          privateSealed: row.private_sealed,
          publicJwk: JSON.parse(row.public_jwk) as Record<string, unknown>,
          createdAt: row.created_at,
          activatedAt: optional(row.activated_at),
          retireAt: optional(row.retire_at),
        })),
      ),
    addKey: (key) =>
      write(() => {
        const { activatedAt = null, retireAt = null, publicJwk } = key
        add.run({ ...key, activatedAt, retireAt, publicJwk: JSON.stringify(publicJwk) })
      }),
    activateKey: ({ kid, retireAt, now }) =>
      write(() => {
        const key = find.get(kid)
        if (key?.state !== 'next') return false
        retireActive.run(retireAt, key.alg)
        activate.run(now, kid)
        return true
      }),
    retireKey: ({ kid, now }) => write(() => retire.run(now, kid).changes === 1),
  }
}
