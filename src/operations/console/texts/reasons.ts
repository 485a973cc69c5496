import type { RejectedFor, SecurityEvent } from '../../../../db/types.ts'
import type { Reason } from '../../../protocol/revocation.ts'

/** Why a session ended, as the console says it. */
export const REASON: Record<Reason, string> = {
  signed_out: 'Signed out',
  signed_out_remotely: 'Signed out from another device',
  signed_out_everywhere: 'Signed out everywhere',
  idle: 'Idle too long',
  expired: 'Reached its end',
  administrator: 'Ended by an administrator',
  refresh_token_reuse: 'Refresh token reuse (possible theft)',
  refresh_token_late: 'A replaced refresh token was used too late',
  code_reuse: 'A code was used twice',
  token_revoked: 'The instance revoked its token',
  client_removed: 'The instance was removed',
  tenant_removed: 'The tenant was removed',
  microsoft_signed_out: 'Signed out at Microsoft',
  microsoft_session_revoked: 'Microsoft revoked the session',
  microsoft_password_changed: 'The password was changed',
  microsoft_user_at_risk: 'Microsoft found the user at risk',
  microsoft_sign_in_required: 'Microsoft wants a new sign-in',
  microsoft_account_disabled: 'The account was disabled',
  microsoft_account_deleted: 'The account was deleted',
  microsoft_access_removed: 'The application is no longer assigned to the user',
  mfa_lapsed: 'MFA lapsed',
  security_event: 'A security event',
  reported_by_user: 'The user reported it: a lost device, or not their sign-in',
  restored: 'Restored from a backup',
  replaced: 'Another user signed in there',
  session_limit: 'The user reached their limit of sessions',
  locked: 'Locked',
}

/** Why a sign-in was rejected. */
export const REJECTED: Record<RejectedFor, string> = {
  mfa_not_proved: 'MFA was not proved',
  freshness_not_proved: 'A fresh sign-in was not proved',
  not_assigned_here: 'The user is not assigned to the instance',
  other_user: 'The instance expected another user',
  tenant_not_connected: 'The tenant is not connected',
  user_locked: 'The user is locked',
  tenant_locked: 'The tenant is locked',
  client_locked: 'The instance is locked',
}

/** The names of the events in a user’s security history. */
export const EVENT: Record<SecurityEvent['kind'], string> = {
  signed_in: 'Signed in',
  renewed: 'Signed in again',
  sign_in_rejected: 'Sign-in rejected',
  ended: 'Session ended',
  reported: 'Reported by the user',
}
