import { Hono } from 'hono'
import { z } from 'zod'
import type { Revocation } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { Selector } from '../protocol/revocation.ts'
import { deliveryShown } from './deliveries.ts'
import { jsonBody, limit, query, seqNumber, shaped } from './body.ts'
import { callerOf, type AdminEnv } from './caller.ts'
import { Problem } from '../acts/problem.ts'
import { previewed, revokeAs } from '../acts/revocations.ts'

/** An operator's revocations, and the log of all of them with what each owed and the proof of it. */

const id = z.string().min(1).max(200)
const selector = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('session'), sid: id }),
  z.strictObject({ kind: z.literal('grant'), sid: id, client_id: id }),
  z.strictObject({ kind: z.literal('subject'), sub: id }),
  z.strictObject({ kind: z.literal('client'), client_id: id }),
  z.strictObject({ kind: z.literal('tenant'), tid: z.guid('has to be a tenant id (a GUID)') }),
  z.strictObject({ kind: z.literal('everything') }),
])
const request = z.strictObject({
  selector,
  reason: z.literal('administrator').optional(),
  case_reference: z.string().max(200).optional(),
  comment: z.string().max(2000).optional(),
  dry_run: z.boolean().default(false),
})
const PROOF_OF = 200

export function revocationRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  routes.post('/revocations', async (c) => {
    const caller = callerOf(c, 'administer')
    const now = deps.clock.now()
    const wanted = shaped(request, await jsonBody(c))
    const what = toSelector(wanted.selector)
    if (wanted.dry_run) return c.json({ dry_run: true, selector: wanted.selector, would_end: await previewed(deps, what, now) })
    const answer = await revokeAs(deps, caller, what, { now, caseReference: wanted.case_reference, comment: wanted.comment })
    if (answer.outcome !== 'revoked') return c.json({ outcome: answer.outcome, selector: wanted.selector })
    return c.json({ outcome: 'revoked', ...shown(answer.committed.revocation) }, 201)
  })
  routes.get('/revocations', async (c) => {
    callerOf(c, 'operate')
    const { before, limit: most } = query(c, z.object({ before: seqNumber.optional(), limit }))
    return c.json({ revocations: (await deps.store.listRevocations({ before, limit: most })).map(shown) })
  })
  routes.get('/revocations/:seq', async (c) => {
    callerOf(c, 'operate')
    const { seq } = shaped(z.object({ seq: seqNumber }), c.req.param())
    const revocation = await deps.store.findRevocation(seq)
    if (revocation === undefined)
      throw new Problem(404, 'No such revocation', 'The log has no revocation of that number; GET /admin/v1/revocations lists them.')
    return c.json({ ...shown(revocation), ...(await proof(deps, seq)) })
  })
  return routes
}

/** Each delivery with its attempts: when, how it ended, status, latency and the logout token's `jti`. And which guards enforce it. */
async function proof(deps: Deps, seq: number): Promise<Record<string, unknown>> {
  const found = await deps.store.listDeliveries({ seq, limit: PROOF_OF + 1 })
  const deliveries = await Promise.all(found.slice(0, PROOF_OF).map(async (one) => deliveryShown(one, await deps.store.attemptsOf(one.id))))
  const { epoch } = await deps.store.head()
  const guards = (await deps.store.guardReports()).filter((report) => report.epoch === epoch)
  const applied = guards.map((report) => ({ client_id: report.clientId, guard_id: report.guardId, applied: report.appliedSeq >= seq }))
  return { deliveries, more_deliveries: found.length > PROOF_OF, guards: applied }
}

function toSelector(wire: z.infer<typeof selector>): Selector {
  switch (wire.kind) {
    case 'grant':
      return { kind: 'grant', sid: wire.sid, clientId: wire.client_id }
    case 'client':
      return { kind: 'client', clientId: wire.client_id }
    case 'tenant':
      return { kind: 'tenant', tid: wire.tid.toLowerCase() }
    default:
      return wire
  }
}

function selectorShown(one: Selector): Record<string, unknown> {
  if (!('clientId' in one)) return { ...one }
  const { clientId, ...rest } = one
  return { ...rest, client_id: clientId }
}

function shown(revocation: Revocation): Record<string, unknown> {
  return {
    seq: revocation.seq,
    selector: selectorShown(revocation.selector),
    reason: revocation.reason,
    actor: revocation.actor,
    at: revocation.at,
    case_reference: revocation.caseReference ?? null,
    comment: revocation.comment ?? null,
    sessions: revocation.sessions,
    owing: revocation.owing,
  }
}
