import { z } from 'zod'
import { seconds } from '../../protocol/described.ts'
import { storedText } from '../../protocol/stored-text.ts'
import { readSessionCursor, SESSION_CURSOR, sessionCursor, sessionsBy } from '../acts/search.ts'
import { session } from './shapes.ts'
import { limit } from './fields.ts'
import { route } from './route.ts'

/** Live sessions for operators. An answer never has a cookie, a token or a sealed value. */

const cursor = z.string().regex(SESSION_CURSOR, 'has to be the next of the page before')
const page = z.object({
  sessions: z.array(session),
  next: cursor.nullable(),
  searched_to: z.object({ opened_at: seconds }).nullable(),
})

export const sessionRoutes = [
  route(
    'GET /sessions',
    {
      id: 'searchSessions',
      query: z.strictObject({
        sub: storedText().max(200).optional(),
        tid: storedText().max(64).optional(),
        client_id: storedText().max(100).optional(),
        user: storedText().max(200).optional(),
        before: cursor.optional(),
        limit,
      }),
      answers: page,
    },
    async ({ deps, now, query: { user: text, tid, before, limit: most, ...wanted } }) => {
      const bounds = { before: readSessionCursor(before), now, limit: most + 1 }
      const { found, searchedTo: to } = await sessionsBy(deps, {
        ...wanted,
        tid: tid?.toLowerCase(),
        text,
        ...bounds,
      })
      const sessions = found.slice(0, most)
      const last = found.length > most ? sessions.at(-1)?.session : to
      return {
        sessions: sessions.map(({ session: open, participants }) => ({
          ...open,
          needsMicrosoft: open.markReason,
          clients: participants,
        })),
        next: last && sessionCursor(last),
        searchedTo: to,
      }
    },
  ),
]
