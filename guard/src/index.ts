/**
 * The package that a Case Manager instance installs. It checks the broker's access tokens offline,
 * follows its feed of revocations, and receives its logout tokens. It rejects whatever it cannot be
 * sure of. Its only dependency is jose.
 */
export { createGuard, type Guard } from './guard.ts'
export type { GuardStatus } from './guard.ts'
export type { RevocationListener } from './listeners.ts'
export type { GuardOptions } from './options.ts'
export type { WithoutLease } from './lease.ts'
export type { GuardHooks } from './hooks.ts'
export type { Problem } from './problems.ts'
export type { GuardClock } from './clock.ts'
export type { AccessClaims, Actor, CheckResult, Rejection, Why } from './claims.ts'
export type { EndedSession, SessionClaims, SessionState, UnknownSession } from './session-check.ts'
export type { Presented } from './proofs.ts'
export type { Authorized, HasHeaders, Requirement } from './authorize.ts'
export type { StepUp, Strength } from './strength.ts'
export { HoldEnded, type HoldEnd, type HoldOptions } from './holds.ts'
export type { ClientAssertion, ClientKey } from './credentials.ts'
export {
  covers,
  REASON_CLASSES,
  type Bearer,
  type Entry,
  type ReasonClass,
  type Selector,
} from './selector.ts'
export { createLogoutReceiver, type Logout, type LogoutReceiverOptions } from './logout-receiver.ts'

// Parts of the verification, for receivers of other tokens than the guard's own.
export { KeySet, KeysUnavailable, type Algorithm, type KeySetOptions } from './keys.ts'
export { completeClock } from './clock.ts'
export { verifyJwt, type ExpectedJwt, type VerifiedJwt } from './verify-jwt.ts'
export {
  verifyLogoutToken,
  type LogoutTokenClaims,
  type LogoutTokenExpected,
  type VerifiedLogoutToken,
} from './logout-token.ts'
export {
  verifySecurityEvent,
  type SecurityEventClaims,
  type SetError,
  type VerifiedSecurityEvent,
} from './security-event.ts'
