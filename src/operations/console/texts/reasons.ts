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

/** The advice to the administrator of a tenant, by the reason of the rejection. */
export const TENANT_TO_DO: Record<RejectedFor, string> = {
  mfa_not_proved:
    'Check in the sign-in log of Microsoft Entra which policies applied: a Conditional Access policy has to demand MFA for Case Manager and cover this user. Check that the user has set up a second factor, and ask them to try again.',
  freshness_not_proved:
    'Ask the user to sign in again, and to enter their password where Microsoft asks for it. If it is rejected again, tell the operator of Case Manager the reference.',
  not_assigned_here:
    'If the user needs the instance, assign them in Microsoft Entra (Enterprise applications, Users and groups) with the role that the instance needs, and ask them to sign in again.',
  other_user:
    'Nothing to change: the user chose another account than the one that was signed in before. Ask them to sign in with that account.',
  tenant_not_connected:
    'Your organization was not connected at that time. If it is rejected again, tell the operator of Case Manager.',
  user_locked:
    'Open the user: the page says who locked them and until when. Lift the lock there if it was set by your organization; only the operator of Case Manager lifts theirs.',
  tenant_locked:
    'The operator of Case Manager locked your whole organization. Ask the operator until when.',
  client_locked:
    'The operator of Case Manager locked the instance for every user. Ask the operator until when.',
}

/** The names of the events in a user’s security history. */
export const EVENT: Record<SecurityEvent['kind'], string> = {
  signed_in: 'Signed in',
  renewed: 'Signed in again',
  sign_in_rejected: 'Sign-in rejected',
  ended: 'Session ended',
  reported: 'Reported by the user',
}
