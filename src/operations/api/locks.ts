import { Hono } from 'hono'
import { z } from 'zod'
import type { Lock } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { liftAs, lockAs, mustBeAllowed, NO_LOCK, previewedLock, resolved } from '../acts/locks.ts'
import { seconds } from '../../protocol/described.ts'
import { actorSchema } from './audit.ts'
import type { AdminEnv } from './caller.ts'
import { repeatable } from './idempotent.ts'
import { moment, namedTarget, readTarget, targetSchema, targetShown } from './lock-target.ts'
import { dryRun, previewSchema, previewShown } from './preview.ts'
import { guid, limit, named, ok, route, said, shape } from './route.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** Locks of users, tenants and clients: set, listed and lifted. */

const id = storedText().min(1).max(200)
const lock = shape('Lock', {
  id: z.string(),
  target: targetSchema,
  actor: actorSchema,
  at: seconds,
  ends_at: seconds.nullable().meta({ description: 'the broker lifts it then' }),
  case_reference: z.string().nullable(),
  comment: z.string().nullable(),
  seq: z.int().nullable().meta({ description: 'of its revocation; null where the user had not signed in yet' }),
  lifted: z.object({ at: seconds, actor: actorSchema, case_reference: z.string().nullable(), comment: z.string().nullable() }).nullable(),
})
const request = z.strictObject({
  target: namedTarget,
  ends_at: moment.optional().meta({ description: 'epoch seconds; an operator has to name one, within 24 hours' }),
  replaces: id.optional().meta({ description: 'the open lock whose place it takes; only an administrator may name one' }),
  ...said,
  dry_run: dryRun,
})
const locked = z.object({ outcome: z.enum(['locked', 'already']), lock })
const dryRunAnswer = z.object({ dry_run: z.literal(true), target: targetSchema, would_end: previewSchema, open: lock.nullable() })

const LOCK = {
  id: 'lock',
  summary: 'Locks a user, a tenant or a client at once',
  may: 'operate' as const,
  body: request,
  answers: {
    200: ok('A dry run, or locked already.', z.union([dryRunAnswer, locked])),
    201: ok('Locked.', locked),
  },
  rejects: [404, 409, 422] as const,
}
const LIST = {
  id: 'listLocks',
  summary: 'Lists locks, newest first',
  may: 'operate' as const,
  query: z.strictObject({
    state: z.enum(['open', 'lifted', 'all']).default('open'),
    kind: z.enum(['user', 'tenant', 'client']).optional(),
    tid: guid('a tenant id').optional().meta({ description: 'of a tenant, or of users' }),
    oid: guid('an object id').optional(),
    client_id: id.optional(),
    case_reference: storedText().max(200).optional(),
    before: id.optional().meta({ description: 'the next of the page before' }),
    limit,
  }),
  answers: { 200: ok('A page.', z.object({ locks: z.array(lock), next: z.string().nullable() })) },
}
const READ = {
  id: 'readLock',
  summary: 'Shows one lock',
  may: 'operate' as const,
  params: named,
  answers: { 200: ok('The lock.', lock) },
  rejects: [404] as const,
}
const LIFT = {
  id: 'liftLock',
  summary: 'Lifts a lock: its target may sign in again',
  may: 'administer' as const,
  params: named,
  body: z.strictObject({ ...said }),
  answers: { 200: ok('Lifted, or lifted already.', z.object({ outcome: z.enum(['lifted', 'already']), lock })) },
  rejects: [404] as const,
}

export function lockRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  route(routes, 'post', '/locks', { ...LOCK, repeatable: repeatable(deps) }, async ({ caller, body }, c) => {
    const now = deps.clock.now()
    const target = await resolved(deps, readTarget(body.target))
    const { ends_at: endsAt, replaces, case_reference: caseReference, comment } = body
    const asked = { target, endsAt, replaces, caseReference, comment, now }
    mustBeAllowed(caller, asked)
    if (body.dry_run) {
      const { wouldEnd, open = null } = await previewedLock(deps, target, now)
      const shown = { target: targetShown(target), would_end: await previewShown(deps, wouldEnd), open: open && lockShown(open) }
      return c.json({ dry_run: true, ...shown })
    }
    const answer = await lockAs(deps, caller, asked)
    return c.json({ outcome: answer.outcome, lock: lockShown(answer.lock) }, answer.outcome === 'locked' ? 201 : 200)
  })
  route(routes, 'get', '/locks', LIST, async ({ query }, c) => {
    const { state, kind, tid, oid, client_id: clientId, case_reference: caseReference, before, limit: most } = query
    const locks = await deps.store.listLocks({ state, kind, key: tid ?? clientId, oid, caseReference, before, limit: most })
    return c.json({ locks: locks.map(lockShown), next: locks.length < most ? null : (locks.at(-1)?.id ?? null) })
  })
  route(routes, 'get', '/locks/:id', READ, async ({ params }, c) => {
    const found = await deps.store.findLock(params.id)
    if (found === undefined) throw NO_LOCK()
    return c.json(lockShown(found))
  })
  route(routes, 'post', '/locks/:id/lift', { ...LIFT, repeatable: repeatable(deps) }, async ({ caller, params, body }, c) => {
    const asked = { id: params.id, caseReference: body.case_reference, comment: body.comment, now: deps.clock.now() }
    const answer = await liftAs(deps, caller, asked)
    return c.json({ outcome: answer.outcome, lock: lockShown(answer.lock) })
  })
  return routes
}

const lockShown = ({ id: lockId, target, actor, at, endsAt, caseReference, comment, seq, lifted }: Lock): z.output<typeof lock> => ({
  id: lockId,
  target: targetShown(target),
  actor,
  at,
  ends_at: endsAt ?? null,
  case_reference: caseReference ?? null,
  comment: comment ?? null,
  seq: seq ?? null,
  lifted:
    lifted === undefined
      ? null
      : { at: lifted.at, actor: lifted.actor, case_reference: lifted.caseReference ?? null, comment: lifted.comment ?? null },
})
