import { z } from 'zod'
import type { LoggedRevocation } from '../../../db/types.ts'
import { Problem } from '../../clients/problem.ts'
import { seconds, text } from '../../protocol/described.ts'
import { REASONS } from '../../protocol/revocation.ts'
import { decodeSelector, selectorSchema } from '../../protocol/selector.ts'
import { deliveryPage, deliveryShown } from '../acts/deliveries.ts'
import { evidenceOf, JSON_LINES, evidenceFile } from '../acts/evidence.ts'
import { existing } from '../acts/no-such.ts'
import { signedReceiptOf } from '../acts/receipts.ts'
import {
  hasUsers,
  loggedRow,
  previewed,
  revocationRow,
  revokeAs,
  revokeTarget,
  tenantsWithoutAuthTime,
  withFirstUsers,
} from '../acts/revocations.ts'
import { withNames } from '../acts/names.ts'
import { idNamedBy, MOST_ENTRIES } from '../acts/search.ts'
import {
  caseAndComment,
  deliveryCursor,
  dryRun,
  idText,
  instant,
  limit,
  proofLimit,
  seqNumber,
} from './fields.ts'
import { preview, proof, revocation, revoked, signedReceipt } from './shapes.ts'
import { shown } from './wire.ts'
import type { Deps } from '../deps.ts'
import { ok, route } from './route.ts'

/** Operators' revocations, and the log of all revocations with their deliveries and proof. */

const filter = idText.optional()
const bySeq = z.strictObject({ seq: seqNumber })
const done = revoked.extend({
  outcome: z.literal('revoked'),
  tenants_without_auth_time: z.array(text),
})
const already = z.object({ outcome: z.literal('already'), selector: selectorSchema })
const dryRunAnswer = z.object({
  dry_run: z.literal(true),
  selector: selectorSchema,
  would_end: preview,
})
const listed = z.object({
  revocations: z.array(revocation),
  next: z.int().nullable(),
  searched_to: z.object({ seq: z.int(), at: seconds }).nullable(),
})

export const revocationRoutes = [
  route(
    'POST /revocations',
    {
      id: 'revoke',
      body: z.strictObject({
        selector: selectorSchema,
        reason: z.literal('administrator').optional(),
        ...caseAndComment,
        dry_run: dryRun,
      }),
      answers: {
        200: ok('A dry run, or revoked already.', z.union([dryRunAnswer, already])),
        201: ok('Revoked.', done),
      },
      rejects: [404],
      repeatable: true,
    },
    async ({ deps, c, caller, now, wire, body: { caseReference, comment } }) => {
      const selector = decodeSelector(wire.selector)
      if (wire.dry_run)
        return {
          dryRun: true as const,
          selector,
          wouldEnd: await withFirstUsers(deps, await previewed(deps, selector, now)),
        }
      const answer = await revokeAs(deps, caller, selector, { now, caseReference, comment })
      if (answer.outcome !== 'revoked') return { outcome: answer.outcome, selector: wire.selector }
      const { revocation: one } = answer.committed
      const tenants = await tenantsWithoutAuthTime(deps, one)
      const isEmpty = selector.kind === 'tenant' && !(await hasUsers(deps.store, selector.tid))
      return c.json(
        shown(done, {
          outcome: 'revoked',
          ...revocationRow(one),
          ...(isEmpty && { sessions: 0 }),
          tenantsWithoutAuthTime: tenants,
        }),
        201,
      )
    },
  ),
  route(
    'GET /revocations',
    {
      id: 'listRevocations',
      query: z.strictObject({
        sub: filter,
        client_id: filter,
        case_reference: filter,
        reason: z.enum(REASONS).optional(),
        actor: filter,
        since: instant.optional(),
        until: instant.optional(),
        before: seqNumber.optional(),
        limit,
      }),
      answers: listed,
      rejects: [422],
    },
    async ({ deps, query: { actor, sub, ...wanted } }) => {
      const [actorId, user] = await Promise.all([
        idNamedBy(deps, 'actor', actor),
        idNamedBy(deps, 'user', sub),
      ])
      const { found, searchedTo: to } = await deps.store.pageOfRevocations({
        ...wanted,
        actorId,
        sub: user,
        most: MOST_ENTRIES,
      })
      const last = found.length < wanted.limit ? to : found.at(-1)
      const named = await withNames(deps, found, ({ selector }) => revokeTarget(selector))
      return { revocations: named.map(loggedRow), next: last?.seq, searchedTo: to }
    },
  ),
  route(
    'GET /revocations/:seq',
    {
      id: 'readRevocation',
      params: bySeq,
      query: z.strictObject({ before: deliveryCursor, limit: proofLimit }),
      answers: proof,
    },
    async ({ deps, params: { seq }, query }) => {
      const one = await known(deps, seq)
      const { found, next } = await deliveryPage(deps, { seq, ...query })
      const deliveries = await Promise.all(
        found.map(async (each) => deliveryShown(each, await deps.store.attemptsOf(each.id))),
      )
      const [named = one] = await withNames(deps, [one], () => revokeTarget(one.selector))
      return {
        ...loggedRow(named),
        receipt: await signedReceiptOf(deps, seq),
        deliveries,
        next,
      }
    },
  ),
  route(
    'GET /revocations/:seq/receipt',
    {
      id: 'readReceipt',
      params: bySeq,
      answers: signedReceipt,
    },
    async ({ deps, params: { seq } }) => {
      await known(deps, seq)
      const signed = await signedReceiptOf(deps, seq)
      if (signed !== undefined) return signed
      throw new Problem(
        404,
        'No receipt any more',
        'The sessions of that revocation are no longer kept; evidence that was exported earlier has its receipt.',
      )
    },
  ),
  route(
    'GET /revocations/:seq/evidence',
    {
      id: 'readEvidence',
      params: bySeq,
      answers: { 200: ['The lines; the last signs the others.', { [JSON_LINES]: text }] },
    },
    async ({ deps, params: { seq } }) =>
      evidenceFile(evidenceOf(deps, await known(deps, seq)), `revocation-${seq}`),
  ),
]

/** Returns a revocation. @throws Problem 404 */
const known = async (deps: Deps, seq: number): Promise<LoggedRevocation> =>
  existing('revocation', await deps.store.findRevocation(seq))
