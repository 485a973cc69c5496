import { z } from 'zod'
import type { LoggedRevocation, Revocation } from '../../../db/types.ts'
import { Problem } from '../../audit/problem.ts'
import { seconds, text } from '../../protocol/described.ts'
import { REASONS } from '../../protocol/revocation.ts'
import { requestRevocation } from '../../revocation/revoke.ts'
import { decodeSelector, selectorSchema } from '../../protocol/selector.ts'
import { deliveryPage, deliveryShown } from '../acts/deliveries.ts'
import { withEffective } from '../acts/effective.ts'
import { evidenceOf, evidenceOfUser, revocationsOfUser } from '../acts/evidence.ts'
import { existing, noSuch } from '../acts/no-such.ts'
import { signedReceiptOf } from '../acts/receipts.ts'
import {
  hasUsers,
  loggedRow,
  previewed,
  revocationRow,
  revokeTarget,
  tenantsWithoutAuthTime,
  WHAT,
  withFirstUsers,
} from '../acts/revocations.ts'
import { withNames } from '../acts/names.ts'
import { sessionIn, userIn } from '../acts/scope.ts'
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
import { listedRevocation, preview, proof, revoked, signedReceipt } from './shapes.ts'
import type { Deps } from '../deps.ts'
import { JSON_LINES, Lines, ok, route } from './route.ts'

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
  revocations: z.array(listedRevocation),
  next: z.int().nullable(),
  searched_to: z.object({ seq: z.int(), at: seconds }).nullable(),
})

export const revocationRoutes = [
  route(
    'POST /revocations',
    {
      id: 'revoke',
      audit: 'revoke',
      tenant: async ({ deps, caller: { actor }, now, wire: { selector } }) =>
        (selector.kind === 'subject' && (await userIn(deps, actor, selector.sub)) !== undefined) ||
        (selector.kind === 'session' &&
          (await sessionIn(deps, actor, selector.sid, now)) !== undefined),
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
      created: 'revoked',
      rejects: [404],
      repeatable: true,
    },
    async ({ deps, caller, now, record, wire, body: { caseReference, comment } }) => {
      const selector = decodeSelector(wire.selector)
      if (wire.dry_run) {
        const end = await previewed(deps, selector, now)
        // The accounts of a user in other tenants are not shown to the administrator of one.
        const own = caller.actor.tid === undefined ? end : { ...end, otherSubjects: [] }
        return { dryRun: true as const, selector, wouldEnd: await withFirstUsers(deps, own) }
      }
      const reason = 'administrator'
      const { actor } = caller
      const wanted = { selector, reason, actor, caseReference, comment, now } as const
      const revoked = await record(
        revokeTarget(selector),
        undefined,
        async () => {
          const answer = await requestRevocation(deps, wanted)
          if (answer.outcome === 'unknown') throw noSuch(WHAT[selector.kind])
          return answer.outcome === 'revoked' ? answer.committed.revocation : undefined
        },
        outcomeOf,
      )
      if (revoked === undefined) return { outcome: 'already' as const, selector: wire.selector }
      const tenants = await tenantsWithoutAuthTime(deps, revoked)
      const isEmpty = selector.kind === 'tenant' && !(await hasUsers(deps.store, selector.tid))
      return {
        outcome: 'revoked' as const,
        ...revocationRow(revoked),
        ...(isEmpty && { sessions: 0 }),
        tenantsWithoutAuthTime: tenants,
      }
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
      const named = await withNames(deps, await withEffective(deps, found), ({ selector }) =>
        revokeTarget(selector),
      )
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
      const loggedRevocation = await known(deps, seq)
      const { found, next } = await deliveryPage(deps, { seq, ...query })
      const deliveries = await Promise.all(
        found.map(async (each) => deliveryShown(each, await deps.store.attemptsOf(each.id))),
      )
      const [named = loggedRevocation] = await withNames(deps, [loggedRevocation], () =>
        revokeTarget(loggedRevocation.selector),
      )
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
      new Lines(evidenceOf(deps, await known(deps, seq)), `revocation-${seq}`),
  ),
  route(
    'GET /users/evidence',
    {
      id: 'readUserEvidence',
      query: z.strictObject({
        sub: idText,
        since: instant.optional(),
        until: instant.optional(),
      }),
      answers: { 200: ['The lines; the last signs the others.', { [JSON_LINES]: text }] },
      rejects: [404, 409, 422],
    },
    async ({ deps, query: { sub: user, ...period } }) => {
      const sub = (await idNamedBy(deps, 'user', user)) ?? user
      const wanted = { ...period, sub }
      const revocations = await revocationsOfUser(deps, wanted)
      return new Lines(evidenceOfUser(deps, wanted, revocations), `revocations-${sub}`)
    },
  ),
]

/** Returns a revocation. @throws Problem 404 */
const known = async (deps: Deps, seq: number): Promise<LoggedRevocation> =>
  existing('revocation', await deps.store.findRevocation(seq))

/** Returns the outcome for the audit log. The sessions of a wide revocation are counted later. */
const outcomeOf = (revoked: Revocation | undefined): Record<string, unknown> =>
  revoked === undefined
    ? { outcome: 'already' }
    : { seq: revoked.seq, ...(revoked.fanOut !== 'pending' && { sessions: revoked.sessions }) }
