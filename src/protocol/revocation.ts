/** The vocabulary of revocation: what is covered, why, and by whom. */

/** What a revocation covers. `seq` decides against which sessions and tokens: those opened or authorised before it. */
export type Selector =
  | { kind: 'session'; sid: string }
  | { kind: 'grant'; sid: string; clientId: string }
  // From here on wide: one row decides for all that it covers; what it owes is written in batches afterwards.
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

/**
 * Whether a revocation for this reason raises the floor: whoever it signs out has to sign in freshly at Microsoft, in every browser. No: the
 * user ended their own session in that browser, time ended it, or Microsoft only asks anew (a mark). docs/reasons.md says the same in words.
 */
export const RAISES_FLOOR: Readonly<Record<Reason, boolean>> = {
  signed_out: false,
  signed_out_remotely: true,
  signed_out_everywhere: true,
  idle: false,
  expired: false,
  administrator: true,
  refresh_token_reuse: true,
  // A grant's: see `raisesFloor`.
  refresh_token_late: false,
  code_reuse: false,
  token_revoked: false,
  client_removed: false,
  tenant_removed: true,
  microsoft_signed_out: false,
  microsoft_session_revoked: true,
  microsoft_password_changed: true,
  microsoft_user_at_risk: true,
  microsoft_sign_in_required: false,
  microsoft_account_disabled: true,
  microsoft_account_deleted: true,
  microsoft_access_removed: true,
  mfa_lapsed: false,
  security_event: true,
  reported_by_user: true,
  restored: true,
  replaced: false,
  session_limit: false,
  locked: true,
}

/** A revoked grant or client is no word about how its users signed in. */
export const raisesFloor = (reason: Reason, { kind }: Selector): boolean => RAISES_FLOOR[reason] && kind !== 'grant' && kind !== 'client'

/**
 * Who asked. `id` is a `sub`, a client_id, an operator's name or the name of one of our own parts (`sweep-expired`, `token`); never a secret.
 */
export interface Actor {
  kind: 'user' | 'client' | 'operator' | 'microsoft' | 'broker'
  id: string
}
