import type { Lock, LockProtection } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { lockKey, type LockTarget, lockTargetName } from '../../protocol/lock-target.ts'
import { acting, type Caller } from '../../clients/caller.ts'
import { Problem } from '../../clients/problem.ts'
import { type CaseAndComment, withAudit } from '../../clients/with-audit.ts'
import { existing, noSuch } from './no-such.ts'
import { PROTECTED, REJECTED } from './texts/rejected.ts'

/** Sets and lifts locks for the console, the admin API and `cmb`, with the limits of each role. */

/**
 * Maximum length of an operator's lock. Only administrators may lock longer, or more than one user.
 */
const OPERATOR_LOCK_SECONDS = 86_400

/** The target of a lock as a request names it. */
type NamedTarget = { kind: 'user'; sub: string } | LockTarget

interface LockAsked extends CaseAndComment {
  target: LockTarget
  now: number
  endsAt?: number | undefined
  replaces?: string | undefined
}

/** Resolves a `sub` to its user. @throws Problem 404 */
export async function resolved(
  { store }: Pick<Deps, 'store'>,
  target: NamedTarget,
): Promise<LockTarget> {
  if (!('sub' in target)) return target
  const { tid, oid } = existing('user', await store.findSubject(target.sub))
  return { kind: 'user', tid, oid }
}

/** Checks what the caller's role may lock, before the store is asked. @throws Problem 403, 422 */
export function mustBeAllowed(caller: Caller, { target, endsAt, replaces, now }: LockAsked): void {
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
 * Returns who would be signed out, and an existing lock. Rejects an unknown target.
 * @param tid limits the lock to this tenant, without the user's accounts in other tenants
 * @throws Problem 404, 409
 */
export async function previewedLock(deps: Deps, target: LockTarget, now: number, tid?: string) {
  const human =
    target.kind === 'user' ? await deps.store.findHuman(target) : { sub: undefined, others: [] }
  const others = tid === undefined ? human.others : []
  const subs = human.sub === undefined ? others : [human.sub, ...others]
  if (subs.length === 0) await mustBeKnown(deps, target)
  mustNotBeProtected(deps, target)
  const [open] = await deps.store.listLocks({ state: 'open', ...lockKey(target), limit: 1 })
  const what =
    target.kind === 'user' ? subs.map((sub) => ({ kind: 'subject' as const, sub })) : target
  return {
    wouldEnd: { ...(await deps.store.previewRevocation(what, now)), otherSubjects: others },
    open,
  }
}

/** Checks that the tenant or client exists. @throws Problem 404 */
async function mustBeKnown({ store }: Pick<Deps, 'store'>, target: LockTarget): Promise<void> {
  if (target.kind === 'client') existing('client', await store.findClient(target.clientId))
  else existing('tenant', await store.findTenant(target.tid))
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

/** Returns why the caller must not lock a user, in words; undefined where they may. */
export async function whyNotLocked(
  { store, connection }: Deps,
  caller: Caller,
  target: LockTarget & { kind: 'user' },
  now: number,
): Promise<string | undefined> {
  const { operatorTenant } = connection.current()
  const by = { actor: caller.actor, may: acting(caller), operatorTenant }
  const why = await store.lockProtection({ ...by, target, now })
  return why && PROTECTED[why]
}

type Locked = { outcome: 'locked' | 'already'; lock: Lock }

/**
 * Locks a user, a tenant or a client, recorded in the audit log. @throws Problem 403, 404, 409, 422
 */
export async function lockAs(deps: Deps, caller: Caller, asked: LockAsked): Promise<Locked> {
  mustBeAllowed(caller, asked)
  const { target, endsAt, caseReference, comment, replaces } = asked
  const details = { ends_at: endsAt ?? null, ...(replaces !== undefined && { replaces }) }
  const entry = { act: 'lock', target: lockTargetName(target), caseReference, comment, details }
  const answer = await withAudit(deps, caller, entry, () => lockNow(deps, caller, asked), described)
  if (answer.outcome === 'locked') {
    deps.metrics.locks.inc({ change: 'set', kind: target.kind })
  }
  return answer
}

const described = ({ outcome, lock }: Locked): Record<string, unknown> => ({
  outcome,
  lock: lock.id,
  ...(outcome === 'locked' && { seq: lock.seq ?? null }),
})

async function lockNow(deps: Deps, caller: Caller, asked: LockAsked): Promise<Locked> {
  const [{ actor }, may] = [caller, acting(caller)]
  const { operatorTenant } = deps.connection.current()
  const answer = await deps.store.lock({ ...asked, actor, may, operatorTenant })
  if (answer.outcome === 'rejected') throw protectedBy(answer.why)
  if (answer.outcome === 'unknown') throw noSuch(asked.target.kind)
  if (answer.outcome === 'locked') return { outcome: 'locked', lock: answer.lock }
  if (answer.outcome === 'weaker')
    throw new Problem(409, 'A weaker lock is open', REJECTED.weaker_lock(answer.lock.id))
  if (answer.outcome === 'changed' || asked.replaces !== undefined)
    throw new Problem(409, 'The lock has changed', REJECTED.lock_changed)
  return answer
}

type Lifted = { outcome: 'lifted' | 'already'; lock: Lock }

/** Lifts a lock, recorded in the audit log. @throws Problem 404 */
export async function liftAs(
  deps: Deps,
  caller: Caller,
  { id, ...asked }: CaseAndComment & { id: string; now: number },
): Promise<Lifted> {
  const { store, metrics } = deps
  const before = existing('lock', await store.findLock(id))
  const { caseReference, comment } = asked
  const entry = {
    act: 'lock.lift',
    target: lockTargetName(before.target),
    caseReference,
    comment,
    details: { lock: id, locked_by: before.actor.id },
  }
  const answer = await withAudit(
    deps,
    caller,
    entry,
    async () => {
      const lifted = await store.liftLock({ id, actor: caller.actor, ...asked })
      if (lifted.outcome === 'unknown') throw noSuch('lock')
      return lifted
    },
    ({ outcome }) => ({ outcome }),
  )
  if (answer.outcome === 'lifted') {
    metrics.locks.inc({ change: 'lifted', kind: before.target.kind })
  }
  return answer
}
