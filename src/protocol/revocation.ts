/** The vocabulary of revocation: what is covered, why, and by whom. */

/**
 * What a revocation covers. `seq` decides against which sessions and tokens: those opened or
 * authorized before it.
 */
export type Selector =
  | { kind: 'session'; sid: string }
  | { kind: 'grant'; sid: string; clientId: string }
  // From here on wide: one row decides for all that it covers; its deliveries are written in
  // batches afterwards.
  | { kind: 'subject'; sub: string }
  | { kind: 'client'; clientId: string }
  | { kind: 'tenant'; tid: string }
  | { kind: 'everything' }

/** The closed list of reasons. */
export const REASONS = [
  'signed_out',
  'signed_out_remotely',
  'signed_out_everywhere',
  'idle',
  'expired',
  'administrator',
  'refresh_token_reuse',
  'refresh_token_late',
  'code_reuse',
  'token_revoked',
  'client_removed',
  'tenant_removed',
  'microsoft_signed_out',
  'microsoft_session_revoked',
  'microsoft_password_changed',
  'microsoft_user_at_risk',
  'microsoft_sign_in_required',
  'microsoft_account_disabled',
  'microsoft_account_deleted',
  'microsoft_access_removed',
  'mfa_lapsed',
  'security_event',
  'reported_by_user',
  'restored',
  'replaced',
  'session_limit',
  'locked',
] as const
export type Reason = (typeof REASONS)[number]

export type RaisesFloor = false | 'plain' | 'security'

/**
 * Whether a revocation for this reason raises the floor: the users that it signs out have to sign
 * in freshly at Microsoft, in every browser. False: the user ended their own session in that
 * browser, time ended it, or Microsoft only asks again (a mark). `security`: an attacker may hold a
 * device of the user, so that a tenant can demand more than the password (BROKER_FRESH_CONTEXT).
 * docs/fresh-sign-in.md says the same in words.
 */
export const RAISES_FLOOR: Readonly<Record<Reason, RaisesFloor>> = {
  signed_out: false,
  signed_out_remotely: 'plain',
  signed_out_everywhere: 'plain',
  idle: false,
  expired: false,
  administrator: 'security',
  refresh_token_reuse: 'security',
  // A grant's: see `raisesFloor`.
  refresh_token_late: false,
  code_reuse: false,
  token_revoked: false,
  client_removed: false,
  tenant_removed: 'plain',
  microsoft_signed_out: false,
  microsoft_session_revoked: 'security',
  microsoft_password_changed: 'security',
  microsoft_user_at_risk: 'security',
  microsoft_sign_in_required: false,
  microsoft_account_disabled: 'security',
  microsoft_account_deleted: 'security',
  microsoft_access_removed: 'security',
  mfa_lapsed: false,
  security_event: 'security',
  reported_by_user: 'security',
  restored: 'security',
  replaced: false,
  session_limit: false,
  locked: 'security',
}

/** A revoked grant or client says nothing about how its users signed in. */
export const raisesFloor = (reason: Reason, { kind }: Selector): RaisesFloor =>
  kind === 'grant' || kind === 'client' ? false : RAISES_FLOOR[reason]

/**
 * Who asked. `id` is a `sub`, a client_id, an operator's name or the name of one of our own parts
 * (`sweep-expired`, `token`); never a secret.
 */
export interface Actor {
  kind: 'user' | 'client' | 'operator' | 'microsoft' | 'broker'
  id: string
  /**
   * Of an operator who is the administrator of one tenant: the store does nothing of theirs outside
   * of it. Rows do not keep it: the `sub` tells it.
   */
  tid?: string | undefined
}

/**
 * Why a session ended, as far as its instances and the page of that browser may know. Every
 * security reason reads `ended_elsewhere`: an attacker who holds the session does not learn that
 * they were noticed, nor by what.
 */
export const REASON_CLASSES = [
  'signed_out',
  'ended_elsewhere',
  'administrator',
  'account',
  'expired',
] as const
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
