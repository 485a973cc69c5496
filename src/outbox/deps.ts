import type { Deps as ClientDeps } from '../clients/deps.ts'
import type { Outbound } from '../runtime/outbound.ts'
import type { DeliveryQueue } from './interface.ts'

/** The dependencies of this module, the delivery of messages. */
export interface Deps extends ClientDeps {
  queue: DeliveryQueue
  /**
   * Outbound HTTP to the endpoints of webhooks: public addresses, and private ones of an
   * allow-list.
   */
  webhookOutbound: Outbound
}
