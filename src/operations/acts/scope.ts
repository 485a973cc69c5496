import type { Lock, Session, SessionStatus, Subject } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { Actor } from '../../protocol/revocation.ts'
import { mustBeWithin } from '../../runtime/rate-limits.ts'
import { acting, type Caller } from '../../audit/caller.ts'
import { record } from '../../audit/record.ts'

/**
 * Limits what a viewer may read. To a tenant's administrator, whose `actor` has a `tid`, objects of
 * other tenants do not exist. The store itself rejects acts outside that tenant.
 */

type Store = Pick<Deps, 'store'>
type Scope = Pick<Actor, 'tid'>

/**
 * Returns whether `id` has the form of the broker's own ids. Other text may hold a NUL character,
 * which Postgres rejects.
 */
const isName = (id: string): boolean => /^[\w-]{1,200}$/.test(id)

export async function userIn(
  { store }: Store,
  { tid }: Scope,
  sub: string,
): Promise<Subject | undefined> {
  const user = isName(sub) ? await store.findSubject(sub) : undefined
  return tid === undefined || user?.tid === tid ? user : undefined
}

export async function sessionIn(
  { store }: Store,
  { tid }: Scope,
  sid: string,
  now: number,
): Promise<{ session: Session; state: Exclude<SessionStatus['state'], 'unknown'> } | undefined> {
  const found: SessionStatus = isName(sid)
    ? await store.statusBySid(sid, now)
    : { state: 'unknown' }
  return found.state === 'unknown' || (tid !== undefined && found.session.user.tid !== tid)
    ? undefined
    : found
}

/** Returns the open lock if this viewer may lift it. Only operators lift operators' locks. */
export async function lockIn(deps: Store, scope: Scope, id: string): Promise<Lock | undefined> {
  const lock = isName(id) ? await deps.store.findLock(id) : undefined
  if (lock === undefined || lock.lifted !== undefined) return undefined
  const { target, actor } = lock
  return scope.tid === undefined ||
    (target.kind === 'user' && target.tid === scope.tid && (await isOwn(deps, scope, actor)))
    ? lock
    : undefined
}

/**
 * Returns whether the viewer may read the comment of an act. A tenant's administrator reads only
 * those of that tenant's administrators; operators read all.
 */
export const isOwn = async (deps: Store, scope: Scope, actor: Actor): Promise<boolean> =>
  scope.tid === undefined ||
  (actor.kind === 'operator' && (await userIn(deps, scope, actor.id)) !== undefined)

/**
 * Records the tenant's administrator who acts, so that administrators of that tenant find the entry
 * in the audit log.
 */
export async function recordActor(
  { store }: Store,
  { actor: { id: sub, tid } }: Caller,
  now: number,
): Promise<void> {
  if (tid !== undefined) await store.recordOperator({ sub, may: 'tenant', now })
}

export const LISTS = [
  'users',
  'sessions',
  'locks',
  'sign-ins',
  'revocations',
  'deliveries',
  'audit',
  'clients',
  'tenants',
  'keys',
] as const
/** A list of the console that can be downloaded. */
export type ListName = (typeof LISTS)[number]

/**
 * Records the export of a list before it starts. Exports are limited, because the audit log keeps
 * each entry for years.
 * @throws OAuthError 429
 */
export async function exportAs(
  deps: Deps,
  caller: Caller,
  list: ListName,
  now: number,
): Promise<void> {
  const { id: sub, tid } = caller.actor
  acting(caller)
  mustBeWithin(deps.rateLimits, 'exports', { sub })
  await recordActor(deps, caller, now)
  const target = tid === undefined ? 'everything' : `tenant ${tid}`
  await record(deps, caller, { act: `${list}.export`, target }, async () => undefined)
}
