import type { Act, Engine } from './engine/act.ts'
import { liftDueLocks, liftLock } from './locks/lift.ts'
import { lock, lockProtection } from './locks/lock-account.ts'
import { recordOperator } from './locks/protected.ts'
import { findLock, listLocks, lockCounts } from './locks/row.ts'
import { appendAudit, concludeAudit, listAudit, pageOfAudit } from './log/audit.ts'
import {
  addSignedHead,
  chainRows,
  headAndSignature,
  segmentBegins,
  signedAround,
} from './log/evidence.ts'
import { revocationsAfter } from './log/feed.ts'
import {
  endGuardLeases,
  holdGuardLease,
  leaveGuardLeases,
  openGuardLease,
  openGuardLeases,
} from './log/guard-leases.ts'
import { guardReports, hearGuards, recordEnforced } from './log/guards.ts'
import { logHeadRow, sessionsKnownFrom } from './log/head.ts'
import { acknowledge, keepEnforcements, receiptRows } from './log/receipt.ts'
import {
  everythingRevokedAt,
  findRevocation,
  listRevocations,
  newestTimes,
  pageOfRevocations,
} from './log/revocations.ts'
import { endAuthenticated, endMicrosoftSession } from './microsoft/end.ts'
import { finishProbes, takeProbes } from './microsoft/probe-pages.ts'
import { findProbe, recordProbe } from './microsoft/probe.ts'
import { eraseUser, forgetErased } from './operator/erase.ts'
import { exportUser } from './operator/export.ts'
import { purge } from './operator/purge.ts'
import { findRepeatable, keepRepeatable } from './operator/repeatable.ts'
import { splitDelivery } from './outbox/add.ts'
import {
  attemptsOf,
  latestAttempts,
  findDelivery,
  recordDelivery,
  releaseDelivery,
} from './outbox/attempts.ts'
import { closeDeliveries, redrive, tryNow } from './outbox/decisions.ts'
import {
  dueDeliveries,
  earlyDeliveries,
  pendingRevocations,
  pendingTargetIds,
} from './outbox/due.ts'
import { leaseDelivery } from './outbox/delivery-lease.ts'
import { deliveriesOfUser, deliveryCountsNow, listDeliveries } from './outbox/lists.ts'
import {
  askAboutEverybody,
  askMicrosoft,
  claimMicrosoftWork,
  failedMicrosoftWork,
  hasPendingMicrosoftWork,
  postponeMicrosoftWork,
  redriveMicrosoftWork,
  releaseMicrosoftWork,
  settleMicrosoftWork,
} from './outbox/microsoft-work.ts'
import { pendingTargets } from './outbox/pending-targets.ts'
import { applyAuthenticationAge } from './registry/authentication-age.ts'
import { listTargets } from './registry/client-targets.ts'
import { recordSecretUses } from './registry/client-secrets.ts'
import {
  addClientSecret,
  findClient,
  listClients,
  putClient,
  removeClient,
  removeClientSecret,
} from './registry/clients.ts'
import { activateKey, addKey, listKeys, retireKey } from './registry/keys.ts'
import { probe, resealSetting, setSetting, setSettingOnce, setting } from './registry/settings.ts'
import {
  changeTenant,
  findTenant,
  listTenants,
  putTenant,
  removeTenant,
} from './registry/tenants.ts'
import { registryVersion } from './rows/registry-version.ts'
import { expireGrants } from './revocation/expire-grants.ts'
import { expireSessions } from './revocation/expire.ts'
import { fanOutPending, oldestFanOut } from './revocation/fan-out.ts'
import { previewRevocation } from './revocation/preview.ts'
import { reportByUser } from './revocation/report.ts'
import { revokeRequested } from './revocation/requested.ts'
import { grantClient } from './rows/client.ts'
import { issueCode } from './rows/code.ts'
import { lockInForce } from './rows/locked.ts'
import { needsFreshSignIn, tenantsWithAuthTime } from './rows/required-freshness.ts'
import { markReportDone, securityHistory, signInAddress, userReports } from './rows/history.ts'
import { liveSessionOfBrowser, statusByCookie, statusBySid } from './rows/session.ts'
import { findHuman, findSubject, findSubjectByUser } from './rows/user.ts'
import { acceptedByClient } from './session/accepted.ts'
import { appsOfUser, withdrawConsent } from './session/apps.ts'
import { hasConsent, recordConsent } from './session/consent.ts'
import { liveSessionCount } from './session/count.ts'
import { liveSessionsOf, pageOfSessions, participantsIn, searchSessions } from './session/live.ts'
import {
  findRejectedSignIn,
  listRejectedSignIns,
  recordRejectedSignIn,
  recordRejectedVisits,
  rejectedByReason,
  rejectedLately,
} from './session/rejected.ts'
import { signIn } from './session/sign-in.ts'
import { listUsers, searchUsers } from './session/users.ts'
import { waiveFreshSignIn } from './session/waiver.ts'
import {
  addStream,
  changeStream,
  holdDelivery,
  removeStream,
  streamVerified,
  verifyStream,
} from './stream/acts.ts'
import { pollStream, releaseStream, settlePolled } from './stream/held.ts'
import { findStream, listStreams, streamOfClient } from './stream/row.ts'
import { checkAccess, checkClientAccess, checkOwnSession } from './token/access.ts'
import { redeemAuthorizationCode } from './token/codes.ts'
import { consumeOnce, pushedRequest, pushRequest, wasConsumed } from './token/one-time.ts'
import { findFamily, rotateRefreshToken } from './token/rotate.ts'
import {
  addWebhook,
  changeWebhook,
  findWebhook,
  listWebhooks,
  removeWebhook,
  testWebhook,
} from './webhook/endpoints.ts'

/** Acts that read in one transaction. */
const READS = {
  findClient,
  listClients,
  registryVersion,
  listTargets,
  statusBySid,
  statusByCookie,
  liveSessionOfBrowser,
  needsFreshSignIn,
  tenantsWithAuthTime,
  findSubject,
  findSubjectByUser,
  findHuman,
  participants: participantsIn,
  liveSessionsOf,
  hasConsent,
  appsOfUser,
  securityHistory,
  userReports,
  signInAddress,
  findRejectedSignIn,
  rejectedLately,
  findFamily,
  grantClient,
  checkClientAccess,
  checkOwnSession,
  wasConsumed,
  findRevocation,
  oldestFanOut,
  everythingRevokedAt,
  newestTimes,
  head: logHeadRow,
  sessionsKnownFrom,
  guardReports,
  openGuardLeases,
  receiptRows,
  findLock,
  listLocks,
  lockInForce,
  lockCounts,
  lockProtection,
  listUsers,
  findProbe,
  hasPendingMicrosoftWork,
  failedMicrosoftWork,
  findDelivery,
  listDeliveries,
  deliveriesOfUser,
  dueDeliveries,
  earlyDeliveries,
  pendingTargetIds,
  pendingRevocations,
  attemptsOf,
  latestAttempts,
  deliveryCounts: deliveryCountsNow,
  listWebhooks,
  findWebhook,
  listStreams,
  findStream,
  streamOfClient,
  pollStream,
  listKeys,
  setting,
  listTenants,
  findTenant,
  exportUser,
  findRepeatable,
  chainHead: headAndSignature,
  signedAround,
  chainRows,
  chainBegins: segmentBegins,
}
/** Acts that write in one transaction. */
const WRITES = {
  putClient,
  addClientSecret,
  removeClientSecret,
  recordSecretUses,
  removeClient,
  signIn,
  issueCode,
  waiveFreshSignIn,
  recordConsent,
  withdrawConsent,
  recordRejectedSignIn,
  recordRejectedVisits,
  redeemAuthorizationCode,
  rotateRefreshToken,
  consumeOnce,
  pushRequest,
  revoke: revokeRequested,
  reportByUser,
  markReportDone,
  recordEnforced,
  hearGuards,
  openGuardLease,
  holdGuardLease,
  leaveGuardLeases,
  endGuardLeases,
  acknowledge,
  keepEnforcements,
  lock,
  liftLock,
  recordOperator,
  finishProbes,
  recordProbe,
  endMicrosoftSession,
  endAuthenticated,
  askMicrosoft,
  claimMicrosoftWork,
  releaseMicrosoftWork,
  settleMicrosoftWork,
  postponeMicrosoftWork,
  leaseDelivery,
  recordDelivery,
  releaseDelivery,
  splitDelivery,
  holdDelivery,
  tryNow,
  addWebhook,
  changeWebhook,
  removeWebhook,
  testWebhook,
  addStream,
  changeStream,
  removeStream,
  verifyStream,
  streamVerified,
  releaseStream,
  settlePolled,
  addKey,
  activateKey,
  retireKey,
  setSetting,
  setSettingOnce,
  resealSetting,
  probe,
  changeTenant,
  removeTenant,
  eraseUser,
  keepRepeatable,
  appendAudit,
  concludeAudit,
  addSignedHead,
}
/** Acts that write one page of a bulk act, in a transaction that they share with no waiting act. */
const PAGES = { purge, forgetErased }
/** Acts that need several transactions, or first read whether there is anything to write. */
const OF_SEVERAL = {
  listRejectedSignIns,
  rejectedByReason,
  acceptedByClient,
  searchSessions,
  pageOfSessions,
  searchUsers,
  checkAccess,
  pushedRequest,
  listRevocations,
  pageOfRevocations,
  previewRevocation,
  expireGrants,
  applyAuthenticationAge,
  liftDueLocks,
  takeProbes,
  askAboutEverybody,
  redriveMicrosoftWork,
  pendingTargets,
  redrive,
  closeDeliveries,
  listAudit,
  pageOfAudit,
  putTenant,
  liveSessionCount,
}

/** A table of acts with the signatures that callers of the store see. */
type Offered<T> = {
  [K in keyof T]: T[K] extends (...input: infer I) => Act<infer A>
    ? (...input: I) => Promise<A>
    : never
}
/** The same for acts that run their transactions themselves. */
type Bound<T> = {
  [K in keyof T]: T[K] extends (engine: Engine, ...input: infer I) => infer A
    ? (...input: I) => A
    : never
}

const mapped = <F>(table: Record<string, F>, wrap: (operation: F) => unknown): unknown =>
  Object.fromEntries(Object.entries(table).map(([name, operation]) => [name, wrap(operation)]))

/**
 * Wraps each act so that a call runs it in one transaction.
 * @param run runs an act in one transaction
 */
const offered = <T extends Record<string, (...input: never[]) => Act<unknown>>>(
  run: Engine['read'],
  acts: T,
) =>
  mapped(
    acts,
    (act) =>
      (...input: never[]) =>
        run(() => act(...input)),
  ) as Offered<T>

const bound = <T extends Record<string, (engine: Engine, ...input: never[]) => unknown>>(
  engine: Engine,
  acts: T,
) =>
  mapped(
    acts,
    (act) =>
      (...input: never[]) =>
        act(engine, ...input),
  ) as Bound<T>

/** Returns every act of the store, bound to an engine. Both engines have the same acts. */
export const allActs = (engine: Engine) => ({
  ...offered(engine.read, READS),
  ...offered(engine.write, WRITES),
  ...offered(engine.writePage, PAGES),
  ...bound(engine, OF_SEVERAL),
  revocationsAfter: revocationsAfter(engine),
  fanOutPending: fanOutPending(engine),
  expireSessions: expireSessions(engine),
})
