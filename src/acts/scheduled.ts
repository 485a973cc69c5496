import type { ScheduledAct, ScheduledWhat } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { lockTargetName } from '../protocol/lock-target.ts'
import { acting, type Caller } from './caller.ts'
import { mustBeAllowed, mustBeKnown, mustNotBeProtected, previewedLock } from './locks.ts'
import { Problem } from './problem.ts'
import { recorded } from './recorded.ts'
import { sameUser } from './same-user.ts'
import { mustBeThere, previewed, revokeTarget } from './revocations.ts'

/** Acts that wait for their time, or for a second administrator; by whatever way the caller comes. */

export interface Scheduling {
  what: ScheduledWhat
  /** Undefined: as soon as a second administrator confirms it. */
  dueAt: number | undefined
  /** How long a second administrator may confirm it. Not given: a day. */
  confirmSeconds?: number | undefined
  caseReference?: string | undefined
  comment?: string | undefined
  now: number
}

/** As the audit log names it. */
export const targetOf = (what: ScheduledWhat): string => (what.act === 'revoke' ? revokeTarget(what.selector) : lockTargetName(what.target))

/** What it would end if it were done now. @throws Problem 404, 409 where it can never be done */
export async function previewedAct(deps: Deps, what: ScheduledWhat, now: number) {
  if (what.act === 'revoke') return { wouldEnd: await previewed(deps, what.selector, now), open: undefined }
  return previewedLock(deps, what.target, now)
}

/** @throws Problem 404, 409, 422 */
export async function scheduleAs(deps: Deps, caller: Caller, asked: Scheduling): Promise<ScheduledAct> {
  const { what, dueAt, caseReference, comment, now } = asked
  if (dueAt !== undefined && dueAt <= now) throw new Problem(422, 'The time has passed', 'at must be in the future.')
  if (what.act === 'lock') {
    mustBeAllowed(caller, { target: what.target, endsAt: what.endsAt, now })
    if (what.endsAt !== undefined && what.endsAt <= (dueAt ?? now)) throw new Problem(422, 'The end is too early', 'ends_at must be later than at.')
    mustNotBeProtected(deps, what.target)
    await mustBeKnown(deps, what.target)
  } else await mustBeThere(deps, what.selector, now)
  const details = { act: what.act, due_at: dueAt ?? null, ...(what.act === 'lock' && { ends_at: what.endsAt ?? null }) }
  const entry = { act: 'scheduled.add', target: targetOf(what), caseReference, comment, details }
  const [{ actor, via }, may] = [caller, acting(caller)]
  const act = await recorded(
    deps,
    caller,
    entry,
    () => deps.store.scheduleAct({ actor, via, may, ...asked }),
    ({ id, state }) => ({ scheduled: id, state }),
  )
  deps.log.warn('act_scheduled', {
    scheduled: act.id,
    act: what.act,
    target: targetOf(what),
    due_at: dueAt,
    confirm_until: act.confirmUntil,
    state: act.state,
    actor: actor.id,
  })
  return act
}

/** @throws Problem 404, 409 */
export async function confirmAs(deps: Deps, caller: Caller, id: string, now: number): Promise<ScheduledAct> {
  const before = await known(deps, id)
  const [{ actor, via }, may] = [caller, acting(caller)]
  const { operatorTenant } = deps.connection.current()
  const act = await recorded(
    deps,
    caller,
    {
      act: 'scheduled.confirm',
      target: targetOf(before.what),
      caseReference: before.caseReference,
      details: { scheduled: id, proposed_by: before.actor.id },
    },
    async () => {
      if (await sameUser(deps, before.actor, actor)) throw notConfirmed('same')
      const answer = await deps.store.confirmAct({ id, actor, via, may, operatorTenant, now })
      if (answer.outcome === 'unknown') throw NONE()
      if (answer.outcome !== 'confirmed') throw notConfirmed(answer.outcome)
      return answer.act
    },
    resultOf,
  )
  logged(deps, act)
  return act
}

const NOT_CONFIRMED = {
  settled: 'It is already confirmed, canceled, expired or held; GET /admin/v1/scheduled-acts (cmb scheduled list) shows its state.',
  same: 'You proposed it yourself, or with a client that you registered. Another administrator must confirm it.',
  expired: 'It was not confirmed in time. Propose it again if it is still needed.',
}
const notConfirmed = (why: keyof typeof NOT_CONFIRMED): Problem => new Problem(409, 'It cannot be confirmed', NOT_CONFIRMED[why])

/** @throws Problem 404, 409 */
export async function cancelAs(deps: Deps, caller: Caller, id: string, now: number): Promise<ScheduledAct> {
  const before = await known(deps, id)
  return recorded(
    deps,
    caller,
    { act: 'scheduled.cancel', target: targetOf(before.what), caseReference: before.caseReference, details: { scheduled: id } },
    async () => {
      const answer = await deps.store.cancelAct({ id, actor: caller.actor, now })
      if (answer.outcome === 'unknown') throw NONE()
      if (answer.outcome === 'settled') throw new Problem(409, 'It is settled', `Its state is ${answer.act.state}; nothing was changed.`)
      return answer.act
    },
    resultOf,
  )
}

/** After it was done, by whatever broker: for the log and the metrics. */
export function logged({ log, metrics }: Pick<Deps, 'log' | 'metrics'>, act: ScheduledAct): void {
  const { id, what, state, settled } = act
  if (state !== 'done' && state !== 'failed') return
  metrics.scheduledActs.inc({ act: what.act, outcome: state })
  if (state === 'done' && what.act === 'lock' && settled?.result['lock'] !== undefined) metrics.locks.inc({ change: 'set', kind: what.target.kind })
  const fields = { scheduled: id, act: what.act, target: targetOf(what), result: JSON.stringify(settled?.result) }
  if (state === 'done') log.warn('scheduled_act_done', fields)
  else log.error('scheduled_act_failed', { ...fields, next: 'cmb scheduled list shows why. Do it by hand if it is still needed.' })
}

const resultOf = ({ state, settled }: ScheduledAct): Record<string, unknown> => ({ state, ...settled?.result })

/** @throws Problem 404 */
async function known({ store }: Pick<Deps, 'store'>, id: string): Promise<ScheduledAct> {
  const act = await store.findScheduledAct(id)
  if (act === undefined) throw NONE()
  return act
}
export const NONE = (): Problem => new Problem(404, 'No such scheduled act', 'GET /admin/v1/scheduled-acts (cmb scheduled list) lists them.')
