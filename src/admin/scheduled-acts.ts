import { Hono } from 'hono'
import { z } from 'zod'
import type { ScheduledAct, ScheduledWhat } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { resolved } from '../acts/locks.ts'
import { cancelAs, confirmAs, NONE, previewedAct, scheduleAs } from '../acts/scheduled.ts'
import { seconds } from '../protocol/described.ts'
import { decodeSelector, encodeSelector, selectorSchema } from '../protocol/selector.ts'
import { actorSchema } from './audit.ts'
import type { AdminEnv } from './caller.ts'
import { repeatable } from './idempotent.ts'
import { moment, namedTarget, readTarget, targetSchema, targetShown } from './lock-target.ts'
import { previewSchema, previewShown } from './preview.ts'
import { limit, named, ok, route, said, shape } from './route.ts'
import { storedText } from '../protocol/stored-text.ts'

/** Revocations and locks that wait: for their time, or for a second administrator. */

const revoking = z.strictObject({ act: z.literal('revoke'), selector: selectorSchema })
const what = z.union([revoking, z.strictObject({ act: z.literal('lock'), target: targetSchema, ends_at: seconds.nullable() })])
const by = z.object({ at: seconds, actor: actorSchema })
const STATES = ['proposed', 'scheduled', 'done', 'failed', 'cancelled', 'expired', 'held'] as const
export const actSchema = shape('ScheduledAct', {
  id: z.string(),
  what,
  wide: z.boolean().meta({ description: 'it concerns more than one user: a second administrator confirms it' }),
  due_at: seconds.nullable().meta({ description: 'null: as soon as it is confirmed' }),
  state: z
    .enum(STATES)
    .meta({ description: 'held: it came from a backup, and is not done. Enter it again where it is still wanted, and cancel this one' }),
  actor: actorSchema,
  created_at: seconds,
  case_reference: z.string().nullable(),
  comment: z.string().nullable(),
  confirm_until: seconds.nullable().meta({ description: 'of a proposal: then it expires' }),
  confirmed: by.nullable(),
  announced_at: seconds.nullable(),
  settled: by.extend({ result: z.record(z.string(), z.unknown()) }).nullable(),
})
const request = z.strictObject({
  what: z.union([revoking, z.strictObject({ act: z.literal('lock'), target: namedTarget, ends_at: moment.optional() })]),
  at: moment.meta({ description: 'epoch seconds' }),
  ...said,
  dry_run: z.boolean().default(false),
})
const dryRun = z.object({ dry_run: z.literal(true), what, would_end: previewSchema.meta({ description: 'if it were done now' }) })

const ADD = {
  id: 'scheduleAct',
  summary: 'Schedules a revocation or a lock; a wide one waits for a second administrator first',
  may: 'administer' as const,
  body: request,
  answers: { 200: ok('A dry run.', dryRun), 201: ok('Scheduled, or proposed.', actSchema) },
  rejects: [404, 409, 422] as const,
}
const LIST = {
  id: 'listScheduledActs',
  summary: 'Lists scheduled acts, newest first',
  may: 'operate' as const,
  query: z.strictObject({
    state: z.enum(STATES).optional(),
    before: storedText().min(1).max(200).optional().meta({ description: 'the next of the page before' }),
    limit,
  }),
  answers: { 200: ok('A page.', z.object({ acts: z.array(actSchema), next: z.string().nullable() })) },
}
const one = { params: named, answers: { 200: ok('The act as it is now.', actSchema) } }
const READ = { id: 'readScheduledAct', summary: 'Shows one scheduled act', may: 'operate' as const, ...one, rejects: [404] as const }
const CONFIRM = {
  id: 'confirmScheduledAct',
  summary: 'Confirms an act that another administrator proposed; does it at once if it is due',
  may: 'administer' as const,
  ...one,
  rejects: [404, 409] as const,
}
const CANCEL = { ...CONFIRM, id: 'cancelScheduledAct', summary: 'Cancels a waiting act' }

export function scheduledActRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  route(routes, 'post', '/scheduled-acts', { ...ADD, repeatable: repeatable(deps) }, async ({ caller, body }, c) => {
    const now = deps.clock.now()
    const wanted = await readWhat(deps, body.what)
    if (body.dry_run)
      return c.json({ dry_run: true, what: whatShown(wanted), would_end: await previewShown(deps, (await previewedAct(deps, wanted, now)).wouldEnd) })
    const { at: dueAt, case_reference: caseReference, comment } = body
    return c.json(actShown(await scheduleAs(deps, caller, { what: wanted, dueAt, caseReference, comment, now })), 201)
  })
  route(routes, 'get', '/scheduled-acts', LIST, async ({ query }, c) => {
    const acts = await deps.store.listScheduledActs(query)
    return c.json({ acts: acts.map(actShown), next: acts.length < query.limit ? null : (acts.at(-1)?.id ?? null) })
  })
  route(routes, 'get', '/scheduled-acts/:id', READ, async ({ params }, c) => {
    const act = await deps.store.findScheduledAct(params.id)
    if (act === undefined) throw NONE()
    return c.json(actShown(act))
  })
  route(routes, 'post', '/scheduled-acts/:id/confirm', CONFIRM, async ({ caller, params }, c) =>
    c.json(actShown(await confirmAs(deps, caller, params.id, deps.clock.now()))),
  )
  route(routes, 'post', '/scheduled-acts/:id/cancel', CANCEL, async ({ caller, params }, c) =>
    c.json(actShown(await cancelAs(deps, caller, params.id, deps.clock.now()))),
  )
  return routes
}

async function readWhat(deps: Deps, wanted: z.output<typeof request>['what']): Promise<ScheduledWhat> {
  if (wanted.act === 'revoke') return { act: 'revoke', selector: decodeSelector(wanted.selector) }
  return { act: 'lock', target: await resolved(deps, readTarget(wanted.target)), endsAt: wanted.ends_at }
}

const whatShown = (shown: ScheduledWhat): z.output<typeof what> =>
  shown.act === 'revoke'
    ? { act: 'revoke', selector: encodeSelector(shown.selector) }
    : { act: 'lock', target: targetShown(shown.target), ends_at: shown.endsAt ?? null }

export const actShown = (act: ScheduledAct): z.output<typeof actSchema> => ({
  id: act.id,
  what: whatShown(act.what),
  wide: act.wide,
  due_at: act.dueAt ?? null,
  state: act.state,
  actor: act.actor,
  created_at: act.createdAt,
  case_reference: act.caseReference ?? null,
  comment: act.comment ?? null,
  confirm_until: act.confirmUntil ?? null,
  confirmed: act.confirmed ?? null,
  announced_at: act.announcedAt ?? null,
  settled: act.settled ?? null,
})
