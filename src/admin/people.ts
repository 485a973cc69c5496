import { Hono } from 'hono'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { announce } from '../revocation/revoke.ts'
import { jsonBody, shaped } from './body.ts'
import { callerOf, type AdminEnv } from './caller.ts'
import { Problem } from '../acts/problem.ts'
import { recorded } from '../acts/recorded.ts'

/** Forgetting a person: signed out everywhere first, then without a name. The record of it knows them by `sub` alone. */

const request = z
  .strictObject({
    sub: z.string().min(1).max(200).optional(),
    tid: z.guid('has to be a tenant id (a GUID)').optional(),
    oid: z.guid('has to be an object id (a GUID)').optional(),
    case_reference: z.string().max(200).optional(),
    comment: z.string().max(2000).optional(),
    dry_run: z.boolean().default(false),
  })
  .refine(({ sub, tid, oid }) => (sub === undefined ? tid !== undefined && oid !== undefined : tid === undefined && oid === undefined), {
    error: 'name sub, or tid and oid',
  })

export function peopleRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  routes.post('/people/erase', async (c) => {
    const caller = callerOf(c, 'administer')
    const now = deps.clock.now()
    const { case_reference: caseReference, comment, dry_run: dryRun, ...who } = shaped(request, await jsonBody(c))
    const sub = await subOf(deps, who)
    if (sub === undefined) throw new Problem(404, 'No such person', UNKNOWN)
    if (dryRun) return c.json({ dry_run: true, sub, would_end: await deps.store.previewRevocation({ kind: 'subject', sub }, now) })
    const { seq } = await recorded(
      deps,
      caller,
      { act: 'people.erase', target: `subject ${sub}`, caseReference, comment },
      async () => {
        const answer = await deps.store.erasePerson({ sub, actor: caller.actor, caseReference, comment, now })
        if (answer.outcome === 'unknown') throw new Problem(404, 'No such person', UNKNOWN)
        announce(deps, [answer.committed])
        return answer.committed.revocation
      },
      (revocation) => ({ seq: revocation.seq }),
    )
    return c.json({ erased: true, sub, seq })
  })
  return routes
}

const UNKNOWN =
  'There is nobody of that sub, or of that tenant and object id, here; GET /admin/v1/sessions?person= (cmb sessions list --person) finds a sub.'

async function subOf(deps: Deps, { sub, tid, oid }: { sub?: string | undefined; tid?: string | undefined; oid?: string | undefined }) {
  const subject =
    sub === undefined ? await deps.store.findSubjectByPerson((tid ?? '').toLowerCase(), (oid ?? '').toLowerCase()) : await deps.store.findSubject(sub)
  return subject?.sub
}
