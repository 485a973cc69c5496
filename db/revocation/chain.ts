import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { LogName } from '../../src/protocol/evidence-chain.ts'
import { linkHash, NOTHING_BEFORE, personalHash } from '../../src/protocol/evidence-chain.ts'
import type { Act, Ambient } from '../engine/act.ts'
import { forUpdate } from '../engine/dialect.ts'
import { assign, columnsOf, command, excluded, insertInto, names, query } from '../engine/statement.ts'
import type { RowOf, Takes } from '../engine/statement.ts'
import { audit, chainBegins, chainHeads, logHead } from '../schema.ts'
import { headOfLog } from './covers.ts'

/** The heads of the chains, advanced in the transaction that appends to a log. It refuses to append where a log has no chain. */

const head = query(
  columnsOf(chainHeads, 'number', 'hash'),
  (p: Takes<{ log: LogName }>, f) => sql`SELECT ${f} FROM ${chainHeads} WHERE ${chainHeads.log} = ${p.log}${forUpdate(chainHeads)}`,
)
const advance = command(
  (p: Takes<{ log: LogName; number: number; hash: string }>) =>
    sql`UPDATE ${chainHeads} SET ${assign(chainHeads, { number: p.number, hash: p.hash })} WHERE ${chainHeads.log} = ${p.log}`,
)
const setHead = command(
  (p: Takes<{ log: LogName; number: number; hash: string }>) =>
    sql`${insertInto(chainHeads, { log: p.log, number: p.number, hash: p.hash })} ON CONFLICT (${names(chainHeads.log)})
      DO UPDATE SET ${assign(chainHeads, { number: excluded(chainHeads.number), hash: excluded(chainHeads.hash) })}`,
)
const addBegin = command((p: Takes<{ log: LogName; number: number; hash: string; fields: string }>) =>
  insertInto(chainBegins, { log: p.log, number: p.number, hash: p.hash, fields: p.fields }),
)

function lastQuery(last: SQL<number>) {
  return query({ last }, (_, f) => sql`SELECT ${f}`)
}
/** Locked: of two brokers that open a new store, the second finds its chains. */
const epochOf = query(columnsOf(logHead, 'epoch'), (_, f) => sql`SELECT ${f} FROM ${logHead} WHERE ${logHead.id} = 1${forUpdate(logHead)}`)

type Fields = Record<string, string | number | null>

export interface Linked {
  hash: string
  personalHash: string
}

export function* chainHead(log: LogName): Act<RowOf<{ number: typeof chainHeads.number; hash: typeof chainHeads.hash }>> {
  const found = yield* head.get({ log })
  if (found === undefined) throw new Error(`The ${log} log has no chain: the database is damaged. Restore a backup.`)
  return found
}

/** Inside the transaction that appends the row. @param salt is kept beside the row until its user is erased */
export function* link(log: LogName, row: { number: number; fields: Fields; salt: string; personal: Record<string, string | null> }): Act<Linked> {
  const { number, fields } = row
  const personal = personalHash(row.salt, row.personal)
  const former = yield* chainHead(log)
  const hash = linkHash(log, former.hash, { number, kind: 'row', fields, personal })
  yield* advance.run({ log, number, hash })
  return { hash, personalHash: personal }
}

export interface Begin {
  after: number
  at: number
  why: 'new' | 'upgraded' | 'restored'
  epoch: string
}

/** A new segment, whose rows follow `after`. It names the head before it, where there is one. */
export function* beginSegment(log: LogName, { after, at, why, epoch }: Begin): Act<void> {
  const former = yield* head.get({ log })
  const fields = { why, epoch, at, former_number: former?.number ?? null, former_hash: former?.hash ?? null }
  const hash = linkHash(log, former?.hash ?? NOTHING_BEFORE, { number: after, kind: 'begin', fields })
  yield* setHead.run({ log, number: after, hash })
  yield* addBegin.run({ log, number: after, hash, fields: JSON.stringify(fields) })
}

const lastOf: Record<LogName, ReturnType<typeof lastQuery>> = {
  revocations: lastQuery(headOfLog),
  audit: lastQuery(sql<number>`coalesce((SELECT ${audit.id} FROM ${audit} ORDER BY ${audit.id} DESC LIMIT 1), 0)`),
}

/** The chain of a store that has none: it is new, or a version wrote it that kept none. What is there already is before the chain, which says so. */
export function* beginChains({ nowMs }: Pick<Ambient, 'nowMs'>): Act<void> {
  const { epoch } = (yield* epochOf.get({})) ?? { epoch: '' }
  for (const log of ['revocations', 'audit'] as const) {
    if ((yield* head.get({ log })) !== undefined) continue
    const after = (yield* lastOf[log].get({}))?.last ?? 0
    yield* beginSegment(log, { after, at: Math.floor(nowMs() / 1000), why: after === 0 ? 'new' : 'upgraded', epoch })
  }
}
