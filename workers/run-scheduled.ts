import type { Deps } from '../src/deps.ts'
import { logged } from '../src/acts/scheduled.ts'
import { lockTargetName } from '../src/protocol/lock-target.ts'

/**
 * Lifts locks whose end has come, announces wide acts before their time, ends proposals that no administrator confirmed, and does what is due. Each is one act of the store, so that of several
 * brokers one does it. Nothing is done by a clock that is wrong: it is done when the clock is right, late rather than never.
 */

/** In one act. */
const BATCH = 20
/** A wide act is announced so long before it is done. */
const ANNOUNCED_SECONDS = 3600

type Needs = Pick<Deps, 'config' | 'store' | 'clock' | 'clockWatch' | 'connection' | 'log' | 'metrics'>
type Going = () => boolean

export async function runScheduled(deps: Needs, going: Going = () => true): Promise<void> {
  for (let more = true; more && going();) {
    const now = deps.clock.now()
    // After the clock was read, so that no step comes in between.
    if (deps.clockWatch.disagrees()) return
    const { lifts, announcements, expiries, act } = await deps.store.dueNow({ now, announceUntil: now + ANNOUNCED_SECONDS })
    if (lifts) await liftLocks(deps, now)
    if (announcements) await announce(deps, now)
    if (expiries) await expire(deps, now)
    if (act !== undefined) await run(deps, act, now)
    more = lifts || announcements || expiries || act !== undefined
  }
}

async function liftLocks({ store, log, metrics }: Needs, now: number): Promise<void> {
  for (const { id, target, endsAt } of await store.liftDueLocks({ now, limit: BATCH })) {
    metrics.locks.inc({ change: 'lifted', kind: target.kind })
    log.warn('lock_lifted', { lock: id, kind: target.kind, target: lockTargetName(target), ends_at: endsAt, actor: 'lift-locks' })
  }
}

async function announce({ store, log }: Needs, now: number): Promise<void> {
  for (const { id, what, dueAt, actor } of await store.announceActs({ until: now + ANNOUNCED_SECONDS, now, limit: BATCH }))
    log.warn('scheduled_act_soon', { scheduled: id, act: what.act, due_at: dueAt, actor: actor.id, next: `To stop it: cmb scheduled cancel ${id}` })
}

async function expire({ store, log, metrics }: Needs, now: number): Promise<void> {
  for (const { id, what, actor } of await store.expireActs({ now, limit: BATCH })) {
    metrics.scheduledActs.inc({ act: what.act, outcome: 'expired' })
    log.error('scheduled_act_expired', {
      ...{ scheduled: id, act: what.act, actor: actor.id },
      next: 'No second administrator confirmed it in time, and nothing was done. Propose it again if it is still needed.',
    })
  }
}

async function run(deps: Needs, id: string, now: number): Promise<void> {
  const { operatorTenant } = deps.connection.current()
  const act = await deps.store.runDueAct({ id, operatorTenant, now })
  if (act !== undefined) logged(deps, act)
}
