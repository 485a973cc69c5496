import { Hono } from 'hono'
import { z } from 'zod'
import type { DeliveryTotals, LoggedRevocation, Revocation } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { milliseconds, seconds } from '../../protocol/described.ts'
import { decodeSelector, encodeSelector, selectorSchema } from '../../protocol/selector.ts'
import { actorSchema } from './audit.ts'
import type { AdminEnv } from './caller.ts'
import { repeatable } from './idempotent.ts'
import { deliveryCursor, deliveryPage, deliverySchema, deliveryShown } from './deliveries.ts'
import { REASONS } from '../../protocol/revocation.ts'
import { dryRun, previewSchema, previewShown } from './preview.ts'
import { instant, limit, ok, proofLimit, route, said, searchedTo, seqNumber, shape } from './route.ts'
import { JSON_LINES, linesResponse } from '../acts/audit.ts'
import { evidenceOf } from '../acts/evidence.ts'
import { guardProof } from '../acts/guards.ts'
import { Problem } from '../../clients/problem.ts'
import { MOST_ENTRIES } from '../acts/searched.ts'
import { totalOf } from '../acts/totals.ts'
import { previewed, revokeAs, tenantsWithoutAuthTime } from '../acts/revocations.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** An operator's revocations, and the log of all of them, each with its deliveries and their proof. */

const request = z.strictObject({
  selector: selectorSchema,
  reason: z.literal('administrator').optional(),
  ...said,
  dry_run: dryRun,
})
const revocation = z.object({
  seq: z.int(),
  selector: selectorSchema,
  reason: z.string(),
  actor: actorSchema,
  at: seconds,
  case_reference: z.string().nullable(),
  comment: z.string().nullable(),
  sessions: z
    .int()
    .nullable()
    .meta({ description: 'how many it ended; of a client or a grant, how many it took part in; null until they are counted' }),
  fan_out: z.enum(['complete', 'pending']),
})
const totals = shape('DeliveryTotals', {
  total: z.int(),
  pending: z.int(),
  delivered: z.int(),
  rejected: z.int(),
  failed: z.int(),
  superseded: z.int().meta({ description: 'other deliveries replace them' }),
  closed: z.int(),
}).meta({ description: 'of those written: while fan_out is pending, more may come' })
const logged = revocation.extend({ totals })
export const revocationSchema = logged.meta({ id: 'Revocation' })
const revoked = revocation.extend({
  outcome: z.literal('revoked'),
  tenants_without_auth_time: z.array(z.string()).meta({ description: 'of those concerned: no fresh sign-in can be demanded of their users' }),
})
const already = z.object({ outcome: z.literal('already'), selector: selectorSchema })
const dryRunAnswer = z.object({ dry_run: z.literal(true), selector: selectorSchema, would_end: previewSchema })
const guards = z.array(
  z.object({
    client_id: z.string(),
    guard_id: z.string(),
    state: z.enum(['enforced', 'covered', 'waiting', 'gone']).meta({
      description: 'covered: it came later, and its first snapshot held the revocation. gone: not connected, and it had not reported it',
    }),
    enforced: z.boolean().meta({ description: 'it enforces this revocation' }),
    no_later_than_ms: milliseconds.nullable().meta({ description: 'by its own reports, it enforced it no later than then' }),
    reported_at_ms: milliseconds.meta({ description: 'its latest report of all' }),
  }),
)
const proofSchema = logged.extend({ deliveries: z.array(deliverySchema), next: deliveryCursor.nullable(), guards })
const listed = z.object({
  revocations: z.array(revocationSchema),
  next: z.int().nullable().meta({ description: 'before of the next page' }),
  searched_to: searchedTo({ seq: z.int(), at: seconds }),
})

const REVOKE = {
  id: 'revoke',
  summary: 'Revokes: effective when this answers, with the deliveries committed',
  may: 'administer' as const,
  body: request,
  answers: {
    200: ok('A dry run, or revoked already.', z.union([dryRunAnswer, already])),
    201: ok('Revoked.', revoked),
  },
  rejects: [404] as const,
}
const filter = storedText().min(1).max(200).optional()
const LIST = {
  id: 'listRevocations',
  summary: 'Lists revocations, newest first',
  may: 'operate' as const,
  query: z.strictObject({
    sub: filter.meta({ description: 'of this user: what was revoked for them, and what ended a session or a grant of theirs' }),
    client_id: filter.meta({ description: 'of this client, or of its grant in one session' }),
    case_reference: filter,
    reason: z.enum(REASONS).optional(),
    actor: filter.meta({ description: 'the id of who asked for it' }),
    since: instant.optional(),
    until: instant.optional().meta({ description: 'not included' }),
    before: seqNumber.optional(),
    limit,
  }),
  answers: { 200: ok('A page of it.', listed) },
}
const READ = {
  id: 'readRevocation',
  summary: 'Shows one revocation with its proof: deliveries, attempts, guards',
  may: 'operate' as const,
  params: z.strictObject({ seq: seqNumber }),
  query: z.strictObject({ before: deliveryCursor, limit: proofLimit }),
  answers: { 200: ok('The revocation and a page of its deliveries.', proofSchema) },
  rejects: [404] as const,
}

const EVIDENCE = {
  id: 'readEvidence',
  summary: 'Exports signed evidence of one revocation, one JSON object a line; cmb evidence verify checks it without the broker',
  may: 'operate' as const,
  params: z.strictObject({ seq: seqNumber }),
  answers: { 200: ['The lines; the last signs the others.', { [JSON_LINES]: z.string() }] as const },
  rejects: [404] as const,
}

export function revocationRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  route(routes, 'post', '/revocations', { ...REVOKE, repeatable: repeatable(deps) }, async ({ caller, body: wanted }, c) => {
    const now = deps.clock.now()
    const what = decodeSelector(wanted.selector)
    if (wanted.dry_run)
      return c.json({ dry_run: true, selector: wanted.selector, would_end: await previewShown(deps, await previewed(deps, what, now)) })
    const answer = await revokeAs(deps, caller, what, { now, caseReference: wanted.case_reference, comment: wanted.comment })
    if (answer.outcome !== 'revoked') return c.json({ outcome: answer.outcome, selector: wanted.selector })
    const { revocation: done } = answer.committed
    return c.json({ outcome: 'revoked', ...shown(done), tenants_without_auth_time: await tenantsWithoutAuthTime(deps, done) }, 201)
  })
  route(routes, 'get', '/revocations', LIST, async ({ query }, c) => {
    const { client_id: clientId, case_reference: caseReference, actor: actorId, ...rest } = query
    const { found, searchedTo: to } = await deps.store.pageOfRevocations({ ...rest, clientId, caseReference, actorId, most: MOST_ENTRIES })
    const last = found.length < query.limit ? to : found.at(-1)
    return c.json({ revocations: found.map(loggedShown), next: last?.seq ?? null, searched_to: to ?? null })
  })
  route(routes, 'get', '/revocations/:seq', READ, async ({ params: { seq }, query }, c) => {
    const one = await known(deps, seq)
    return c.json({ ...loggedShown(one), ...(await proof(deps, one, { seq, ...query })) })
  })
  route(routes, 'get', '/revocations/:seq/evidence', EVIDENCE, async ({ params: { seq } }) => {
    const one = await known(deps, seq)
    return linesResponse(evidenceOf(deps, one))
  })
  return routes
}

/** @throws Problem 404 */
async function known(deps: Deps, seq: number): Promise<LoggedRevocation> {
  const one = await deps.store.findRevocation(seq)
  if (one !== undefined) return one
  throw new Problem(404, 'No such revocation', 'The log has no revocation of that number; GET /admin/v1/revocations lists them.')
}

/** Each delivery with its attempts: when, how it ended, status, latency and the logout token's `jti`. And which guards enforce it. */
async function proof(
  deps: Deps,
  revocation: LoggedRevocation,
  wanted: { seq: number; before?: string | undefined; limit: number },
): Promise<Record<string, unknown>> {
  const { found, next } = await deliveryPage(deps, wanted)
  const deliveries = await Promise.all(found.map(async (one) => deliveryShown(one, await deps.store.attemptsOf(one.id))))
  return { deliveries, next, guards: await guardProof(deps, revocation) }
}

function shown(revocation: Revocation): Record<string, unknown> {
  return {
    seq: revocation.seq,
    selector: encodeSelector(revocation.selector),
    reason: revocation.reason,
    actor: revocation.actor,
    at: revocation.at,
    case_reference: revocation.caseReference ?? null,
    comment: revocation.comment ?? null,
    sessions: revocation.fanOut === 'pending' ? null : revocation.sessions,
    fan_out: revocation.fanOut,
  }
}

export const loggedShown = (one: LoggedRevocation): Record<string, unknown> => ({ ...shown(one), totals: totalsShown(one.totals) })
const totalsShown = (each: DeliveryTotals): Record<string, number> => ({ total: totalOf(each), ...each })
