import type { Check } from './check.ts'
import { brokerChecks } from './broker.ts'
import { certificateChecks } from './certificates.ts'
import { clientChecks } from './clients.ts'
import { databaseChecks } from './database.ts'
import { microsoftChecks } from './microsoft.ts'
import { rejectedSignInChecks } from './rejected-sign-ins.ts'
import { receiverChecks } from './receivers.ts'
import { storageChecks } from './storage.ts'
import { signalIssuerChecks } from './signal-issuers.ts'
import { userReportChecks } from './user-reports.ts'

/**
 * All checks, in the order of `cmb doctor`. A new entry also appears at /readyz and in the
 * metrics.
 */
export const CHECKS: readonly Check[] = [
  ...brokerChecks,
  ...databaseChecks,
  ...storageChecks,
  ...microsoftChecks,
  ...certificateChecks,
  ...clientChecks,
  ...receiverChecks,
  ...signalIssuerChecks,
  ...rejectedSignInChecks,
  ...userReportChecks,
]

/** Returns whether a check concerns the connection to Microsoft. */
export const isOfMicrosoft = ({ id }: Pick<Check, 'id'>): boolean =>
  microsoftChecks.some((check) => check.id === id)
