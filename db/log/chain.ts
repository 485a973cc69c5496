import { sql } from 'drizzle-orm'
import {
  linkHash,
  NOTHING_BEFORE,
  personalHash,
  type LogName,
} from '../../src/protocol/evidence-chain.ts'
import { type Act, currentMs } from '../engine/act.ts'
import { forUpdate } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  excluded,
  insertInto,
  names,
  pick,
  query,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import type { HighWater } from '../high-water.ts'
import { versionNow } from '../rows/registry-version.ts'
import { chainBegins, chainHeads, logHead } from '../schema.ts'
import { logHeadRow } from './head.ts'

/**
 * The heads of the chains, advanced in the transaction that appends to a log. Appending to a log
 * without a chain throws.
 */

const headFields = columnsOf(chainHeads, 'number', 'hash')
type Head = RowOf<typeof headFields>
const headOf = (p: Takes<{ log: LogName }>) =>
  sql`FROM ${chainHeads} WHERE ${chainHeads.log} = ${p.log}`
const head = query(headFields, (p: Takes<{ log: LogName }>, f) => sql`SELECT ${f} ${headOf(p)}`)
const headLocked = query(
  { ...headFields, registryVersion: versionNow },
  (p: Takes<{ log: LogName }>, f) => sql`SELECT ${f} ${headOf(p)}${forUpdate(chainHeads)}`,
)
const advance = command(
  (p: Takes<{ log: LogName; number: number; hash: string }>) =>
    sql`UPDATE ${chainHeads} SET ${assign(chainHeads, { number: p.number, hash: p.hash })} WHERE ${chainHeads.log} = ${p.log}`,
)
const setHead = command(
  (p: Takes<{ log: LogName; number: number; hash: string }>) =>
    sql`${insertInto(chainHeads, pick(p, 'log', 'number', 'hash'))} ON CONFLICT (${names(chainHeads.log)})
      DO UPDATE SET ${assign(chainHeads, { number: excluded(chainHeads.number), hash: excluded(chainHeads.hash) })}`,
)
const addBegin = command(
  (p: Takes<{ log: LogName; number: number; hash: string; fields: string }>) =>
    insertInto(chainBegins, pick(p, 'log', 'number', 'hash', 'fields')),
)

// Locks the head of the log, so that of two brokers that open a new store the second finds the
// chains of the first.
const logLocked = query(
  columnsOf(logHead, 'epoch'),
  (_, f) => sql`SELECT ${f} FROM ${logHead} WHERE ${logHead.id} = 1${forUpdate(logHead)}`,
)

type Fields = Record<string, string | number | null>

interface Linked {
  hash: string
  personalHash: string
  /** The version of the registry, read once no other row can be appended before this one. */
  registryVersion: number
}

const required = <T extends Head>(log: LogName, found: T | undefined): T => {
  if (found === undefined)
    throw new Error(`The ${log} log has no chain: the database is damaged. Restore a backup.`)
  return found
}
export function* chainHead(log: LogName): Act<Head> {
  return required(log, yield* head.get({ log }))
}
/** Returns how far the log of revocations has come, with the hash that its entries lead to. */
export function* furthest(): Act<HighWater> {
  return { ...(yield* logHeadRow()), hash: (yield* chainHead('revocations')).hash }
}
/** Returns the head. No other act advances it until this one ends. */
export function* lockChain(log: LogName): Act<Head & { registryVersion: number }> {
  return required(log, yield* headLocked.get({ log }))
}

/**
 * Advances the chain by one row, in the transaction that appends the row.
 * @param salt is kept beside the row until its user is erased
 */
export function* link(
  log: LogName,
  row: { number: number; fields: Fields; salt: string; personal: Record<string, string | null> },
): Act<Linked> {
  const { number, fields } = row
  const personal = personalHash(row.salt, row.personal)
  const former = yield* lockChain(log)
  const hash = linkHash(log, former.hash, { number, kind: 'row', fields, personal })
  yield* advance.run({ log, number, hash })
  return { hash, personalHash: personal, registryVersion: former.registryVersion }
}

interface Begin {
  after: number
  at: number
  why: 'new' | 'restored' | 'promoted'
  epoch: string
}

/**
 * Begins a new segment of a chain, whose rows follow `after`. It holds the head before it, where
 * there is one.
 */
export function* beginSegment(log: LogName, { after, at, why, epoch }: Begin): Act<void> {
  const former = yield* headLocked.get({ log })
  const fields = {
    why,
    epoch,
    at,
    former_number: former?.number ?? null,
    former_hash: former?.hash ?? null,
  }
  const hash = linkHash(log, former?.hash ?? NOTHING_BEFORE, {
    number: after,
    kind: 'begin',
    fields,
  })
  yield* setHead.run({ log, number: after, hash })
  yield* addBegin.run({ log, number: after, hash, fields: JSON.stringify(fields) })
}

/** Begins the chains of a new store. */
export function* beginChains(): Act<void> {
  const epoch = (yield* logLocked.get({}))?.epoch ?? ''
  for (const log of ['revocations', 'audit'] as const)
    if ((yield* head.get({ log })) === undefined)
      yield* beginSegment(log, {
        after: 0,
        at: Math.floor((yield* currentMs()) / 1000),
        why: 'new',
        epoch,
      })
}
