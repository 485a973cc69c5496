import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { Caller } from '../../clients/caller.ts'
import type { HeldRecord } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { AdminEnv } from './caller.ts'
import { previewSchema, previewShown } from './preview.ts'
import { guid, ok, route, said, shape } from './route.ts'
import { Problem } from '../../clients/problem.ts'
import { recorded } from '../../clients/with-audit.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** What is held about a user, and forgetting them: signed out everywhere first, then without a name. The audit log knows them by `sub` alone. */

const how = { ...said, dry_run: z.boolean().default(false) }
const request = z.union(
  [z.strictObject({ sub: storedText().min(1).max(200), ...how }), z.strictObject({ tid: guid('a tenant id'), oid: guid('an object id'), ...how })],
  'name sub, or tid and oid (GUIDs)',
)
const about = {
  id: 'eraseUser',
  summary: 'Erases a user, by sub or by tid and oid: signs them out everywhere, then deletes name and address',
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

const exportRequest = z.union(
  [
    z.strictObject({ sub: storedText().min(1).max(200), ...said }),
    z.strictObject({ tid: guid('a tenant id'), oid: guid('an object id'), ...said }),
    z.strictObject({ next: storedText().min(1).max(1000) }),
  ],
  'name sub, or tid and oid (GUIDs); for the next page, send next alone',
)
const heldSchema = shape('HeldRecord', {
  kind: z.enum(['user', 'floor', 'lock', 'consent', 'microsoft_work', 'audit', 'history', 'session', 'participation', 'delivery', 'revocation']),
  values: z.record(z.string(), z.union([z.string(), z.number(), z.null()])),
})
const aboutExport = {
  id: 'exportUser',
  summary: 'Exports what the broker holds about a user, in pages: send `next` back until it is null',
  may: 'administer' as const,
  body: exportRequest,
  answers: {
    200: ok('A page. It may be empty and have a next one.', z.object({ sub: z.string(), records: z.array(heldSchema), next: z.string().nullable() })),
  },
  rejects: [404] as const,
}

/** Rows looked at for one page of an answer, in acts of a bounded number each. */
const [ROWS_IN_AN_ACT, ACTS_IN_A_PAGE, RECORDS] = [500, 20, 200]
const PLACE = 'users/export'
interface Place {
  sub: string
  cursor: string | undefined
}

/** The place of the next page is sealed: it comes only from a page before it, whose first is in the audit log. */
async function exportPage(deps: Deps, { caller, body }: { caller: Caller; body: z.output<typeof exportRequest> }, c: Context): Promise<Response> {
  const place = 'next' in body ? openPlace(deps, body.next) : await begin(deps, caller, body)
  const found: HeldRecord[] = []
  let cursor = place.cursor
  for (let acts = 0; acts < ACTS_IN_A_PAGE && found.length < RECORDS; acts++) {
    const page = await deps.store.exportUser({ sub: place.sub, cursor, limit: ROWS_IN_AN_ACT })
    if (page === undefined) throw new Problem(404, 'No such user', UNKNOWN)
    found.push(...page.records)
    cursor = page.next
    if (cursor === undefined) break
  }
  const next = cursor === undefined ? null : deps.sealer.seal(PLACE, JSON.stringify({ sub: place.sub, cursor } satisfies Place))
  return c.json({ sub: place.sub, records: found, next })
}

function openPlace({ sealer }: Deps, next: string): Place {
  const opened = sealer.open(PLACE, next)
  if (opened === undefined) throw new Problem(404, 'No such page', 'Send next exactly as the previous page returned it.')
  return JSON.parse(opened.toString('utf8')) as Place
}

type Named = Exclude<z.output<typeof exportRequest>, { next: string }>

async function begin(deps: Deps, caller: Caller, { case_reference: caseReference, comment, ...who }: Named): Promise<Place> {
  const sub = await subOf(deps, who)
  if (sub === undefined) throw new Problem(404, 'No such user', UNKNOWN)
  return recorded(deps, caller, { act: 'users.export', target: `subject ${sub}`, caseReference, comment }, async () => ({ sub, cursor: undefined }))
}

export function userRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  const erase = async ({ caller, body }: { caller: Caller; body: z.output<typeof request> }, c: Context): Promise<Response> => {
    const now = deps.clock.now()
    const { case_reference: caseReference, comment, dry_run: dryRun, ...who } = body
    const sub = await subOf(deps, who)
    if (sub === undefined) throw new Problem(404, 'No such user', UNKNOWN)
    if (dryRun)
      return c.json({ dry_run: true, sub, would_end: await previewShown(deps, await deps.store.previewRevocation({ kind: 'subject', sub }, now)) })
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
  route(routes, 'post', '/users/export', aboutExport, (asked, c) => exportPage(deps, asked, c))
  route(routes, 'post', '/users/erase', about, erase)
  return routes
}

const UNKNOWN = 'No user has that sub, or that tenant and object id; GET /admin/v1/sessions?user= (cmb sessions list --user) finds a sub.'

async function subOf({ store }: Deps, who: { sub: string } | { tid: string; oid: string }): Promise<string | undefined> {
  const subject = 'sub' in who ? await store.findSubject(who.sub) : await store.findSubjectByUser(who.tid, who.oid)
  return subject?.sub
}
