import { sql } from 'drizzle-orm'
import { lockKey } from '../../src/protocol/lock-target.ts'
import type { Selector } from '../../src/protocol/revocation.ts'
import { type Act, newId } from '../engine/act.ts'
import { assign, command, insertInto, pick, type Takes } from '../engine/statement.ts'
import { lockHead } from '../log/head.ts'
import { appendRevocation } from '../revocation/revoke.ts'
import { locks } from '../schema.ts'
import type { Committed, Lock, LockInput, LockProtection } from '../types.ts'
import { lift, selectorOf, emitLockEvent } from './lift.ts'
import { knownTarget, protection, type Known } from './protected.ts'
import { lockFrom, openLock, type LockRow } from './row.ts'

/** Locks a target: a row and a revocation, in one commit. */

type NewLock = Omit<
  LockRow,
  'liftedAt' | 'liftedByKind' | 'liftedById' | 'liftCaseReference' | 'liftComment'
>
const insert = command(
  (
    p: Takes<
      NewLock & {
        audience: string | undefined
      }
    >,
  ) =>
    insertInto(
      locks,
      pick(
        p,
        'id',
        'kind',
        'key',
        'oid',
        'homeId',
        'audience',
        'caseReference',
        'comment',
        'actorKind',
        'actorId',
        'at',
        'endsAt',
        'seq',
      ),
    ),
)
const follow = command(
  (
    p: Takes<{ clientId: string; audience: string }>,
  ) => sql`UPDATE ${locks} SET ${assign(locks, { audience: p.audience })}
    WHERE ${locks.liftedAt} IS NULL AND ${locks.kind} = 'client' AND ${locks.key} = ${p.clientId} AND ${locks.oid} = ''`,
)

/** Updates the audience of a client's open lock, in the act that changes its registration. */
export const followAudience = (clientId: string, audience: string): Act<number> =>
  follow.run({ clientId, audience })

type Answer =
  | { outcome: 'locked'; lock: Lock; committed: Committed[] }
  | { outcome: 'already'; lock: Lock }
  | { outcome: 'weaker'; lock: Lock }
  | { outcome: 'changed' }
  | { outcome: 'unknown' }
  | { outcome: 'rejected'; why: LockProtection }

/**
 * Returns what a tenant's administrator may lock of a target: a user of that tenant, without the
 * same human's users in other tenants. Other actors may lock all of it.
 */
function within(
  { target, actor: { tid } }: LockInput,
  known: Known | undefined,
): Known | undefined {
  if (tid === undefined || known === undefined) return known
  return target.kind === 'user' && target.tid === tid
    ? { ...known, homeId: undefined, others: [] }
    : undefined
}

/** Returns whether an open lock lasts at least as long as the requested one, and covers as much. */
const isAsStrong = (open: LockRow, { endsAt }: LockInput, { homeId }: Known): boolean =>
  (open.endsAt === null || (endsAt !== undefined && endsAt <= open.endsAt)) &&
  (homeId === undefined || open.homeId === homeId)

/** Returns why this actor must not lock a user; undefined where they may. */
export function* lockProtection(
  input: LockInput & { target: { kind: 'user' } },
): Act<LockProtection | undefined> {
  const known = within(input, yield* knownTarget(input.target))
  return known && (yield* protection(input, known))
}

/**
 * Revokes (`locked`) what the target has, and rejects every new sign-in, code and token of it until
 * the lock is lifted. A user whose home account is known is locked in every tenant.
 * `already`: the target has another open lock, which is as strong. `weaker`: that one ends earlier,
 * or leaves out the same human's users in other tenants. `changed`: the lock that was to be replaced
 * is no longer open. `rejected`: the target must not be locked.
 * The act locks the head of the log first: a concurrent sign-in of the user is either covered by
 * the revocation, or starts after it and sees the lock.
 */
export function* lock(input: LockInput): Act<Answer> {
  yield* lockHead()
  const known = within(input, yield* knownTarget(input.target))
  if (known === undefined) return { outcome: 'unknown' }
  const open = yield* openLock(lockKey(input.target))
  if (open?.id !== input.replaces) {
    if (open === undefined) return { outcome: 'changed' }
    const asStrong = input.replaces !== undefined || isAsStrong(open, input, known)
    const lock = lockFrom(open)
    return asStrong ? { outcome: 'already', lock } : { outcome: 'weaker', lock }
  }
  const why = yield* protection(input, known)
  if (why !== undefined) return { outcome: 'rejected', why }
  if (open !== undefined) yield* lift(open, input)
  return yield* placeLock(input, known)
}

function* placeLock(input: LockInput, known: Known): Act<Answer> {
  const { target, actor, endsAt, caseReference, comment, now } = input
  const about = { actor, caseReference, comment }
  const selector = selectorOf(target, known.sub)
  const others = known.others.map((sub): Selector => ({ kind: 'subject', sub }))
  const committed: Committed[] = []
  for (const covered of selector === undefined ? others : [selector, ...others])
    committed.push(yield* appendRevocation({ selector: covered, reason: 'locked', now, ...about }))
  const seq = committed[0]?.revocation.seq
  const id = `l_${yield* newId()}`
  const words = {
    caseReference: caseReference ?? null,
    comment: comment ?? null,
    actorKind: actor.kind,
    actorId: actor.id,
  }
  const { homeId, audience } = known
  yield* insert.run({
    id,
    ...lockKey(target),
    ...words,
    homeId: homeId ?? null,
    audience,
    at: now,
    endsAt: endsAt ?? null,
    seq: seq ?? null,
  })
  yield* emitLockEvent('lock.placed', selector, { ...about, until: endsAt })
  return {
    outcome: 'locked',
    lock: { id, target, ...about, at: now, endsAt, seq, lifted: undefined },
    committed,
  }
}
