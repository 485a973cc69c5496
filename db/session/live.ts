import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { folded } from '../../src/protocol/fold.ts'
import type { Act, Engine } from '../engine/act.ts'
import { hidden } from '../engine/dialect.ts'
import { columnsOf, query } from '../engine/statement.ts'
import type { RowOf, Takes } from '../engine/statement.ts'
import { participants, sessions } from '../schema.ts'
import type { SignInActs } from '../store.ts'
import type { Participant, Session } from '../types.ts'
import { isLive, sessionFields, sessionOf, sessionsAndUsers } from './row.ts'
import type { SessionRow } from './row.ts'

/** Live sessions with who took part, as a user and as an operator looks for them. */

/** Read at a time; between two pages the event loop has its turn, because a search may come to nothing among many. */
const PAGE = 250
const FIRST = { openedAt: Number.MAX_SAFE_INTEGER, sid: '' }

const participantsOf = query(
  columnsOf(participants, 'sid', 'clientId', 'firstAt', 'lastAt'),
  (p: Takes<{ sid: string }>, f) =>
    sql`SELECT ${f} FROM ${participants} WHERE ${participants.sid} = ${p.sid} ORDER BY ${participants.firstAt}, ${participants.clientId}`,
)
const foundFields = {
  ...sessionFields,
  /** Whether the client that is searched for took part: 1 or 0. */
  tookPart: sql<number>`CASE WHEN EXISTS (SELECT 1 FROM ${participants}
    WHERE ${participants.sid} = ${sessions.sid} AND ${participants.clientId} = ${sql.placeholder('clientId')}) THEN 1 ELSE 0 END`,
}
type FoundRow = RowOf<typeof foundFields>
const newestFirst = sql`ORDER BY ${sessions.openedAt} DESC, ${sessions.sid} DESC`
const openOf = query(
  foundFields,
  (p: Takes<{ sub: string; clientId: string | undefined }>, f) =>
    sql`SELECT ${f} FROM ${sessionsAndUsers} WHERE ${sessions.sub} = ${hidden(p.sub)} AND ${sessions.endedSeq} IS NULL ${newestFirst}`,
)
const page = query(
  foundFields,
  (p: Takes<{ openedAt: number; sid: string; clientId: string | undefined }>, f) =>
    sql`SELECT ${f} FROM ${sessionsAndUsers} WHERE ${sessions.endedSeq} IS NULL AND (${sessions.openedAt}, ${sessions.sid}) < (${p.openedAt}, ${p.sid})
      ${newestFirst} LIMIT ${sql.raw(String(PAGE))}`,
)

type Found = { session: Session; participants: Participant[] }
type Search = Parameters<SignInActs['searchSessions']>[0]

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

/** In a list of the newest first. */
const isAfter = (row: SessionRow, { openedAt, sid } = FIRST): boolean => row.openedAt < openedAt || (row.openedAt === openedAt && row.sid < sid)

const matches = (row: FoundRow, { tid, clientId, text, device, before, now }: Search): boolean =>
  isLive(row, now) &&
  isAfter(row, before) &&
  (tid === undefined || row.tid === tid) &&
  (clientId === undefined || row.tookPart === 1) &&
  textMatches(row, text) &&
  deviceMatches(row, device)

function* withParticipants(rows: SessionRow[]): Act<Found[]> {
  const found: Found[] = []
  for (const row of rows) found.push({ session: yield* sessionOf(row), participants: yield* participantsOf.all({ sid: row.sid }) })
  return found
}

export const participantsIn = (sid: string): Act<Participant[]> => participantsOf.all({ sid })

export function* liveSessionsOf(sub: string, now: number): Act<Found[]> {
  return yield* withParticipants((yield* openOf.all({ sub, clientId: undefined })).filter((row) => isLive(row, now)))
}

function* searchOf(sub: string, input: Search): Act<Found[]> {
  const rows = yield* openOf.all({ sub, clientId: input.clientId })
  return yield* withParticipants(rows.filter((row) => matches(row, input)).slice(0, input.limit))
}

/** @param room how many more are wanted */
function* searchPage(input: Search, from: typeof FIRST, room: number): Act<{ found: Found[]; last: SessionRow | undefined }> {
  const rows = yield* page.all({ openedAt: from.openedAt, sid: from.sid, clientId: input.clientId })
  const found = yield* withParticipants(rows.filter((row) => matches(row, input)).slice(0, room))
  return { found, last: rows.length === PAGE ? rows.at(-1) : undefined }
}

const ofTenant = query(
  foundFields,
  (p: Takes<{ tid: string; after: string; clientId: string | undefined }>, f) => sql`SELECT ${f} FROM ${sessionsAndUsers}
    WHERE ${sessions.tid} = ${hidden(p.tid)} AND ${sessions.endedSeq} IS NULL AND ${sessions.sid} > ${p.after}
    ORDER BY ${sessions.sid} LIMIT ${sql.raw(String(PAGE))}`,
)

/** By the index of the tenant's open sessions: what other tenants have costs nothing, and shows in nothing. */
export async function sessionsOfTenant({ read }: Pick<Engine, 'read'>, input: Parameters<SignInActs['sessionsOfTenant']>[0]): Promise<Found[]> {
  const { tid, text, after = '', limit, now } = input
  const all: Found[] = []
  for (let from = after; ; await turn()) {
    const at = from
    const rows = await read(() => ofTenant.all({ tid, after: at, clientId: undefined }))
    const fitting = rows.filter((row) => isLive(row, now) && textMatches(row, text)).slice(0, limit - all.length)
    all.push(...(await read(() => withParticipants(fitting))))
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE || all.length >= limit) return all
    from = last.sid
  }
}

export async function searchSessions({ read }: Pick<Engine, 'read'>, input: Search): Promise<Found[]> {
  const { sub, limit } = input
  if (sub !== undefined) return read(() => searchOf(sub, input))
  const all: Found[] = []
  for (let from = input.before ?? FIRST; ; await turn()) {
    const at = from
    const { found, last } = await read(() => searchPage(input, at, limit - all.length))
    all.push(...found)
    if (last === undefined || all.length >= limit) return all
    from = last
  }
}
