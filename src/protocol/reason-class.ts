import type { Reason } from './revocation.ts'

/**
 * Why a session ended, as far as its instances and the page of that browser may know. Every security reason reads `ended_elsewhere`: an
 * attacker who holds the session does not learn that they were noticed, nor by what.
 */
export const REASON_CLASSES = ['signed_out', 'ended_elsewhere', 'administrator', 'account', 'expired'] as const
export type ReasonClass = (typeof REASON_CLASSES)[number]

const CLASS_OF: Record<Reason, ReasonClass> = {
  signed_out: 'signed_out',
  // Of all sessions but one it came from another device.
  signed_out_remotely: 'ended_elsewhere',
  signed_out_everywhere: 'ended_elsewhere',
  idle: 'expired',
  expired: 'expired',
  administrator: 'administrator',
  refresh_token_reuse: 'ended_elsewhere',
  refresh_token_late: 'ended_elsewhere',
  code_reuse: 'ended_elsewhere',
  token_revoked: 'signed_out',
  client_removed: 'administrator',
  tenant_removed: 'administrator',
  microsoft_signed_out: 'signed_out',
  microsoft_session_revoked: 'ended_elsewhere',
  microsoft_password_changed: 'ended_elsewhere',
  microsoft_user_at_risk: 'ended_elsewhere',
  microsoft_sign_in_required: 'expired',
  microsoft_account_disabled: 'account',
  microsoft_account_deleted: 'account',
  microsoft_access_removed: 'account',
  mfa_lapsed: 'account',
  security_event: 'ended_elsewhere',
  reported_by_user: 'ended_elsewhere',
  restored: 'administrator',
  replaced: 'signed_out',
  session_limit: 'ended_elsewhere',
  locked: 'administrator',
}

export const reasonClass = (reason: Reason): ReasonClass => CLASS_OF[reason]
