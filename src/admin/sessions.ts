import { Hono } from 'hono'
import { z } from 'zod'
import type { Participant, Session } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { limit, query } from './body.ts'
import { callerOf, type AdminEnv } from './caller.ts'

/** Who is signed in, for operators: whole persons only by what they search, and never a cookie, a token or a sealed value. */

const search = z.object({
  sub: z.string().max(200).optional(),
  tid: z.string().max(64).optional(),
  client_id: z.string().max(64).optional(),
  person: z.string().max(200).optional(),
  limit,
})

export function sessionRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  routes.get('/sessions', async (c) => {
    callerOf(c, 'operate')
    const { sub, tid, client_id: clientId, person: text, limit: most } = query(c, search)
    const found = await deps.store.searchSessions({ sub, tid: tid?.toLowerCase(), clientId, text, now: deps.clock.now(), limit: most + 1 })
    return c.json({ sessions: found.slice(0, most).map(shown), more: found.length > most })
  })
  return routes
}

function shown({ session, participants }: { session: Session; participants: Participant[] }): Record<string, unknown> {
  const { person } = session
  return {
    sid: session.sid,
    sub: session.sub,
    person: { tid: person.tid, oid: person.oid, name: person.name ?? null, username: person.username ?? null },
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
