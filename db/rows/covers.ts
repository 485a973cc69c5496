import { sql, type Column, type SQL } from 'drizzle-orm'
import { greatest } from '../engine/dialect.ts'
import { cutoffs, logHead, participants, sessions } from '../schema.ts'

/**
 * The only place with the covering rule: a revocation S covers what its selector matches and what
 * was opened before it (`opened_seq` or `rev` < S). A wide revocation is one cutoff, in force from
 * its commit; that of a grant is in its participant, that of a session in its row.
 */

type Key = Column | SQL

const cutoff = (kind: 'subject' | 'client' | 'tenant', key: Key): SQL<number> =>
  sql<number>`coalesce((SELECT ${cutoffs.seq} FROM ${cutoffs} WHERE ${cutoffs.kind} = ${sql.raw(`'${kind}'`)} AND ${cutoffs.key} = ${key}), 0)`

const everything = sql<number>`coalesce((SELECT ${cutoffs.seq} FROM ${cutoffs} WHERE ${cutoffs.kind} = 'everything' AND ${cutoffs.key} = ''), 0)`

/** For a row of `sessions`: the latest wide revocation whose selector matches it. 0: none. */
export const sessionCutoff: SQL<number> = greatest(
  cutoff('subject', sessions.sub),
  cutoff('tenant', sessions.tid),
  everything,
)

/** `covers` as a condition of SQL. */
export const isCovered = (seq: Key, openedSeq: Key): SQL => sql`(${seq} > ${openedSeq})`

/** Tests whether a row of `sessions` is covered by a wide revocation. */
export const sessionIsCovered: SQL = isCovered(sessionCutoff, sessions.openedSeq)

/** The latest revocation of a grant (a session's at a client), or of its client. 0: none. */
export const grantCutoff = (sid: Key, clientId: Key): SQL<number> =>
  greatest(
    sql`coalesce((SELECT ${participants.grantCutoff} FROM ${participants} WHERE ${participants.sid} = ${sid} AND ${participants.clientId} = ${clientId}), 0)`,
    cutoff('client', clientId),
  )

/** The same for a row of `participants`. */
export const rowGrantCutoff: SQL<number> = greatest(
  sql`${participants.grantCutoff}`,
  cutoff('client', participants.clientId),
)

/** The latest revocation that matches a token without a session (client_credentials). 0: none. */
export const clientCutoff = (clientId: Key): SQL<number> =>
  greatest(cutoff('client', clientId), everything)

/** Returns whether a revocation whose selector matches covers what was opened at `openedSeq`. */
export const covers = (seq: number, openedSeq: number): boolean => seq > openedSeq

/**
 * The head of the log, against which a session, a code, a family or a token is opened. As a field
 * it is read in the same snapshot as the rest.
 */
export const headOfLog: SQL<number> = sql<number>`(SELECT ${logHead.seq} FROM ${logHead} WHERE ${logHead.id} = 1)`
