import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { Caller } from '../acts/caller.ts'
import type { Deps } from '../deps.ts'
import type { AdminEnv } from './caller.ts'
import { previewSchema } from './revocations.ts'
import { ok, route, said } from './route.ts'
import { Problem } from '../acts/problem.ts'
import { recorded } from '../acts/recorded.ts'

/** Forgetting a user: signed out everywhere first, then without a name. The record of it knows them by `sub` alone. */

const how = { ...said, dry_run: z.boolean().default(false) }
const guid = (what: string) => z.guid(`has to be ${what} (a GUID)`).toLowerCase()
const request = z.union(
  [z.strictObject({ sub: z.string().min(1).max(200), ...how }), z.strictObject({ tid: guid('a tenant id'), oid: guid('an object id'), ...how })],
  'name sub, or tid and oid (GUIDs)',
)
const about = {
  id: 'eraseUser',
  summary: 'Signs a user out everywhere, then forgets name and address: by sub, or by tid and oid',
  may: 'administer' as const,
  body: request,
  answers: {
    200: ok(
      'Erased, or what it would end.',
      z.union([
        z.object({ erased: z.literal(true), sub: z.string(), seq: z.int() }),
        z.object({ dry_run: z.literal(true), sub: z.string(), would_end: previewSchema }),
      ]),
    ),
  },
  rejects: [404] as const,
}

export function userRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  const erase = async ({ caller, body }: { caller: Caller; body: z.output<typeof request> }, c: Context): Promise<Response> => {
    const now = deps.clock.now()
    const { case_reference: caseReference, comment, dry_run: dryRun, ...who } = body
    const sub = await subOf(deps, who)
    if (sub === undefined) throw new Problem(404, 'No such user', UNKNOWN)
    if (dryRun) return c.json({ dry_run: true, sub, would_end: await deps.store.previewRevocation({ kind: 'subject', sub }, now) })
    const { seq } = await recorded(
      deps,
      caller,
      { act: 'users.erase', target: `subject ${sub}`, caseReference, comment },
      async () => {
        const answer = await deps.store.eraseUser({ sub, actor: caller.actor, caseReference, comment, now })
        if (answer.outcome === 'unknown') throw new Problem(404, 'No such user', UNKNOWN)
        return answer.committed.revocation
      },
      (revocation) => ({ seq: revocation.seq }),
    )
    return c.json({ erased: true, sub, seq })
  }
  route(routes, 'post', '/users/erase', about, erase)
  route(routes, 'post', '/people/erase', { ...about, id: 'erasePerson', deprecated: true }, erase)
  return routes
}

const UNKNOWN =
  'There is nobody of that sub, or of that tenant and object id, here; GET /admin/v1/sessions?user= (cmb sessions list --user) finds a sub.'

async function subOf({ store }: Deps, who: { sub: string } | { tid: string; oid: string }): Promise<string | undefined> {
  const subject = 'sub' in who ? await store.findSubject(who.sub) : await store.findSubjectByUser(who.tid, who.oid)
  return subject?.sub
}
