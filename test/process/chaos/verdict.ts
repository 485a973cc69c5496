import { createGuard } from '@case-manager/guard'
import type { Broker } from '../../../src/operations/command/broker.ts'
import { until } from '../broker-process.ts'
import type { TestWorld } from '../world.ts'
import type { Instance, Delivered } from './instances.ts'
import { type KnownSession, type User, type Seat, Violation } from './users.ts'

/**
 * The conditions that must hold when everything is repaired. Each one that does not is a finding.
 */

export interface Verdict {
  /** The logout tokens that reached instances, and the deliveries that failed and are visible. */
  delivered: number
  visible: number
}

interface Pending {
  client_id: string
  sid?: string
  sub?: string
}

/**
 * A delivery that failed nine times waits up to 600 s, and a quarter more, for its next attempt.
 */
const SETTLED_SECONDS = 900

/** Waits until no delivery is pending. */
export async function settled(broker: () => Promise<Broker>): Promise<void> {
  await until(
    'no delivery is pending',
    async () => {
      // Checked first, because a pending fan-out still has deliveries to write.
      const { revocations } = await (
        await broker()
      ).get<{ revocations: { fan_out: string }[] }>('/revocations?limit=1000')
      if (revocations.some((revocation) => revocation.fan_out === 'pending'))
        throw new Error('A fan-out is pending.')
      const { pending } = await (
        await broker()
      ).get<{ pending: { client_id: string; pending: number }[] }>('/status')
      if (pending.length > 0) throw new Error(JSON.stringify(pending))
      return true
    },
    SETTLED_SECONDS,
  )
}

export async function judge(parts: {
  world: TestWorld
  users: readonly User[]
  instances: readonly Instance[]
  broker: Broker
}): Promise<Verdict> {
  const { world, users, instances, broker } = parts
  const delivered = new Map(instances.map((instance) => [instance.city, instance.delivered()]))
  // A delivery has attempts for a day, so one that has failed within this run has lost its
  // schedule.
  const failed = await given(broker, 'failed')
  if (failed.length > 0)
    throw new Violation(
      `${failed.length} deliveries have no attempts left: ${JSON.stringify(failed[0])}.`,
    )
  const visible = await given(broker, 'rejected')
  const sessions = users.flatMap((user) => user.sessions)
  for (const session of sessions) {
    for (const seat of session.seats) {
      const heard = delivered.get(seat.city) ?? []
      if (session.ended === undefined) superseded(session, seat, heard)
      else heardOf({ session, seat, heard, visible })
    }
  }
  for (const user of users) {
    for (const session of user.live) for (const seat of session.seats) await user.refresh(seat)
    for (const session of user.sessions)
      if (session.ended !== undefined)
        for (const seat of session.seats) await user.isRejected(session, seat)
  }
  await guardAgrees(world, sessions)
  return { delivered: [...delivered.values()].flat().length, visible: visible.length }
}

async function given(broker: Broker, state: string): Promise<Pending[]> {
  const { deliveries, next } = await broker.get<{ deliveries: Pending[]; next: unknown }>(
    `/deliveries?state=${state}&limit=1000`,
  )
  if (next !== null) throw new Error(`More ${state} deliveries than one page.`)
  return deliveries
}

/**
 * Checks that no logout token named a live session: none by its `sid`, and by its `sub` only for
 * revocations from before it joined.
 */
function superseded(session: KnownSession, seat: Seat, heard: readonly Delivered[]): void {
  const wrong = heard.find(
    (delivered) =>
      delivered.sid === session.sid || (delivered.sub === session.sub && delivered.rev > seat.rev),
  )
  if (wrong)
    throw new Violation(
      `${seat.city} got a logout token for session ${session.sid} (${JSON.stringify(wrong)}), which no act had ended.`,
    )
}

/** Checks that every acknowledged end was delivered, or is visible as failed. */
function heardOf(parts: {
  session: KnownSession
  seat: Seat
  heard: readonly Delivered[]
  visible: readonly Pending[]
}): void {
  const { session, seat, heard, visible } = parts
  if (
    heard.some(
      (delivered) =>
        delivered.sid === session.sid ||
        (delivered.sub === session.sub && delivered.rev > seat.rev),
    )
  )
    return
  if (
    visible.some(
      (pending) =>
        pending.client_id === seat.city &&
        (pending.sid === session.sid || pending.sub === session.sub),
    )
  )
    return
  throw new Violation(
    `${seat.city} got no logout token for session ${session.sid} of ${session.upn} (${session.act ?? session.ended}), and no failed delivery shows it.`,
  )
}

/**
 * Checks a new guard at the first instance: it must reject unexpired tokens of ended sessions, and
 * accept those of live ones.
 */
async function guardAgrees(world: TestWorld, sessions: readonly KnownSession[]): Promise<void> {
  const [instance] = world.instances
  if (instance === undefined) return
  const { client_id: clientId, client_secret: clientSecret, audience } = instance.entry
  const guard = createGuard({
    issuer: world.broker.issuer,
    clientId,
    clientSecret,
    audience: String(audience),
  })
  try {
    await guard.start()
    for (const session of sessions) {
      for (const { city, accessToken } of session.seats) {
        if (city !== clientId) continue
        const { ok } = await guard.check(accessToken)
        if (session.ended === undefined && !ok)
          throw new Violation(`The guard rejects a token of session ${session.sid}, which lives.`)
        if (session.ended !== undefined && ok)
          throw new Violation(
            `The guard honours a token of session ${session.sid}, which has ended.`,
          )
      }
    }
  } finally {
    await guard.stop()
  }
}
