import type { DeliveryKind } from '../../db/types.ts'
import type { Deps } from './deps.ts'
import { logoutTokens } from './logout-token.ts'
import type { MessageKind } from './attempt.ts'
import { securityEvents } from './security-event-message.ts'
import { webhooks } from './webhook-message.ts'

/** The implementation of each kind of message in the outbox. */
export type MessageKinds = Record<DeliveryKind, MessageKind>

export const messageKinds = (
  deps: Pick<
    Deps,
    'config' | 'random' | 'keys' | 'clients' | 'store' | 'sealer' | 'webhookOutbound' | 'clock'
  >,
): MessageKinds => ({
  logout_token: logoutTokens(deps),
  webhook: webhooks(deps),
  set: securityEvents(deps),
})
