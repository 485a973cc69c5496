import { sql, type SQL } from 'drizzle-orm'
import { folded } from '../../src/runtime/fold.ts'
import type { Act, Engine } from '../engine/act.ts'
import { has, withoutReprepare, indexedBy } from '../engine/dialect.ts'
import { searchBack, WINDOW, type Window } from '../engine/search-back.ts'
import { columnsOf, query, type Param, type Takes } from '../engine/statement.ts'
import {
  isLive,
  joinUser,
  sessionFields,
  sessionOf,
  sessionsAndUsers,
  type SessionRow,
} from '../rows/session.ts'
import { participants, sessions } from '../schema.ts'
import type { Participant, Searched, Session, SessionPlace } from '../types.ts'

/** Live sessions and their participants, as users and operators list them. */

/**
 * The number of sessions that are read at a time. The event loop runs between two pages, because a
 * search may find nothing among many.
 */
const PAGE = 250
const FIRST = { openedAt: Number.MAX_SAFE_INTEGER, sid: '' }

const participantsOf = query(
  columnsOf(participants, 'sid', 'clientId', 'firstAt', 'lastAt'),
  (p: Takes<{ sid: string }>, f) =>
    sql`SELECT ${f} FROM ${participants} WHERE ${participants.sid} = ${p.sid} ORDER BY ${participants.firstAt}, ${participants.clientId}`,
)
/** Tests whether a client took part in a session. NULL matches any client. */
const tookPart = (
  clientId: Param<string | null>,
): SQL => sql`(CAST(${clientId} AS text) IS NULL OR EXISTS (SELECT 1 FROM ${participants}
  WHERE ${participants.sid} = ${sessions.sid} AND ${participants.clientId} = ${withoutReprepare(clientId)}))`
const newestFirst = sql`ORDER BY ${sessions.openedAt} DESC, ${sessions.sid} DESC`
const place = sql`(${sessions.openedAt}, ${sessions.sid})`
const openOf = query(
  sessionFields,
  (
    p: Takes<{ sub: string; clientId: string | null }>,
    f,
  ) => sql`SELECT ${f} FROM ${sessionsAndUsers}
    WHERE ${sessions.sub} = ${withoutReprepare(p.sub)} AND ${sessions.endedSeq} IS NULL AND ${tookPart(p.clientId)} ${newestFirst}`,
)
/**
 * The index by which a window is read. With an index of its own, the search in a tenant neither
 * reads the sessions of other tenants nor reveals their number by its time.
 */
const sources = {
  tid: {
    index: indexedBy('sessions_open_by_tenant_opening'),
    where: (tid: Param<string | null>): SQL => sql`${sessions.tid} = ${withoutReprepare(tid)}`,
  },
  none: { index: sql.empty(), where: (): SQL => sql`true` },
}
type Source = (typeof sources)[keyof typeof sources]
/** The last open session of a window: the one `skip` sessions after a place. */
const ending = ({ index, where }: Source) =>
  query(
    columnsOf(sessions, 'openedAt', 'sid'),
    (
      p: Takes<SessionPlace & { tid: string | null; skip: number }>,
      f,
    ) => sql`SELECT ${f} FROM ${sessions}${index}
      WHERE ${sessions.endedSeq} IS NULL AND ${where(p.tid)} AND ${place} < (${p.openedAt}, ${p.sid}) ${newestFirst} LIMIT 1 OFFSET ${p.skip}`,
  )
type Filters = { tid: string | null; clientId: string | null; device: string | null }
const page = ({ index, where }: Source) =>
  query(
    sessionFields,
    (
      p: Takes<SessionPlace & Filters & { toOpenedAt: number; toSid: string }>,
      f,
    ) => sql`SELECT ${f} FROM ${sessions}${index} ${joinUser}
      WHERE ${sessions.endedSeq} IS NULL AND ${where(p.tid)} AND ${place} < (${p.openedAt}, ${p.sid})
        AND ${place} >= (${p.toOpenedAt}, ${p.toSid}) AND ${tookPart(p.clientId)}
        AND (CAST(${p.device} AS text) IS NULL OR ${has(sql`lower(${sessions.device})`, p.device)})
      ${newestFirst} LIMIT ${sql.raw(String(PAGE))}`,
  )
const both = (source: Source) => ({ end: ending(source), list: page(source) })
const windows = { tid: both(sources.tid), none: both(sources.none) }

type Found = { session: Session; participants: Participant[] }
interface Search {
  sub?: string | undefined
  tid?: string | undefined
  clientId?: string | undefined
  text?: string | undefined
  /** Part of the device's name, without regard to case. */
  device?: string | undefined
  /** Only sessions opened before this one. */
  before?: SessionPlace | undefined
  now: number
  limit: number
}

function textMatches(row: SessionRow, text: string | undefined): boolean {
  if (text === undefined) return true
  if (row.sid === text || row.sub === text || row.oid === text.toLowerCase()) return true
  const name = folded(`${row.name ?? ''} ${row.username ?? ''}`)
  return folded(text)
    .split(/\s+/)
    .every((word) => name.includes(word))
}

const deviceMatches = (row: SessionRow, device: string | undefined): boolean =>
  device === undefined || row.device.toLowerCase().includes(device.toLowerCase())

/** Returns whether a session comes after the place in a list with the newest first. */
const isAfter = (row: SessionRow, { openedAt, sid } = FIRST): boolean =>
  row.openedAt < openedAt || (row.openedAt === openedAt && row.sid < sid)

const matches = (row: SessionRow, { tid, text, device, before, now }: Search): boolean =>
  isLive(row, now) &&
  isAfter(row, before) &&
  (tid === undefined || row.tid === tid) &&
  textMatches(row, text) &&
  deviceMatches(row, device)

function* withParticipants(rows: SessionRow[]): Act<Found[]> {
  const found: Found[] = []
  for (const row of rows)
    found.push({
      session: yield* sessionOf(row),
      participants: yield* participantsOf.all({ sid: row.sid }),
    })
  return found
}

/** Returns the clients that took part in a session, whether or not their tokens are still valid. */
export const participantsIn = (sid: string): Act<Participant[]> => participantsOf.all({ sid })

/** Returns a user's live sessions, newest first, each with its participants. */
export function* liveSessionsOf(sub: string, now: number): Act<Found[]> {
  return yield* withParticipants(
    (yield* openOf.all({ sub, clientId: null })).filter((row) => isLive(row, now)),
  )
}

function* searchOf(sub: string, input: Search): Act<Found[]> {
  const rows = yield* openOf.all({ sub, clientId: input.clientId ?? null })
  return yield* withParticipants(rows.filter((row) => matches(row, input)).slice(0, input.limit))
}

/** The cost of a session whose whole row was read, in sessions that were only passed over. */
const ROW = 5

/**
 * Returns the matches of one window of open sessions after a place, or of as much of it as one turn
 * may read.
 */
function* windowOf(
  input: Search,
  from: SessionPlace,
  { room, size }: { room: number; size: number },
): Act<Window<Found, SessionPlace>> {
  const filters = {
    tid: input.tid ?? null,
    clientId: input.clientId ?? null,
    device: input.device?.toLowerCase() ?? null,
  }
  const { end: ending, list } = windows[filters.tid === null ? 'none' : 'tid']
  const end = yield* ending.get({ ...from, tid: filters.tid, skip: size - 1 })
  const rows = yield* list.all({
    ...from,
    ...filters,
    toOpenedAt: end?.openedAt ?? 0,
    toSid: end?.sid ?? '',
  })
  const found = yield* withParticipants(rows.filter((row) => matches(row, input)).slice(0, room))
  const whole = rows.length < PAGE
  return {
    found,
    reached: whole ? end : placeOf(rows.at(-1)),
    entries: rows.length * ROW + (whole ? size : 0),
  }
}

const placeOf = (row: SessionRow | undefined): SessionPlace | undefined =>
  row && { openedAt: row.openedAt, sid: row.sid }

/**
 * Returns one page of `searchSessions`. It looks at about `most` open sessions, and returns how far
 * it came where that was not enough. With `tid` it reads only the sessions of that tenant, so that
 * neither the matches nor the place reached depend on the sessions of others.
 */
export async function pageOfSessions(
  { read }: Pick<Engine, 'read'>,
  input: Search & { most: number },
): Promise<Searched<Found, SessionPlace>> {
  const { sub, limit, most } = input
  if (sub !== undefined)
    return { found: await read(() => searchOf(sub, input)), searchedTo: undefined }
  const size = Math.min(WINDOW, most)
  return searchBack<Found, SessionPlace>(input.before ?? FIRST, { limit, most }, (from, room) =>
    read(() => windowOf(input, from, { room, size })),
  )
}

/**
 * Searches live sessions for operators, newest first. `text` is words of a name or username in any
 * order, without regard to case and accents, or a whole oid, sub or sid.
 */
export const searchSessions = async (
  engine: Pick<Engine, 'read'>,
  input: Search,
): Promise<Found[]> => (await pageOfSessions(engine, { ...input, most: Infinity })).found
