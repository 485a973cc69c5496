import { setImmediate as turn } from 'node:timers/promises'
import type { SignInActs } from '../store.ts'
import type { Participant, Session } from '../types.ts'
import type { Core } from './core.ts'
import { SESSION_COLUMNS, SESSION_FROM } from './session-rows.ts'
import type { SessionRow, Sessions } from './session-rows.ts'

/** Live sessions with who took part, as a user and as an operator looks for them. */

interface ParticipantRow {
  sid: string
  client_id: string
  first_at: number
  last_at: number
}

type Found = { session: Session; participants: Participant[] }
type Search = Parameters<SignInActs['searchSessions']>[0]

/** Read at a time; between two pages the event loop has its turn, because a search may come to nothing among many. */
const PAGE = 250
const FIRST = { openedAt: Number.MAX_SAFE_INTEGER, sid: '' }

const participantOf = (row: ParticipantRow): Participant => ({
  sid: row.sid,
  clientId: row.client_id,
  firstAt: row.first_at,
  lastAt: row.last_at,
})

const deviceMatches = (row: SessionRow, device: string | undefined): boolean =>
  device === undefined || row.device.toLowerCase().includes(device.toLowerCase())

function textMatches(row: SessionRow, text: string | undefined): boolean {
  if (text === undefined) return true
  if (row.sid === text || row.sub === text || row.oid === text.toLowerCase()) return true
  const name = folded(`${row.name ?? ''} ${row.username ?? ''}`)
  return folded(text)
    .split(/\s+/)
    .every((word) => name.includes(word))
}

/** Without case and accents: "bjorn" finds Björn. */
const folded = (value: string): string => value.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().trim()

/** In a list of the newest first. */
const isAfter = ({ session }: Found, { openedAt, sid }: { openedAt: number; sid: string } = FIRST): boolean =>
  session.openedAt < openedAt || (session.openedAt === openedAt && session.sid < sid)

export function liveSessions({ db, read }: Pick<Core, 'db' | 'read'>, sessions: Sessions) {
  const participantsOf = db.prepare<[string], ParticipantRow>('SELECT * FROM participants WHERE sid = ? ORDER BY first_at, client_id')
  const openOf = db.prepare<[string], SessionRow>(
    `SELECT ${SESSION_COLUMNS} FROM ${SESSION_FROM} WHERE s.sub = ? AND s.ended_seq IS NULL ORDER BY s.opened_at DESC, s.sid DESC`,
  )
  const page = db.prepare<[number, string], SessionRow>(`SELECT ${SESSION_COLUMNS} FROM ${SESSION_FROM}
    WHERE s.ended_seq IS NULL AND (s.opened_at, s.sid) < (?, ?) ORDER BY s.opened_at DESC, s.sid DESC LIMIT ${PAGE}`)

  const participants = (sid: string): Participant[] => participantsOf.all(sid).map(participantOf)

  const found = (row: SessionRow, { sub, tid, clientId, text, device, now }: Partial<Search> & { now: number }): Found | undefined => {
    if ((sub !== undefined && row.sub !== sub) || (tid !== undefined && row.tid !== tid)) return undefined
    if (!textMatches(row, text) || !deviceMatches(row, device)) return undefined
    const standing = sessions.standing(row, now)
    if (standing.state !== 'live' && standing.state !== 'marked') return undefined
    const took = participants(row.sid)
    return clientId === undefined || took.some((one) => one.clientId === clientId) ? { session: standing.session, participants: took } : undefined
  }

  const liveSessionsOf = (sub: string, now: number): Promise<Found[]> =>
    read(() =>
      openOf
        .all(sub)
        .map((row) => found(row, { now }))
        .filter((one) => one !== undefined),
    )

  const search = async (input: Search): Promise<Found[]> => {
    const matches: Found[] = []
    let { openedAt, sid } = input.before ?? FIRST
    for (;;) {
      const last = await read(() => {
        const rows = page.all(openedAt, sid)
        for (const row of rows) {
          const match = matches.length < input.limit ? found(row, input) : undefined
          if (match !== undefined) matches.push(match)
        }
        return rows.length === PAGE ? rows.at(-1) : undefined
      })
      if (last === undefined || matches.length >= input.limit) return matches
      openedAt = last.opened_at
      sid = last.sid
      await turn()
    }
  }

  return {
    participants: (sid) => read(() => participants(sid)),
    liveSessionsOf,
    searchSessions: async (input) =>
      input.sub === undefined
        ? search(input)
        : read(
            () =>
              openOf
                .all(input.sub ?? '')
                .map((row) => found(row, input))
                .filter((one) => one !== undefined && isAfter(one, input.before))
                .slice(0, input.limit) as Found[],
          ),
  } satisfies Partial<SignInActs>
}
