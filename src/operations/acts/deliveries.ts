import type { Delivery, DeliveryAttempt } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { existing } from './no-such.ts'

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
export const deliveryShown = (delivery: Delivery, attempts?: DeliveryAttempt[]) => ({
  ...delivery,
  attemptsMade: delivery.attempts,
  attempts,
})
