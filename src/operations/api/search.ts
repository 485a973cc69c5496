import { Hono } from 'hono'
import { z } from 'zod'
import { LONGEST_SEARCH, searched, type Hits } from '../acts/search.ts'
import type { Deps } from '../deps.ts'
import { seconds } from '../../protocol/described.ts'
import type { AdminEnv } from './caller.ts'
import { loggedShown, revocationSchema } from './revocations.ts'
import { ok, route, shape } from './route.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** One search for a user, a client, a session, a revocation or a case. */

const user = shape('FoundUser', {
  sub: z.string(),
  tid: z.string(),
  oid: z.string(),
  name: z.string().nullable(),
  username: z.string().nullable(),
})
const session = shape('FoundSession', {
  sid: z.string(),
  sub: z.string(),
  state: z.enum(['live', 'marked', 'ended']).meta({ description: 'marked: it is live, and Microsoft is asked again at the next visit' }),
  device: z.string(),
  opened_at: seconds,
  ended_seq: z.int().nullable().meta({ description: 'the revocation that ended it' }),
})
const hits = z.object({
  users: z.array(user),
  more_users: z.boolean().meta({ description: 'more users may match: add a word' }),
  clients: z.array(z.object({ client_id: z.string(), client_name: z.string() })),
  sessions: z.array(session),
  revocations: z.array(revocationSchema),
  cases: z
    .array(z.object({ case_reference: z.string(), revocations: z.int(), locks: z.int() }))
    .meta({ description: 'at most 20 of each are counted' }),
})
const SEARCH = {
  id: 'search',
  summary: 'Finds users, clients, sessions, revocations and cases',
  may: 'operate' as const,
  query: z.strictObject({
    q: storedText().trim().min(1).max(LONGEST_SEARCH).meta({
      description:
        'beginnings of words of a name, username or address, in any order, without regard to case and accents; or a whole sub, oid, client id, sid, revocation number or case reference',
    }),
  }),
  answers: { 200: ok('What was found, by kind.', hits) },
}

export function searchRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  route(routes, 'get', '/search', SEARCH, async ({ query: { q } }, c) => c.json(shown(await searched(deps, q, deps.clock.now()))))
  return routes
}

const shown = ({ users, moreUsers, clients, sessions, revocations, cases }: Hits): Record<string, unknown> => ({
  users: users.map(({ sub, tid, oid, name, username }) => ({ sub, tid, oid, name: name ?? null, username: username ?? null })),
  more_users: moreUsers,
  clients: clients.map(({ clientId, metadata }) => ({ client_id: clientId, client_name: metadata.name })),
  sessions: sessions.map(({ session: { sid, sub, device, openedAt, ended }, state }) => ({
    ...{ sid, sub, state, device, opened_at: openedAt },
    ended_seq: ended?.seq ?? null,
  })),
  revocations: revocations.map(loggedShown),
  cases: cases.map((one) => ({ case_reference: one.caseReference, revocations: one.revocations, locks: one.locks })),
})
