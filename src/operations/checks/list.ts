import type { Check } from './check.ts'
import { brokerChecks } from './broker.ts'
import { certificateChecks } from './certificates.ts'
import { clientChecks } from './clients.ts'
import { databaseChecks } from './database.ts'
import { lockChecks } from './locks.ts'
import { microsoftChecks } from './microsoft.ts'
import { receiverChecks } from './receivers.ts'
import { signalIssuerChecks } from './signal-issuers.ts'

/**
 * Every check there is, in the order of `cmb doctor`. To add one, add an entry: /readyz, `cmb
 * doctor`, /setup/checks and the metrics show it.
 */
export const CHECKS: readonly Check[] = [
  ...brokerChecks,
  ...databaseChecks,
  ...lockChecks,
  ...microsoftChecks,
  ...certificateChecks,
  ...clientChecks,
  ...receiverChecks,
  ...signalIssuerChecks,
]
