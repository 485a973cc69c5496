import type { Actor, Selector } from '../../protocol/revocation.ts'
import type { Lock, Session, Standing, Subject } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { mustBeWithin } from '../../runtime/rate-limits.ts'
import type { Caller } from '../../clients/caller.ts'
import { liftAs, lockAs } from './locks.ts'
import { Problem } from '../../clients/problem.ts'
import { withAudit } from '../../clients/with-audit.ts'
import { revokeAs } from './revocations.ts'

/**
 * What the administrator of a tenant reads and does there. A user, a session or a lock of another
 * tenant is one that does not exist. The acts go on to the store with the actor's `tid`, which
 * refuses by itself what is outside of it.
 */

type TenantActor = Actor & { tid: string }

/** Known to these acts alone: handed to any other, it would be an administrator's. */
const callerOf = (actor: TenantActor): Caller => ({
  actor,
  source: 'broker',
  via: 'console',
  may: 'administer',
})

interface Asked {
  now: number
  caseReference?: string | undefined
  comment?: string | undefined
}

/** Ids of ours, and nothing that an engine takes no text of. */
const isName = (id: string): boolean => /^[\w-]{1,200}$/.test(id)

export async function userOf(
  { store }: Pick<Deps, 'store'>,
  { tid }: TenantActor,
  sub: string,
): Promise<Subject | undefined> {
  const user = isName(sub) ? await store.findSubject(sub) : undefined
  return user?.tid === tid ? user : undefined
}

/** Live or ended. */
export async function sessionOf(
  { store }: Pick<Deps, 'store'>,
  { tid }: TenantActor,
  sid: string,
  now: number,
): Promise<{ session: Session; state: Exclude<Standing['state'], 'unknown'> } | undefined> {
  const standing: Standing = isName(sid)
    ? await store.standingBySid(sid, now)
    : { state: 'unknown' }
  return standing.state !== 'unknown' && standing.session.user.tid === tid
    ? { session: standing.session, state: standing.state }
    : undefined
}

/** Open, and of a user of the tenant. */
export async function lockOf(
  { store }: Pick<Deps, 'store'>,
  { tid }: TenantActor,
  id: string,
): Promise<Lock | undefined> {
  const lock = isName(id) ? await store.findLock(id) : undefined
  return lock?.target.kind === 'user' && lock.target.tid === tid && lock.lifted === undefined
    ? lock
    : undefined
}

/**
 * An administrator of the same tenant; undefined for operators, users, Microsoft and the broker.
 */
export async function fellowOf(
  { store }: Pick<Deps, 'store'>,
  own: TenantActor,
  actor: Actor,
): Promise<Subject | undefined> {
  return actor.kind === 'operator' ? userOf({ store }, own, actor.id) : undefined
}

/** @returns false where it had ended already, or is not of this tenant */
export async function revokeIn(
  deps: Deps,
  actor: TenantActor,
  selector: Selector & { kind: 'session' | 'subject' },
  asked: Asked,
): Promise<boolean> {
  await here(deps, actor, asked)
  return found(
    async () => (await revokeAs(deps, callerOf(actor), selector, asked)).outcome === 'revoked',
  )
}

export async function lockIn(
  deps: Deps,
  actor: TenantActor,
  user: Subject,
  asked: Asked & { endsAt: number | undefined },
): Promise<boolean> {
  await here(deps, actor, asked)
  const target = { kind: 'user', tid: user.tid, oid: user.oid } as const
  return found(
    async () => (await lockAs(deps, callerOf(actor), { ...asked, target })).outcome === 'locked',
  )
}

export async function liftIn(
  deps: Deps,
  actor: TenantActor,
  id: string,
  asked: Asked,
): Promise<boolean> {
  await here(deps, actor, asked)
  return found(
    async () => (await liftAs(deps, callerOf(actor), { ...asked, id })).outcome === 'lifted',
  )
}

/**
 * A list of the tenant leaves the broker: recorded before it does, as the export of one user's data
 * is. The audit log keeps the entry for years, so the number of exports is limited.
 * @throws OAuthError 429
 */
export async function exportIn(
  deps: Deps,
  actor: TenantActor,
  list: 'sessions' | 'revocations',
  now: number,
): Promise<void> {
  mustBeWithin(deps.rateLimits, 'exports', { sub: actor.id })
  await here(deps, actor, { now })
  await withAudit(
    deps,
    callerOf(actor),
    { act: `${list}.export`, target: `tenant ${actor.tid}` },
    async () => undefined,
  )
}

/** Who has acted for a tenant, so that its administrators find the entries in the audit log. */
const here = ({ store }: Deps, { id: sub }: TenantActor, { now }: Asked): Promise<void> =>
  store.recordOperator({ sub, may: 'tenant', now })

/** The words of a Problem are for operators. */
async function found(act: () => Promise<boolean>): Promise<boolean> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof Problem) return false
    throw error
  }
}
