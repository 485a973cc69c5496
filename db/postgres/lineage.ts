import type { ClientBase } from 'pg'
import { hashAtSql, highWaterFile, wentBack, type HighWater } from '../high-water.ts'
import { isSame, type Server } from './connections.ts'

/**
 * The history of the log's servers: a row for each server and timeline on which brokers took it
 * over. It shows whether a server is a promoted standby, a recovered database or a loaded dump. The
 * decisions are made here; take-over.ts carries them out.
 */

/**
 * The log of `epoch` continued on this server at `fromSeq`. Entries that an earlier server issued
 * after `afterSeq` are missing here.
 */
export interface Entry extends Server {
  epoch: string
  afterSeq: number
  fromSeq: number
}

/** The number of entries that are read. */
const ENTRIES = 1_000

/** Returns the entries, latest first. */
export async function readLineage(client: Pick<ClientBase, 'query'>): Promise<Entry[]> {
  const { rows } = await client.query<Entry>(
    `SELECT system_identifier AS "systemIdentifier", timeline, epoch, after_seq AS "afterSeq", from_seq AS "fromSeq"
      FROM lineage ORDER BY id DESC LIMIT ${ENTRIES}`,
  )
  return rows
}

export async function readHead(
  client: Pick<ClientBase, 'query'>,
  lock: 'FOR UPDATE' | '' = '',
): Promise<HighWater | undefined> {
  return (
    await client.query<HighWater>(
      `SELECT epoch, seq, ${hashAtSql('log_head.seq')} AS hash FROM log_head WHERE id = 1 ${lock}`,
    )
  ).rows[0]
}

/** Returns the hash of the chain at a number, where the log still has it. */
export async function readHashAt(
  client: Pick<ClientBase, 'query'>,
  seq: number,
): Promise<string | null> {
  const { rows } = await client.query<{ hash: string | null }>(
    `SELECT ${hashAtSql('$1::bigint')} AS hash`,
    [seq],
  )
  return rows[0]?.hash ?? null
}

interface NewEntry extends Entry {
  why: 'new' | 'promoted' | 'restored' | 'moved'
  atMs: number
}

export async function addEntry(client: Pick<ClientBase, 'query'>, entry: NewEntry): Promise<void> {
  const { systemIdentifier, timeline, epoch, afterSeq, fromSeq, why, atMs } = entry
  await client.query(
    'INSERT INTO lineage (system_identifier, timeline, epoch, after_seq, from_seq, why, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)',
    [systemIdentifier, timeline, epoch, afterSeq, fromSeq, why, atMs],
  )
}

/**
 * Returns true if an earlier server issued this number after the point at which the later server's
 * copy ended, so that revocations were lost.
 */
export const wasLost = (entries: readonly Entry[], { epoch, seq }: HighWater): boolean =>
  entries.some((entry) => entry.epoch === epoch && seq > entry.afterSeq && seq < entry.fromSeq)

interface Found {
  server: Server
  entries: readonly Entry[]
  head: HighWater
  /** The hash of the chain at the furthest point that the broker knows, where the log has it. */
  hashAt: string | null
}

/** Returns true if the log lacks acknowledged entries up to a point that the broker knows. */
const lacks = ({ entries, head, hashAt }: Omit<Found, 'server'>, known: HighWater): boolean =>
  wentBack(head, known, hashAt) || wasLost(entries, known)

/**
 * Judges a server that a running broker has met.
 * @param reached the furthest point of the log that the broker knows
 * @param behind whether the same server was seen with less of that log
 * @returns `taken`: another broker has continued the log here. `continue`: a later timeline that
 * lacks nothing. `lost`: it lacks acknowledged entries. `foreign`: another database system
 */
export function classifyServer({
  reached,
  behind = false,
  ...found
}: Found & { reached: HighWater; behind?: boolean }): 'taken' | 'continue' | 'lost' | 'foreign' {
  const { server, head } = found
  const [last] = found.entries
  const sameLog = reached.epoch === head.epoch
  if (last !== undefined && isSame(server, last))
    return (behind && sameLog) || lacks(found, reached) ? 'lost' : 'taken'
  if (last === undefined || last.systemIdentifier !== server.systemIdentifier) return 'foreign'
  return sameLog && !wentBack(head, reached, found.hashAt) ? 'continue' : 'lost'
}

/**
 * Judges the database at start.
 * @param mark the high-water mark in this data directory
 * @returns why a broker may not start on this database, and what to do; `lost`: the log lacks
 * entries that this data directory knows of; undefined where the broker may start
 */
export function startProblem({
  mark,
  file,
  ...found
}: Found & { mark: HighWater | undefined; file: string }):
  | { problem: string }
  | 'lost'
  | undefined {
  const { server, entries, head } = found
  const [last] = entries
  if (last === undefined)
    return mark === undefined ? undefined : { problem: another(head, mark, file) }
  if (last.systemIdentifier !== server.systemIdentifier) return { problem: `${FOREIGN} ${ADOPT}` }
  if (!isSame(server, last))
    return {
      problem: `The database was recovered, or a standby was promoted, while no broker was running (timeline ${server.timeline} instead of ${last.timeline}). ${ADOPT}`,
    }
  if (mark === undefined) return undefined
  const known = mark.epoch === head.epoch || entries.some(({ epoch }) => epoch === mark.epoch)
  if (!known) return { problem: another(head, mark, file) }
  return lacks(found, mark) ? 'lost' : undefined
}

const another = (head: HighWater, mark: HighWater, file: string): string =>
  `This is not the database that this broker used before (epoch ${head.epoch} instead of ${mark.epoch}). Check BROKER_DATABASE_URL. If it is meant, remove ${highWaterFile(file)}.`

const FOREIGN =
  'The database was copied or loaded into another Postgres server than the one that brokers used.'

const ADOPT =
  'Nothing is served from it until it is adopted. If it may lack revocations (a recovery, a dump, an asynchronous standby), stop every broker and run: cmb restore --adopt. Every user then signs in again. If it certainly lacks nothing (a synchronous standby, pg_upgrade), run: cmb restore --adopt --nothing-lost'
export const mustBeAdopted = `${FOREIGN} ${ADOPT}`
