import { sql } from 'drizzle-orm'
import { encodeSelector, type SelectorMembers } from '../../src/protocol/selector.ts'
import { type Act, currentMs, newId, timeIsCertain } from '../engine/act.ts'
import { perEngine } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  insertInto,
  keysOf,
  pick,
  query,
  type Takes,
} from '../engine/statement.ts'
import { logHead, revocations } from '../schema.ts'
import { listOf } from '../engine/values.ts'
import { StoreUnavailable, type Committed, type Revocation } from '../types.ts'
import { link } from './chain.ts'
import {
  linkOfRevocation,
  newestTimes,
  revocationFields,
  type RevocationRow,
} from './revocations.ts'

/**
 * Appends to the log of revocations. The import rules let only `revoke` import it, which writes an
 * entry's effects in the same transaction.
 */

/**
 * On Postgres, allows an entry only where the log was continued on the timeline of the server that
 * runs it (db/postgres/lineage.ts). Otherwise a former primary may have given the same number to
 * another entry.
 */
const mayTakeEntries = perEngine({
  sqlite: sql.empty(),
  postgres: sql` AND coalesce((SELECT timeline = substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) FROM lineage ORDER BY id DESC LIMIT 1), true)`,
})
const { seq: last, sessionsKnownTo, sessionsKnownFrom } = logHead
const next = query(
  columnsOf(logHead, 'seq'),
  (_, f) =>
    sql`UPDATE ${logHead} SET ${assign(logHead, {
      seq: sql`${last} + 1`,
      sessionsKnownTo: sql`${last} + 1`,
      sessionsKnownFrom: sql`CASE WHEN ${sessionsKnownTo} = ${last} THEN ${sessionsKnownFrom} ELSE ${last} END`,
    })} WHERE ${logHead.id} = 1${mayTakeEntries} RETURNING ${f}`,
)
type NewRevocation = RevocationRow & { hash: string; personalHash: string; salt: string }
const insert = command((p: Takes<NewRevocation>) =>
  insertInto(revocations, pick(p, ...keysOf(revocationFields), 'hash', 'personalHash', 'salt')),
)

/** How far ahead of a right clock an entry may be dated by another broker. */
const AHEAD_SECONDS = 60

const NO_ENTRY =
  'The log accepts no entry: the database began a new timeline that no broker has taken over yet, or it is damaged. Try again; if the error stays, run cmb doctor.'

interface Dated {
  seq: number
  at: number
  atMs: number
}

/**
 * Returns the number and the time of the next entry. Any other act that takes one waits until this
 * act ends, so that numbers are in the order of commits.
 *
 * The time never decreases along the log, because guards and the feed forget entries by it. It does
 * below an entry that a clock which is certain shows to be far ahead: that entry was dated by a
 * wrong clock.
 */
export function* takeNext(now: number): Act<Dated> {
  const taken = yield* next.get({})
  if (taken === undefined) throw new StoreUnavailable(NO_ENTRY)
  const { seq } = taken
  const atMs = yield* currentMs()
  const before = yield* newestTimes()
  if (before === undefined || (before.at > now + AHEAD_SECONDS && (yield* timeIsCertain())))
    return { seq, at: now, atMs }
  return { seq, at: Math.max(now, before.at), atMs: Math.max(atMs, before.atMs) }
}

/**
 * Writes the entry with its link in the chain. A salted hash covers what identifies a user. The
 * salt is kept in the row until its user is erased: without it nothing about the user can be read
 * from the hash.
 * @returns the hash of the chain at this entry, and the version of the registry
 */
export function* addEntry(
  revocation: Revocation,
  atMs: number,
): Act<Pick<Committed, 'hash' | 'registryVersion'>> {
  const {
    seq,
    selector,
    tid = null,
    reason,
    actor,
    at,
    caseReference = null,
    comment = null,
    fanOut,
    sessions,
    sessionsUntil = null,
    sessionClients,
    traceparent = null,
  } = revocation
  const {
    kind,
    sid = null,
    client_id: clientId = null,
    sub = null,
  }: SelectorMembers & Pick<typeof selector, 'kind'> = encodeSelector(selector)
  const { kind: actorKind, id: actorId } = actor
  const salt = yield* newId()
  const row = {
    seq,
    kind,
    sid,
    sub,
    clientId,
    tid,
    reason,
    actorKind,
    actorId,
    at,
    atMs,
    caseReference,
    comment,
  }
  const { registryVersion, ...linked } = yield* link('revocations', {
    number: seq,
    salt,
    ...linkOfRevocation(row),
  })
  yield* insert.run({
    ...row,
    ...linked,
    salt,
    fanOut,
    sessions,
    sessionsUntil,
    traceparent,
    sessionClients: sessionClients === undefined ? null : listOf(sessionClients),
  })
  return { hash: linked.hash, registryVersion }
}
