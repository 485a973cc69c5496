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
import { clients, guardLeases, guards, logHead } from '../schema.ts'

/**
 * The streams and pollers of guards that may hold a lease, and the length of each client's leases,
 * each with the part of the log that it concerns. Receipts are computed from them.
 */

/** The end of a row whose leases may run. */
const OPEN = sql.raw(String(Number.MAX_SAFE_INTEGER))
/** The holder of the length that a registration has now. */
const REGISTERED = 'registered'
/** The longest lease that a registration may have. */
export const LONGEST_LEASE_SECONDS = 60
const headSeq = sql`(SELECT ${logHead.seq} FROM ${logHead} WHERE ${logHead.id} = 1)`
const isOpen = sql`${guardLeases.lastSeq} = ${OPEN}`

type Stream = { stream: string; clientId: string }
type Held = { stream: string; holder: string }
type Row = Stream & Held & { guardId: string; seconds: number; reportedSeq: number }
const insert = command((p: Takes<Row>) =>
  insertInto(guardLeases, {
    ...pick(p, 'stream', 'clientId', 'guardId', 'seconds', 'reportedSeq', 'holder'),
    ...{ firstSeq: headSeq, lastSeq: OPEN, reportedAtMs: 0 },
  }),
)
const endLength = command(
  (p: Takes<{ clientId: string }>) =>
    sql`UPDATE ${guardLeases} SET ${assign(guardLeases, { holder: '' })}
      WHERE ${guardLeases.clientId} = ${p.clientId} AND ${isOpen} AND ${guardLeases.holder} = ${sql.raw(`'${REGISTERED}'`)}`,
)
const insertDoubts = command(
  (p: Takes<{ id: string; all: number }>) =>
    sql`INSERT INTO ${guardLeases} (stream, client_id, guard_id, seconds, first_seq, last_seq, reported_seq, reported_at_ms, holder)
      SELECT ${castTo('text', p.id)} || ' ' || ${clients.clientId}, ${clients.clientId}, '', ${sql.raw(String(LONGEST_LEASE_SECONDS))}, ${headSeq}, ${OPEN}, -1, 0, ''
      FROM ${clients} WHERE ${castTo('bigint', p.all)} = 1 OR ${clients.clientId} IN (SELECT ${guards.clientId} FROM ${guards})`,
)
const holder = query(
  columnsOf(guardLeases, 'holder'),
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
    ...{ stream: 'text', clientId: 'text', seq: 'bigint', atMs: 'bigint' },
  })
  return sql`UPDATE ${guardLeases} SET ${assign(guardLeases, { reportedSeq: row.seq, reportedAtMs: row.atMs })} FROM ${rows}
    WHERE ${guardLeases.stream} = ${row.stream} AND ${guardLeases.clientId} = ${row.clientId} AND ${guardLeases.reportedSeq} < ${row.seq}`
})

/** Writes the row of a stream or poller. It has to be committed before its first lease. */
export const openGuardLease = (row: Stream & Held & { guardId: string }): Act<unknown> =>
  insert.run({ ...row, seconds: 0, reportedSeq: 0 })

/**
 * Returns whether this process may grant a poller's next lease. A row whose leases are over is not
 * opened again.
 */
export function* holdGuardLease(row: Stream & Held): Act<boolean> {
  const found = yield* holder.get(row)
  return found !== undefined && (found.holder === row.holder || (yield* take.run(row)) === 1)
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

/**
 * Records the length of a client's leases; undefined where it is removed. The former length counts
 * until every lease of it is over.
 */
export function* setLeaseLength(clientId: string, seconds: number | undefined): Act<void> {
  yield* endLength.run({ clientId })
  if (seconds === undefined) return
  const row = { clientId, seconds, guardId: '', reportedSeq: Number.MAX_SAFE_INTEGER }
  yield* insert.run({ ...row, stream: yield* newId(), holder: REGISTERED })
}

/**
 * Records that a server that failed may have had streams that this one does not know.
 * @param all true for every client, false for those whose guards have reported
 */
export function* doubtGuardLeases(all: boolean): Act<void> {
  yield* insertDoubts.run({ id: yield* newId(), all: Number(all) })
}
