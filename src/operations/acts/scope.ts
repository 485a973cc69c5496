import type { Lock, Session, SessionStatus, Subject } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { Actor } from '../../protocol/revocation.ts'
import { mustBeWithin } from '../../runtime/rate-limits.ts'
import type { Caller } from '../../clients/caller.ts'
import { withAudit } from '../../clients/with-audit.ts'

/**
 * What the viewer of a page may read. For the administrator of a tenant, whose `actor` has a `tid`,
 * a user, a session or a lock of another tenant is one that does not exist. The store refuses by
 * itself what an act would change outside of that tenant.
 */

type Store = Pick<Deps, 'store'>
type Scope = Pick<Actor, 'tid'>

/** Returns whether `id` has the form of the broker's own ids: Postgres rejects a NUL character. */
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

/** The open lock, if this viewer may lift it: operators lift what operators have locked. */
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
 * Whether a tenant's administrator may read the words of an act: those of administrators of the
 * same tenant, and none of operators. Operators read all.
 */
export const isOwn = async (deps: Store, scope: Scope, actor: Actor): Promise<boolean> =>
  scope.tid === undefined ||
  (actor.kind === 'operator' && (await userIn(deps, scope, actor.id)) !== undefined)

/** Who has acted for a tenant, so that its administrators find the entries in the audit log. */
export async function recordActor(
  { store }: Store,
  { actor: { id: sub, tid } }: Caller,
  now: number,
): Promise<void> {
  if (tid !== undefined) await store.recordOperator({ sub, may: 'tenant', now })
}

/**
 * A list leaves the broker: recorded before it does, as the export of one user's data is. The audit
 * log keeps the entry for years, so the number of exports is limited.
 * @throws OAuthError 429
 */
export async function exportAs(
  deps: Deps,
  caller: Caller,
  list: 'sessions' | 'revocations',
  now: number,
): Promise<void> {
  const { id: sub, tid } = caller.actor
  mustBeWithin(deps.rateLimits, 'exports', { sub })
  await recordActor(deps, caller, now)
  const target = tid === undefined ? 'everything' : `tenant ${tid}`
  await withAudit(deps, caller, { act: `${list}.export`, target }, async () => undefined)
}
