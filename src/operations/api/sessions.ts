import { readSessionCursor, SESSION_CURSOR, sessionCursor } from '../acts/session-cursor.ts'
import { Hono } from 'hono'
import { z } from 'zod'
import type { Participant, Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { seconds } from '../../protocol/described.ts'
import type { AdminEnv } from './caller.ts'
import { sessionsBy } from '../acts/search.ts'
import { limit, ok, route, searchedTo, shape } from './route.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** Who is signed in, for operators: whole users only by what they search, and never a cookie, a token or a sealed value. */

const cursor = z.string().regex(SESSION_CURSOR, 'has to be the next of the page before')
const search = z.strictObject({
  sub: storedText().max(200).optional(),
  tid: storedText().max(64).optional(),
  client_id: storedText().max(100).optional().meta({ description: 'where they took part' }),
  user: storedText().max(200).optional().meta({ description: 'beginnings of words of a name or username; or a whole oid, sub or sid' }),
  before: cursor.optional().meta({ description: 'the next of the page before' }),
  limit,
})
const session = shape('Session', {
  sid: z.string(),
  sub: z.string(),
  user: z.object({ tid: z.string(), oid: z.string(), name: z.string().nullable(), username: z.string().nullable() }),
  device: z.string(),
  opened_at: seconds,
  auth_time: seconds,
  last_active_at: seconds,
  absolute_at: seconds,
  stay_signed_in: z.boolean(),
  needs_microsoft: z.string().nullable().meta({ description: 'why Microsoft is asked again at the next visit' }),
  clients: z.array(z.object({ client_id: z.string(), first_at: seconds, last_at: seconds })),
})
const about = {
  id: 'searchSessions',
  summary: 'Lists live sessions, newest first',
  may: 'operate' as const,
  query: search,
  answers: { 200: ok('A page.', z.object({ sessions: z.array(session), next: cursor.nullable(), searched_to: searchedTo({ opened_at: seconds }) })) },
}

export function sessionRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  route(routes, 'get', '/sessions', about, async ({ query: { sub, tid, client_id: clientId, user: text, before, limit: most } }, c) => {
    const now = deps.clock.now()
    const { found, searchedTo: to } = await sessionsBy(deps, {
      sub,
      tid: tid?.toLowerCase(),
      clientId,
      text,
      before: readSessionCursor(before),
      now,
      limit: most + 1,
    })
    const page = found.slice(0, most)
    const last = found.length > most ? page.at(-1)?.session : to
    const searched = to === undefined ? null : { opened_at: to.openedAt }
    return c.json({ sessions: page.map(shown), next: last === undefined ? null : sessionCursor(last), searched_to: searched })
  })
  return routes
}

function shown({ session, participants }: { session: Session; participants: Participant[] }): Record<string, unknown> {
  const { user } = session
  return {
    sid: session.sid,
    sub: session.sub,
    user: { tid: user.tid, oid: user.oid, name: user.name ?? null, username: user.username ?? null },
    device: session.device,
    opened_at: session.openedAt,
    auth_time: session.authTime,
    last_active_at: session.lastActiveAt,
    absolute_at: session.absoluteAt,
    stay_signed_in: session.staySignedIn,
    needs_microsoft: session.markReason ?? null,
    clients: participants.map((one) => ({ client_id: one.clientId, first_at: one.firstAt, last_at: one.lastAt })),
  }
}
