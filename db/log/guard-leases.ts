import { sql } from 'drizzle-orm'
import { type Act, newId } from '../engine/act.ts'
import { isOneOf, perEngine, rowsOf } from '../engine/dialect.ts'
import {
  assign,
  castTo,
  columnsOf,
  command,
  insertInto,
  pick,
  query,
  type Takes,
} from '../engine/statement.ts'
import { listOf } from '../engine/values.ts'
import type { SessionsEndedBy } from '../../src/protocol/client-metadata.ts'
import { clients, guardLeases, guards, logHead } from '../schema.ts'

/**
 * The streams and pollers of guards that may hold a lease, and the length of each client's leases,
 * each with the part of the log that it concerns. Receipts are computed from them.
 */

/** The end of a row whose leases may run. */
const OPEN = sql.raw(String(Number.MAX_SAFE_INTEGER))
/** The holder of the length that a registration has now. */
const REGISTERED = 'registered'
/** The longest lease, and the longest life of an access token, that a registration may have. */
export const LONGEST_LEASE_SECONDS = 60
export const LONGEST_TOKEN_SECONDS = 3600
/** How long after its end an instance may accept an access token, because clocks differ. */
export const TOLERANCE_SECONDS = 60
const headSeq = sql`(SELECT ${logHead.seq} FROM ${logHead} WHERE ${logHead.id} = 1)`
const isOpen = sql`${guardLeases.lastSeq} = ${OPEN}`

type Stream = { stream: string; clientId: string }
type Held = { stream: string; holder: string }
type Row = Stream &
  Held & { guardId: string; sessions: number; seconds: number; reportedSeq: number }
const insert = command((p: Takes<Row>) =>
  insertInto(guardLeases, {
    ...pick(p, 'stream', 'clientId', 'guardId', 'sessions', 'seconds', 'reportedSeq', 'holder'),
    firstSeq: headSeq,
    lastSeq: OPEN,
    reportedAtMs: 0,
  }),
)
const isRegistered = (p: Takes<{ clientId: string }>) =>
  sql`${guardLeases.clientId} = ${p.clientId} AND ${isOpen} AND ${guardLeases.holder} = ${sql.raw(`'${REGISTERED}'`)}`
const registered = query(
  columnsOf(guardLeases, 'tokenSeconds', 'formerTokensUntilMs'),
  (p: Takes<{ clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${guardLeases} WHERE ${isRegistered(p)}`,
)
const endTerms = command(
  (p: Takes<{ clientId: string }>) =>
    sql`UPDATE ${guardLeases} SET ${assign(guardLeases, { holder: '' })} WHERE ${isRegistered(p)}`,
)
type NewTerms = Terms & { stream: string; clientId: string; formerTokensUntilMs: number }
const insertTerms = command((p: Takes<NewTerms>) =>
  insertInto(guardLeases, {
    ...pick(p, 'stream', 'clientId', 'seconds', 'tokenSeconds', 'ownSessions'),
    ...pick(p, 'formerTokensUntilMs'),
    guardId: '',
    holder: REGISTERED,
    firstSeq: headSeq,
    lastSeq: OPEN,
    reportedSeq: OPEN,
    reportedAtMs: 0,
  }),
)
const insertDoubts = command(
  (p: Takes<{ id: string; all: number }>) =>
    sql`INSERT INTO ${guardLeases} (stream, client_id, guard_id, seconds, first_seq, last_seq, reported_seq, reported_at_ms, holder)
      SELECT ${castTo('text', p.id)} || ' ' || ${clients.clientId}, ${clients.clientId}, '', ${sql.raw(String(LONGEST_LEASE_SECONDS))}, ${headSeq}, ${OPEN}, -1, 0, ''
      FROM ${clients} WHERE ${castTo('bigint', p.all)} = 1 OR ${clients.clientId} IN (SELECT ${guards.clientId} FROM ${guards})`,
)
const holder = query(
  columnsOf(guardLeases, 'holder', 'sessions'),
  (p: Takes<Stream>, f) =>
    sql`SELECT ${f} FROM ${guardLeases} WHERE ${guardLeases.stream} = ${p.stream} AND ${guardLeases.clientId} = ${p.clientId} AND ${isOpen}`,
)
const take = command(
  (p: Takes<Stream & Held>) =>
    sql`UPDATE ${guardLeases} SET ${assign(guardLeases, { holder: p.holder })}
      WHERE ${guardLeases.stream} = ${p.stream} AND ${guardLeases.clientId} = ${p.clientId} AND ${isOpen}`,
)
const leave = command(
  (p: Takes<{ streams: string; holder: string }>) =>
    sql`UPDATE ${guardLeases} SET ${assign(guardLeases, { holder: '' })}
      WHERE ${isOneOf(guardLeases.stream, p.streams)} AND ${guardLeases.holder} = ${p.holder}`,
)
const openOnes = query(
  {
    ...columnsOf(guardLeases, 'stream', 'clientId', 'guardId', 'holder'),
    /** The latest heartbeat of the holder. SQLite has one process alone. */
    heartbeat: perEngine<number>({
      sqlite: sql`0`,
      postgres: sql`coalesce((SELECT seen_at_ms FROM processes WHERE id = ${guardLeases.holder}), 0)`,
    }),
  },
  (_, f) =>
    sql`SELECT ${f} FROM ${guardLeases} WHERE ${isOpen} AND ${guardLeases.holder} <> ${sql.raw(`'${REGISTERED}'`)}`,
)
const endLeases = command((p: Takes<{ list: string }>) => {
  const { rows, row } = rowsOf(p.list, { stream: 'text', holder: 'text' })
  return sql`UPDATE ${guardLeases} SET ${assign(guardLeases, { lastSeq: headSeq })} FROM ${rows}
    WHERE ${guardLeases.stream} = ${row.stream} AND ${guardLeases.holder} = ${row.holder} AND ${isOpen}`
})
const dropUnused = command(
  (p: Takes<{ streams: string }>) =>
    sql`DELETE FROM ${guardLeases} WHERE ${isOneOf(guardLeases.stream, p.streams)} AND ${guardLeases.firstSeq} >= ${guardLeases.lastSeq}`,
)
const report = command((p: Takes<{ list: string }>) => {
  const { rows, row } = rowsOf(p.list, {
    stream: 'text',
    clientId: 'text',
    seq: 'bigint',
    atMs: 'bigint',
  })
  return sql`UPDATE ${guardLeases} SET ${assign(guardLeases, { reportedSeq: row.seq, reportedAtMs: row.atMs })} FROM ${rows}
    WHERE ${guardLeases.stream} = ${row.stream} AND ${guardLeases.clientId} = ${row.clientId} AND ${guardLeases.reportedSeq} < ${row.seq}`
})

/** Writes the row of a stream or poller. It has to be committed before its first lease. */
export const openGuardLease = (
  row: Stream & Held & { guardId: string; sessions?: boolean | undefined },
): Act<unknown> =>
  insert.run({ ...row, sessions: Number(row.sessions ?? false), seconds: 0, reportedSeq: 0 })

/**
 * Returns whether this process may grant a poller's next lease. A row whose leases are over is not
 * opened again, and a row says of all its leases whether sessions are judged.
 */
export function* holdGuardLease({
  sessions = false,
  ...row
}: Stream & Held & { sessions?: boolean | undefined }): Act<boolean> {
  const found = yield* holder.get(row)
  if (found?.sessions !== Number(sessions)) return false
  return found.holder === row.holder || (yield* take.run(row)) === 1
}

/** Records that this process grants no more leases to these streams. */
export const leaveGuardLeases = (input: { streams: string[]; holder: string }): Act<unknown> =>
  leave.run({ ...input, streams: listOf(input.streams) })

/** A row whose leases may run; `heartbeat` changes while its holder is alive. */
export interface OpenGuardLease extends Stream, Held {
  /** Empty for a length, and for a doubt. */
  guardId: string
  heartbeat: number
}
export const openGuardLeases = (): Act<OpenGuardLease[]> => openOnes.all({})

/** Records that the leases of these rows are over, unless another process holds them now. */
export function* endGuardLeases(rows: Held[]): Act<void> {
  yield* endLeases.run({ list: listOf(rows) })
  yield* dropUnused.run({ streams: listOf(rows.map(({ stream }) => stream)) })
}

/** Records up to where the guard that holds these streams' leases has reported. */
export function* reportGuardLeases(rows: (Stream & { seq: number; atMs: number })[]): Act<void> {
  if (rows.length > 0) yield* report.run({ list: listOf(rows) })
}

/** The members of a registration that receipts need. */
export type Terms = {
  /** The length of its leases. */
  seconds: number
  /** How long its access tokens live. */
  tokenSeconds: number
  ownSessions: SessionsEndedBy
}

/**
 * Records what receipts need of a client's registration; undefined where it is removed. What was
 * registered before counts too until every lease of it is over, and its access tokens until they
 * have expired.
 */
export function* setTerms(clientId: string, now: number, terms: Terms | undefined): Act<void> {
  const former = yield* registered.get({ clientId })
  yield* endTerms.run({ clientId })
  if (terms === undefined) return
  const { tokenSeconds = 0, formerTokensUntilMs } = former ?? {}
  const formerMs = (now + (tokenSeconds ?? LONGEST_TOKEN_SECONDS) + TOLERANCE_SECONDS) * 1000
  yield* insertTerms.run({
    ...terms,
    clientId,
    stream: yield* newId(),
    formerTokensUntilMs: former === undefined ? 0 : Math.max(formerMs, formerTokensUntilMs ?? 0),
  })
}

/**
 * Records that a server that failed may have had streams that this one does not know.
 * @param all true for every client, false for those whose guards have reported
 */
export function* doubtGuardLeases(all: boolean): Act<void> {
  yield* insertDoubts.run({ id: yield* newId(), all: Number(all) })
}
