import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { forUpdate } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  insertInto,
  keysOf,
  names,
  pick,
  query,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { signingKeys } from '../schema.ts'
import type { StoredSigningKey } from '../types.ts'
import { emit } from '../webhook/emit.ts'
import { registryChanged } from '../rows/registry-version.ts'

/** Signing keys and their states. At most one key of an algorithm is active. */

const keyFields = columnsOf(
  signingKeys,
  'kid',
  'alg',
  'state',
  'privateSealed',
  'publicJwk',
  'createdAt',
  'activatedAt',
  'retireAt',
)
type KeyRow = RowOf<typeof keyFields>

const all = query(
  keyFields,
  (_, f) =>
    sql`SELECT ${f} FROM ${signingKeys} ORDER BY ${signingKeys.createdAt}, ${signingKeys.kid}`,
)
// Locks all keys in a fixed order, so that two concurrent rotations wait for each other, whichever
// keys they name.
const lockAll = query(
  columnsOf(signingKeys, 'kid', 'alg', 'state'),
  (_, f) =>
    sql`SELECT ${f} FROM ${signingKeys} ORDER BY ${signingKeys.kid}${forUpdate(signingKeys)}`,
)
const add = command(
  (p: Takes<KeyRow>) =>
    sql`${insertInto(signingKeys, pick(p, ...keysOf(keyFields)))} ON CONFLICT (${names(signingKeys.kid)}) DO NOTHING`,
)
const retireActive = command(
  (p: Takes<{ alg: string; retireAt: number }>) =>
    sql`UPDATE ${signingKeys} SET ${assign(signingKeys, { state: 'retiring', retireAt: p.retireAt })}
      WHERE ${signingKeys.alg} = ${p.alg} AND ${signingKeys.state} = 'active'`,
)
const activate = command(
  (p: Takes<{ kid: string; now: number }>) =>
    sql`UPDATE ${signingKeys} SET ${assign(signingKeys, { state: 'active', activatedAt: p.now })} WHERE ${signingKeys.kid} = ${p.kid}`,
)
const retire = query(
  columnsOf(signingKeys, 'kid', 'alg'),
  (p: Takes<{ kid: string; now: number }>, f) =>
    sql`UPDATE ${signingKeys} SET ${assign(signingKeys, { state: 'retired', retireAt: p.now })}
      WHERE ${signingKeys.kid} = ${p.kid} AND ${signingKeys.state} <> 'retired' RETURNING ${f}`,
)

const keyOf = (row: KeyRow): StoredSigningKey => ({
  ...row,
  publicJwk: JSON.parse(row.publicJwk) as Record<string, unknown>,
  activatedAt: optional(row.activatedAt),
  retireAt: optional(row.retireAt),
})

export function* listKeys(): Act<StoredSigningKey[]> {
  return (yield* all.all({})).map(keyOf)
}

/** Adds a key, unless its kid exists. */
export function* addKey(key: StoredSigningKey): Act<void> {
  const { activatedAt = null, retireAt = null, publicJwk } = key
  const added = yield* add.run({
    ...key,
    activatedAt,
    retireAt,
    publicJwk: JSON.stringify(publicJwk),
  })
  if (added > 0) yield* registryChanged()
}

/** Makes a `next` key active. The active one retires until `retireAt`. */
export function* activateKey({
  kid,
  retireAt,
  now,
}: {
  kid: string
  retireAt: number
  now: number
}): Act<boolean> {
  const key = (yield* lockAll.all({})).find((candidate) => candidate.kid === kid)
  if (key?.state !== 'next') return false
  yield* retireActive.run({ alg: key.alg, retireAt })
  yield* activate.run({ kid, now })
  yield* emit({ type: 'key.rotated', data: { kid, alg: key.alg, state: 'active' } })
  yield* registryChanged()
  return true
}

/** Stops publishing a key at once. */
export function* retireKey(input: { kid: string; now: number }): Act<boolean> {
  const key = yield* retire.get(input)
  if (key === undefined) return false
  yield* emit({ type: 'key.rotated', data: { ...key, state: 'retired' } })
  yield* registryChanged()
  return true
}
