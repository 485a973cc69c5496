import { Hono } from 'hono'
import { z } from 'zod'
import type { Store } from '../../db/store.ts'
import type { Revocation } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { Selector } from '../protocol/revocation.ts'
import { revoke } from '../revocation/revoke.ts'
import { deliveryShown } from './admin-deliveries.ts'
import { jsonBody, limit, query, seqNumber, shaped } from './body.ts'
import { callerOf, type AdminEnv, type Caller } from './caller.ts'
import { Problem } from './problem.ts'
import { recorded } from './recorded.ts'

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

/** A preview only counts: a slip in a name would read like "there is nobody", and so it is refused as the revocation would be. */
async function previewed({ store }: Deps, what: Selector, now: number): ReturnType<Store['previewRevocation']> {
  const there =
    what.kind === 'everything' ||
    (what.kind === 'subject' && (await store.findSubject(what.sub))) ||
    (what.kind === 'client' && (await store.findClient(what.clientId))) ||
    (what.kind === 'tenant' && (await store.findTenant(what.tid))) ||
    ('sid' in what && (await store.standingBySid(what.sid, now)).state !== 'unknown')
  if (!there) throw new Problem(404, 'Nothing of that name', UNKNOWN[what.kind])
  return store.previewRevocation(what, now)
}

interface Asked {
  now: number
  caseReference?: string | undefined
  comment?: string | undefined
}
type Answered = Exclude<Awaited<ReturnType<typeof revoke>>, { outcome: 'unknown' | 'already' }> | { outcome: 'already' }

/** An administrator's revocation, recorded; by whatever way they came. @throws Problem 404 where there is nothing of that name */
export function revokeAs(deps: Deps, caller: Caller, what: Selector, asked: Asked): Promise<Answered> {
  const { caseReference, comment } = asked
  return recorded(
    deps,
    caller,
    { act: 'revoke', target: Object.values(what).join(' '), caseReference, comment },
    async () => {
      const answer = await revoke(deps, { selector: what, reason: 'administrator', actor: caller.actor, ...asked })
      if (answer.outcome === 'unknown') throw new Problem(404, 'Nothing of that name', UNKNOWN[what.kind])
      return answer.outcome === 'revoked' ? answer : { outcome: 'already' }
    },
    outcomeOf,
  )
}

const outcomeOf = (answer: Answered): Record<string, unknown> =>
  answer.outcome === 'revoked'
    ? { seq: answer.committed.revocation.seq, sessions: answer.committed.revocation.sessions }
    : { outcome: answer.outcome }

/** Each delivery with its attempts: when, how it ended, status, latency and the logout token's `jti`. And which guards enforce it. */
async function proof(deps: Deps, seq: number): Promise<Record<string, unknown>> {
  const found = await deps.store.listDeliveries({ seq, limit: PROOF_OF + 1 })
  const deliveries = await Promise.all(found.slice(0, PROOF_OF).map(async (one) => deliveryShown(one, await deps.store.attemptsOf(one.id))))
  const { epoch } = await deps.store.head()
  const guards = (await deps.store.guardReports()).filter((report) => report.epoch === epoch)
  const applied = guards.map((report) => ({ client_id: report.clientId, guard_id: report.guardId, applied: report.appliedSeq >= seq }))
  return { deliveries, more_deliveries: found.length > PROOF_OF, guards: applied }
}

const UNKNOWN: Record<Selector['kind'], string> = {
  session: 'There is no such session; GET /admin/v1/sessions (cmb sessions list) finds them.',
  grant: 'There is no such session, or that client took no part in it; GET /admin/v1/sessions (cmb sessions list) shows who did.',
  subject: 'There is no such person; GET /admin/v1/sessions?person= (cmb sessions list --person) finds their sub.',
  client: 'There is no such client; GET /admin/v1/clients (cmb clients list) lists them.',
  tenant: 'There is no such tenant; GET /admin/v1/tenants (cmb tenants) lists them.',
  everything: 'There is nothing to revoke.',
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
