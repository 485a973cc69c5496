import type { Deps as ClientDeps } from '../clients/deps.ts'
import type { Outbound } from '../runtime/outbound.ts'
import type { DeliveryQueue } from './interface.ts'

/** What the delivery of messages needs from outside. */
export interface Deps extends ClientDeps {
  queue: DeliveryQueue
  /**
   * Outbound HTTP to the endpoints of webhooks: public addresses, and private ones of an
   * allow-list.
   */
  webhookOutbound: Outbound
}
