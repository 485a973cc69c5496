import type { Delivery, DeliveryAttempt } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { Caller } from '../../clients/caller.ts'
import { withAudit } from '../../clients/with-audit.ts'
import { existing } from './no-such.ts'

/** A selection of deliveries: by id, target, client or revocation, or all. */
export interface WhichDeliveries {
  id?: string | undefined
  target_id?: string | undefined
  client_id?: string | undefined
  seq?: number | undefined
  all?: true | undefined
}

/** Redrives rejected and failed deliveries, recorded in the audit log. @returns how many */
export async function redriveAs(
  deps: Deps,
  caller: Caller,
  wanted: WhichDeliveries,
): Promise<number> {
  const [target] = Object.entries(wanted)
  const refs = await withAudit(
    deps,
    caller,
    { act: 'redrive', target: target?.join(' ') },
    () =>
      deps.store.redrive({
        id: wanted.id,
        targetId: wanted.target_id,
        clientId: wanted.client_id,
        seq: wanted.seq,
      }),
    ({ length }) => ({ redriven: length }),
  )
  deps.queue.send(refs)
  return refs.length
}

/**
 * Brings the next attempt of a pending delivery forward. If the target does not answer, it becomes
 * the target's next probe.
 * @returns false if there is no such pending delivery
 */
export async function tryNowAs(deps: Deps, caller: Caller, id: string): Promise<boolean> {
  const entry = { act: 'try_now', target: `id ${id}` }
  const ref = await withAudit(
    deps,
    caller,
    entry,
    () => deps.store.tryNow({ id }),
    (found) => ({ brought_forward: found !== undefined }),
  )
  if (ref === undefined) return false
  deps.queue.send([ref])
  return true
}

/**
 * Closes pending, rejected and failed deliveries, so that nothing more is sent, and records the
 * reason.
 * @returns how many
 */
export async function closeAs(
  deps: Pick<Deps, 'store' | 'log' | 'queue'>,
  caller: Caller,
  {
    reason,
    caseReference,
    ...which
  }: WhichDeliveries & { reason: string; caseReference?: string | undefined },
): Promise<number> {
  const [target] = Object.entries(which)
  const closed = await withAudit(
    deps,
    caller,
    { act: 'close', target: target?.join(' '), caseReference, comment: reason },
    () =>
      deps.store.closeDeliveries({
        id: which.id,
        targetId: which.target_id,
        clientId: which.client_id,
        reason,
      }),
    ({ length }) => ({ closed: length }),
  )
  for (const { seq } of closed) if (seq !== undefined) deps.queue.changed(seq)
  return closed.length
}

/** Returns a delivery. @throws Problem 404 */
export const knownDelivery = async (
  { store }: Pick<Deps, 'store'>,
  id: string,
): Promise<Delivery> => existing('delivery', await store.findDelivery(id))

/**
 * Returns a page of deliveries and the next cursor. @throws Problem 404 if the cursor is unknown
 */
export async function deliveryPage(
  { store }: Pick<Deps, 'store'>,
  wanted: Parameters<Deps['store']['listDeliveries']>[0],
): Promise<{ found: Delivery[]; next: string | null }> {
  if (wanted.before !== undefined) await knownDelivery({ store }, wanted.before)
  const deliveries = await store.listDeliveries({ ...wanted, limit: wanted.limit + 1 })
  const page = deliveries.slice(0, wanted.limit)
  return { found: page, next: deliveries.length > wanted.limit ? (page.at(-1)?.id ?? null) : null }
}

/** Returns a delivery for the API. A logout token names a session or a user, never both. */
export const deliveryShown = (one: Delivery, attempts?: DeliveryAttempt[]) => ({
  ...one,
  attemptsMade: one.attempts,
  attempts,
})
