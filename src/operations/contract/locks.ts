import { z } from 'zod'
import type { Lock, LockProtection } from '../../../db/types.ts'
import { acting, type Caller } from '../../audit/caller.ts'
import { Problem } from '../../audit/problem.ts'
import { lockKey, type LockTarget, lockTargetName } from '../../protocol/lock-target.ts'
import { storedText } from '../../protocol/stored-text.ts'
import { withNames } from '../acts/names.ts'
import { existing, noSuch } from '../acts/no-such.ts'
import { withFirstUsers } from '../acts/revocations.ts'
import { lockIn } from '../acts/scope.ts'
import { PROTECTED, REJECTED } from '../acts/texts/rejected.ts'
import type { Deps } from '../deps.ts'
import { caseAndComment, dryRun, guid, idText, limit, named, nullable } from './fields.ts'
import { lock, lockTarget, namedTarget, preview } from './shapes.ts'
import { ok, route } from './route.ts'
import type { Fields } from './wire.ts'

/** Locks of users, tenants and clients: set, listed and lifted, with the limits of each role. */

/** A time in a request, in epoch seconds. */
const moment = z.int('has to be a time in epoch seconds').min(1).max(253_402_300_799)
const lockRequest = z.strictObject({
  target: namedTarget,
  ends_at: moment.optional(),
  replaces: idText.optional(),
  ...caseAndComment,
  dry_run: dryRun,
})
const locked = z.object({ outcome: z.enum(['locked', 'already']), lock })
const dryRunAnswer = z.object({
  dry_run: z.literal(true),
  target: lockTarget,
  would_end: preview,
  open: lock.nullable(),
})
const page = z.object({ locks: z.array(lock), next: nullable })

const targetOf = ({ target }: Lock): string => lockTargetName(target)

export const lockRoutes = [
  route(
    'POST /locks',
    {
      id: 'lock',
      may: 'operate',
      audit: 'lock',
      tenant: async ({ deps, body }, tid) => {
        const target = await resolved(deps, body.target)
        return target.kind === 'user' && target.tid === tid
      },
      body: lockRequest,
      answers: {
        200: ok('A dry run, or locked already.', z.union([dryRunAnswer, locked])),
        201: ok('Locked.', locked),
      },
      created: 'locked',
      rejects: [404, 409, 422],
      repeatable: true,
    },
    async ({ deps, caller, now, record, body }) => {
      const target = await resolved(deps, body.target)
      mustBeAllowed(caller, body, now)
      if (body.dryRun)
        return { dryRun: true as const, target, ...(await previewed(deps, caller, target, now)) }
      const { endsAt, replaces } = body
      const details = { ends_at: endsAt ?? null, ...(replaces !== undefined && { replaces }) }
      return record(
        lockTargetName(target),
        details,
        () => lockNow(deps, caller, { ...body, target, now }),
        ({ outcome, lock: { id, seq } }) => ({
          outcome,
          lock: id,
          ...(outcome === 'locked' && { seq: seq ?? null }),
        }),
      )
    },
  ),
  route(
    'GET /locks',
    {
      id: 'listLocks',
      query: z.strictObject({
        state: z.enum(['open', 'lifted', 'all']).default('open'),
        kind: z.enum(['user', 'tenant', 'client']).optional(),
        tid: guid('a tenant id').optional(),
        oid: guid('an object id').optional(),
        client_id: idText.optional(),
        case_reference: storedText().max(200).optional(),
        before: idText.optional(),
        limit,
      }),
      answers: page,
    },
    async ({ deps, query: { tid, clientId, ...query } }) => {
      const locks = await deps.store.listLocks({ ...query, key: tid ?? clientId })
      const named = await withNames(deps, locks, targetOf)
      return { locks: named, next: locks.length < query.limit ? null : locks.at(-1)?.id }
    },
  ),
  route(
    'GET /locks/:id',
    {
      id: 'readLock',
      params: named,
      answers: lock,
    },
    async ({ deps, params }) => existing('lock', await deps.store.findLock(params.id)),
  ),
  route(
    'POST /locks/:id/lift',
    {
      id: 'liftLock',
      audit: 'lock.lift',
      tenant: async ({ deps, caller, params }) =>
        (await lockIn(deps, caller.actor, params.id)) !== undefined,
      params: named,
      body: z.strictObject(caseAndComment),
      answers: z.object({ outcome: z.enum(['lifted', 'already']), lock }),
      repeatable: true,
    },
    async ({ deps, caller, now, record, params: { id }, body }) => {
      const before = existing('lock', await deps.store.findLock(id))
      const lift = async () => {
        const lifted = await deps.store.liftLock({ id, actor: caller.actor, ...body, now })
        if (lifted.outcome === 'unknown') throw noSuch('lock')
        return lifted
      }
      const details = { lock: id, locked_by: before.actor.id }
      const { outcome, lock } = await record(targetOf(before), details, lift, (lifted) => ({
        outcome: lifted.outcome,
      }))
      if (outcome === 'lifted')
        deps.metrics.locks.inc({ change: 'lifted', kind: before.target.kind })
      const [named = lock] = await withNames(deps, [lock], targetOf)
      return { outcome, lock: named }
    },
  ),
]

type LockRequest = Fields<z.output<typeof lockRequest>>

/** Resolves a `sub` to its user. @throws Problem 404 */
async function resolved({ store }: Deps, target: LockRequest['target']): Promise<LockTarget> {
  if (!('sub' in target)) return target
  const { tid, oid } = existing('user', await store.findSubject(target.sub))
  return { kind: 'user', tid, oid }
}

/**
 * Maximum length of an operator's lock. Only administrators may lock longer, or more than one user.
 */
const OPERATOR_LOCK_SECONDS = 86_400

/** Checks what the caller's role may lock, before the store is asked. @throws Problem 403, 422 */
function mustBeAllowed(
  caller: Caller,
  { target, endsAt, replaces }: LockRequest,
  now: number,
): void {
  if (endsAt !== undefined && endsAt <= now)
    throw new Problem(422, 'The end has passed', REJECTED.ends_past)
  if (caller.may === 'administer') return
  const needs = (what: string): never => {
    throw new Problem(403, 'This needs an administrator', REJECTED.operator_locks(what))
  }
  if (target.kind !== 'user') needs(REJECTED.only_wide)
  if (replaces !== undefined) needs(REJECTED.only_replace)
  if (endsAt === undefined || endsAt > now + OPERATOR_LOCK_SECONDS) needs(REJECTED.only_longer)
}

/**
 * Returns who would be signed out, and an existing lock. An administrator of one tenant locks no
 * account of another tenant.
 * @throws Problem 404, 409
 */
async function previewed(deps: Deps, { actor }: Caller, target: LockTarget, now: number) {
  const { store } = deps
  const human =
    target.kind === 'user' ? await store.findHuman(target) : { sub: undefined, others: [] }
  const others = actor.tid === undefined ? human.others : []
  const subs = human.sub === undefined ? others : [human.sub, ...others]
  if (target.kind === 'client') existing('client', await store.findClient(target.clientId))
  else if (subs.length === 0) existing('tenant', await store.findTenant(target.tid))
  mustNotBeProtected(deps, target)
  const [open] = await store.listLocks({ state: 'open', ...lockKey(target), limit: 1 })
  const what =
    target.kind === 'user' ? subs.map((sub) => ({ kind: 'subject' as const, sub })) : target
  const end = { ...(await store.previewRevocation(what, now)), otherSubjects: others }
  return { wouldEnd: await withFirstUsers(deps, end), open }
}

/**
 * Rejects targets that no role may lock, so that the dry run fails like the lock itself.
 * @throws Problem 409
 */
function mustNotBeProtected(
  { clients, connection }: Pick<Deps, 'clients' | 'connection'>,
  target: LockTarget,
): void {
  if (target.kind === 'tenant' && target.tid === connection.current().operatorTenant)
    throw protectedBy('operator_tenant')
  if (target.kind === 'client' && clients.find(target.clientId)?.source === 'broker')
    throw protectedBy('console')
}

const protectedBy = (why: LockProtection): Problem =>
  new Problem(why === 'has_role' ? 403 : 409, 'This cannot be locked', PROTECTED[why])

/** Returns the caller as the store's rules for locks need it. */
const lockedBy = ({ connection }: Deps, caller: Caller) => ({
  actor: caller.actor,
  may: acting(caller),
  operatorTenant: connection.current().operatorTenant,
})

/** Returns why the caller must not lock a user, in words; undefined where they may. */
export async function whyNotLocked(
  deps: Deps,
  caller: Caller,
  target: LockTarget & { kind: 'user' },
  now: number,
): Promise<string | undefined> {
  const why = await deps.store.lockProtection({ ...lockedBy(deps, caller), target, now })
  return why && PROTECTED[why]
}

async function lockNow(
  deps: Deps,
  caller: Caller,
  wanted: Omit<LockRequest, 'target'> & { target: LockTarget; now: number },
): Promise<{ outcome: 'locked' | 'already'; lock: Lock }> {
  const { kind } = wanted.target
  const answer = await deps.store.lock({ ...wanted, ...lockedBy(deps, caller) })
  if (answer.outcome === 'rejected') throw protectedBy(answer.why)
  if (answer.outcome === 'unknown') throw noSuch(kind)
  if (answer.outcome === 'weaker')
    throw new Problem(409, 'A weaker lock is open', REJECTED.weaker_lock(answer.lock.id))
  if (
    answer.outcome === 'changed' ||
    (answer.outcome === 'already' && wanted.replaces !== undefined)
  )
    throw new Problem(409, 'The lock has changed', REJECTED.lock_changed)
  if (answer.outcome === 'locked') deps.metrics.locks.inc({ change: 'set', kind })
  return answer
}
