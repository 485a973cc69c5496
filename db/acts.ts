import { clientActs } from './client/acts.ts'
import type { Engine } from './engine/act.ts'
import { lockActs } from './locks/acts.ts'
import { microsoftActs } from './microsoft/acts.ts'
import { auditActs, operatorActs } from './operator/acts.ts'
import { userActs } from './operator/erase.ts'
import { repeatableActs } from './operator/repeatable.ts'
import { housekeepingActs } from './operator/housekeeping.ts'
import { tenantActs } from './operator/tenants.ts'
import { deliveryActs } from './outbox/acts.ts'
import { feedActs, revocationActs } from './revocation/acts.ts'
import { signInActs } from './session/acts.ts'
import { historyActs } from './session/history.ts'
import { streamActs } from './stream/acts.ts'
import { tokenActs } from './token/acts.ts'
import { webhookActs } from './webhook/endpoints.ts'

/** Every act of the port: the same on both engines. */
export const allActs = (engine: Engine) => ({
  ...signInActs(engine),
  ...historyActs(engine),
  ...tokenActs(engine),
  ...revocationActs(engine),
  ...microsoftActs(engine),
  ...deliveryActs(engine),
  ...webhookActs(engine),
  ...streamActs(engine),
  ...feedActs(engine),
  ...clientActs(engine),
  ...operatorActs(engine),
  ...auditActs(engine),
  ...tenantActs(engine),
  ...userActs(engine),
  ...lockActs(engine),
  ...repeatableActs(engine),
  ...housekeepingActs(engine),
})
