import type { DeliveryRef } from '../../db/types.ts'
import type { Deps } from '../../src/deps.ts'
import type { AttemptKind } from '../../src/outbox/lane.ts'
import { messageKinds } from '../../src/outbox/message-kinds.ts'
import { deliver } from '../../workers/deliver.ts'

/** Makes one attempt at one delivery, as a lane does. */
export const deliverLogout = (deps: Deps, ref: DeliveryRef, how?: AttemptKind) =>
  deliver(deps, messageKinds(deps), ref, how)
