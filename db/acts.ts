import type { Engine } from './engine/act.ts'
import { lockActs } from './locks/acts.ts'
import { logActs } from './log/acts.ts'
import { microsoftActs } from './microsoft/acts.ts'
import { operatorActs } from './operator/acts.ts'
import { deliveryActs } from './outbox/acts.ts'
import { registryActs } from './registry/acts.ts'
import { revocationActs } from './revocation/acts.ts'
import { sessionActs } from './session/acts.ts'
import { streamActs } from './stream/acts.ts'
import { tokenActs } from './token/acts.ts'
import { webhookActs } from './webhook/endpoints.ts'

/** Every act of the port: the same on both engines. */
export const allActs = (engine: Engine) => ({
  ...deliveryActs(engine),
  ...logActs(engine),
  ...webhookActs(engine),
  ...streamActs(engine),
  ...revocationActs(engine),
  ...sessionActs(engine),
  ...tokenActs(engine),
  ...lockActs(engine),
  ...microsoftActs(engine),
  ...registryActs(engine),
  ...operatorActs(engine),
})
