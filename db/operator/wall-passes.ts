import { sql } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { assign, columnsOf, command, insertInto, query } from '../engine/statement.ts'
import type { RowOf, Takes } from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { wallPasses } from '../schema.ts'
import type { WallPassActs } from '../store.ts'
import type { WallPass } from '../types.ts'

/** Passes of wall displays: made, listed, revoked, and looked up by the hash of what a display has. */

const NOTED_SECONDS = 3_600

const fields = columnsOf(wallPasses, 'id', 'name', 'madeBy', 'createdAt', 'endsAt', 'revokedAt', 'usedAt')
const passOf = (row: RowOf<typeof fields>): WallPass => ({ ...row, revokedAt: optional(row.revokedAt), usedAt: optional(row.usedAt) })

const newest = query(
  fields,
  (p: Takes<{ limit: number }>, f) => sql`SELECT ${f} FROM ${wallPasses} ORDER BY ${wallPasses.createdAt} DESC, ${wallPasses.id} LIMIT ${p.limit}`,
)
const valid = query(
  { count: sql<number>`count(*)` },
  (p: Takes<{ now: number }>, f) => sql`SELECT ${f} FROM ${wallPasses} WHERE ${wallPasses.endsAt} > ${p.now}`,
)
type New = Omit<WallPass, 'revokedAt' | 'usedAt'> & { passHash: string }
const insert = command((p: Takes<{ [K in keyof New]: New[K] }>) => {
  const { id, passHash, name, madeBy, createdAt, endsAt } = p
  return insertInto(wallPasses, { id, passHash, name, madeBy, createdAt, endsAt })
})
const revoke = command(
  (p: Takes<{ id: string; now: number }>) =>
    sql`UPDATE ${wallPasses} SET ${assign(wallPasses, { endsAt: p.now, revokedAt: p.now })}
      WHERE ${wallPasses.id} = ${p.id} AND ${wallPasses.endsAt} > ${p.now}`,
)
const find = query(
  fields,
  (p: Takes<{ passHash: string; now: number }>, f) =>
    sql`SELECT ${f} FROM ${wallPasses} WHERE ${wallPasses.passHash} = ${p.passHash} AND ${wallPasses.endsAt} > ${p.now}`,
)
const note = command(
  (p: Takes<{ id: string; now: number; before: number }>) =>
    sql`UPDATE ${wallPasses} SET ${assign(wallPasses, { usedAt: p.now })}
      WHERE ${wallPasses.id} = ${p.id} AND (${wallPasses.usedAt} IS NULL OR ${wallPasses.usedAt} <= ${p.before})`,
)

function* add({ pass, passHash, now, most }: Parameters<WallPassActs['addWallPass']>[0]): Act<boolean> {
  if (((yield* valid.get({ now }))?.count ?? 0) >= most) return false
  const { id, name, madeBy, createdAt, endsAt } = pass
  yield* insert.run({ id, passHash, name, madeBy, createdAt, endsAt })
  return true
}

/** Most looks of a display only read. */
async function use({ read, write }: Engine, { passHash, now }: Parameters<WallPassActs['useWallPass']>[0]): Promise<WallPass | undefined> {
  const row = await read(() => find.get({ passHash, now }))
  if (row === undefined) return undefined
  const before = now - NOTED_SECONDS
  if (row.usedAt === null || row.usedAt <= before) await write(() => note.run({ id: row.id, now, before }))
  return passOf(row)
}

export const wallPassActs = (engine: Engine): WallPassActs => ({
  listWallPasses: async (limit) => (await engine.read(() => newest.all({ limit }))).map(passOf),
  addWallPass: (input) => engine.write(() => add(input)),
  async revokeWallPass(input) {
    return (await engine.write(() => revoke.run(input))) > 0
  },
  useWallPass: (input) => use(engine, input),
})
