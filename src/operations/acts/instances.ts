import type { DeliveryState, Lock } from '../../../db/types.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import type { Deps } from '../deps.ts'
import { lockKey } from '../../protocol/lock-target.ts'
import { NO_ANSWER } from '../../outbox/attempt.ts'
import type { TargetState } from '../../outbox/interface.ts'
import { type GuardState, guardsNow } from './guards.ts'

/**
 * The state of each instance: what is pending for it, whether its addresses answer, and what its
 * guards enforce.
 */

/**
 * Returns whether the id is that of a webhook endpoint or a stream. Both have deliveries, but
 * neither is a client.
 */
export const isNoClient = (clientId: string): boolean => /^(?:wh|st)_[\w-]{22}$/.test(clientId)

export interface TargetNow {
  targetId: string
  uri: string
  pending: number
  oldestAtMs: number | undefined
  /** The state in this process's queue. Undefined if this process has not called the address. */
  state: TargetState | undefined
  /**
   * The address is no longer the instance's; it still gets the logout tokens of earlier
   * revocations.
   */
  former: boolean
}

export interface InstanceNow {
  clientId: string
  name: string
  registered: boolean
  counts: Record<DeliveryState, number>
  /** The open lock of the client. */
  lock: Lock | undefined
  targets: TargetNow[]
  guards: GuardState[]
  /**
   * True if the instance has neither a guard nor a logout address. It then honors a revoked access
   * token until the token expires.
   */
  unreached: boolean
  /** True if a delivery has been pending for longer than an instance that is well leaves one. */
  isOverdue: boolean
  /** How long an access token that it accepts is valid at most. 0: it accepts none. */
  tokenSeconds: number
  /** True if users sign in at the instance. */
  userFacing: boolean
}

const NONE: Record<DeliveryState, number> = {
  pending: 0,
  delivered: 0,
  rejected: 0,
  failed: 0,
  superseded: 0,
  closed: 0,
}

const MOST_LOCKS = 1000

/** The age of a pending delivery from which an operator has to look, as the alert has it. */
const OVERDUE_MS = 60_000

export async function instancesNow(
  deps: Pick<Deps, 'store' | 'queue' | 'clients' | 'clock'>,
): Promise<InstanceNow[]> {
  const [counts, pending, targets, locks, { guards }] = await Promise.all([
    deps.store.deliveryCounts(),
    deps.store.pendingTargets(),
    deps.store.listTargets(),
    deps.store.listLocks({ state: 'open', kind: 'client', limit: MOST_LOCKS }),
    guardsNow(deps),
  ])
  const states = new Map(deps.queue.targets().map((target) => [target.targetId, target]))
  const clients = deps.clients.list().filter((client) => client.source !== 'broker')
  const seconds = acceptedSeconds(clients)
  const ids = new Set([
    ...clients.map((client) => client.clientId),
    ...[...pending, ...counts.filter(unsettled)]
      .map((count) => count.clientId)
      .filter((id) => !isNoClient(id)),
  ])
  return [...ids].map((clientId) => {
    const client = clients.find((candidate) => candidate.clientId === clientId)
    const mine = targetsNow(clientId, { targets, pending, states })
    const ownGuards = guards.filter((guard) => guard.clientId === clientId)
    return {
      clientId,
      name: client?.metadata.name ?? clientId,
      registered: client !== undefined,
      counts: {
        ...NONE,
        ...Object.fromEntries(
          counts
            .filter((count) => count.clientId === clientId)
            .map((count) => [count.state, count.count]),
        ),
      },
      lock: locks.find(({ target }) => lockKey(target).key === clientId),
      targets: mine,
      guards: ownGuards,
      unreached:
        client !== undefined &&
        client.metadata.grants.includes('authorization_code') &&
        mine.length === 0 &&
        ownGuards.length === 0,
      isOverdue: mine.some(
        ({ oldestAtMs }) =>
          oldestAtMs !== undefined && deps.clock.nowMs() - oldestAtMs > OVERDUE_MS,
      ),
      tokenSeconds: (client && seconds.get(client.metadata.audience)) ?? 0,
      userFacing: client?.metadata.grants.includes('authorization_code') === true,
    }
  })
}

/**
 * Returns for each audience how long a user's access token for it is valid at most. An audience has
 * none if no client may get one.
 */
function acceptedSeconds(clients: readonly Client[]): Map<string, number> {
  const longest = new Map<string, number>()
  const issued = (audience: string, by: Client | undefined): void => {
    const { accessTokenSeconds = 0 } = by?.metadata ?? {}
    longest.set(audience, Math.max(longest.get(audience) ?? 0, accessTokenSeconds))
  }
  const byId = new Map(clients.map((client) => [client.clientId, client]))
  for (const client of clients) {
    const { audience, resources, exchangeFrom, grants } = client.metadata
    if (grants.includes('authorization_code'))
      for (const each of [audience, ...resources]) issued(each, client)
    for (const from of exchangeFrom) issued(audience, byId.get(from))
  }
  return longest
}

interface Addresses {
  targets: Awaited<ReturnType<Deps['store']['listTargets']>>
  pending: Awaited<ReturnType<Deps['store']['pendingTargets']>>
  states: ReadonlyMap<string, TargetNow['state']>
}

/** Returns the client's addresses, and former ones that still have pending deliveries. */
function targetsNow(clientId: string, { targets, pending, states }: Addresses): TargetNow[] {
  const former = pending.filter(
    (candidate) =>
      candidate.clientId === clientId &&
      !targets.some((target) => target.targetId === candidate.targetId),
  )
  return [...targets.filter((target) => target.clientId === clientId), ...former].map(
    ({ targetId, uri }) => {
      const due = pending.find((candidate) => candidate.targetId === targetId)
      return {
        targetId,
        uri,
        pending: due?.pending ?? 0,
        oldestAtMs: due?.oldestAtMs,
        state: states.get(targetId),
        former: former.some((candidate) => candidate.targetId === targetId),
      }
    },
  )
}

/**
 * Returns whether there are deliveries that are pending, rejected or failed. They keep a removed
 * client in the list.
 */
export const unsettled = ({ state, count }: { state: DeliveryState; count: number }): boolean =>
  count > 0 && ['pending', 'rejected', 'failed'].includes(state)

/**
 * `bad`: the instance does not get its revocations. `ill`: an operator has to look at it. `waits`:
 * deliveries are pending, or a guard is behind.
 */
export type Health = 'bad' | 'ill' | 'waits' | 'good'
const ORDER: readonly Health[] = ['bad', 'ill', 'waits', 'good']

/** The reason for which an instance needs an operator. */
export type Trouble =
  | Failing
  | 'overdue'
  | 'failed'
  | 'rejects'
  | 'unreached'
  | 'unguarded'
  | 'silent'

export interface InstanceHealth {
  health: Health
  trouble?: Trouble
  /** Completes a sentence that begins with the instance's name. */
  why: string
  /** The last failure of an address that does not answer. */
  failure?: string | undefined
}

type Failing = 'down' | 'hangs' | 'errs'

/** Tells an address that answers with an error from one that is late, and one that is not there. */
export function failingAs(failure = ''): { trouble: Failing; why: string } {
  if (failure.startsWith('HTTP ')) return { trouble: 'errs', why: 'answers with an error' }
  if (failure.startsWith(NO_ANSWER)) return { trouble: 'hangs', why: 'does not answer in time' }
  return { trouble: 'down', why: 'does not answer' }
}

export function healthOf(instance: InstanceNow): InstanceHealth {
  const down = instance.targets.find(
    ({ state, pending }) =>
      state?.breaker === 'open' || (state?.breaker === 'failing' && pending > 0),
  )
  if (down !== undefined)
    return {
      health: 'bad',
      ...failingAs(down.state?.lastFailure),
      failure: down.state?.lastFailure,
    }
  if (instance.isOverdue)
    return {
      health: 'bad',
      trouble: 'overdue',
      why: 'has had a pending delivery for over a minute',
    }
  if (instance.counts.failed > 0)
    return { health: 'bad', trouble: 'failed', why: 'has failed deliveries' }
  if (instance.counts.rejected > 0)
    return { health: 'ill', trouble: 'rejects', why: 'rejects deliveries' }
  if (instance.unreached)
    return {
      health: 'ill',
      trouble: 'unreached',
      why: 'has neither a guard nor a logout address',
    }
  const ofGuards = guardHealthOf(instance)
  if (ofGuards !== undefined) return ofGuards
  if (instance.guards.length > 0 && instance.guards.every(({ connected }) => !connected))
    return { health: 'waits', why: 'has no connected guard' }
  if (instance.counts.pending > 0) return { health: 'waits', why: 'has pending deliveries' }
  if (instance.guards.some(({ connected, behind }) => connected && (behind ?? 0) > 0))
    return { health: 'waits', why: 'has a guard that is behind' }
  // Only a guard shows that an instance runs while nothing is sent to it.
  return { health: 'good', why: instance.guards.length > 0 ? 'ok' : 'nothing pending' }
}

/** Returns what is wrong with an instance's guards. Undefined if it has none, or all are heard. */
export function guardHealthOf({
  guards,
}: Pick<InstanceNow, 'guards'>): (InstanceHealth & { trouble: Trouble }) | undefined {
  if (guards.length > 0 && !guards.some(({ heard }) => heard))
    return {
      health: 'bad',
      trouble: 'unguarded',
      why: guards.some(({ connected }) => connected)
        ? 'has no guard that is heard'
        : 'has no connected guard',
    }
  if (guards.some(({ silent }) => silent))
    return { health: 'ill', trouble: 'silent', why: 'has a guard that is not heard' }
  return undefined
}

/**
 * Returns whether the overview shows the instance. Clients that have no users and receive nothing
 * are only in the list of clients.
 */
export const isWatched = ({ targets, guards, registered, userFacing }: InstanceNow): boolean =>
  userFacing || !registered || targets.length > 0 || guards.length > 0

export const worstFirst = (all: readonly InstanceNow[]): InstanceNow[] =>
  all.toSorted(
    (a, b) =>
      ORDER.indexOf(healthOf(a).health) - ORDER.indexOf(healthOf(b).health) ||
      Number(b.lock !== undefined) - Number(a.lock !== undefined) ||
      a.name.localeCompare(b.name, 'en'),
  )
