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
  'microsoft_sign_in_required',
  'microsoft_account_disabled',
  'microsoft_account_deleted',
  'microsoft_access_removed',
  'mfa_lapsed',
  'security_event',
  'reported_by_user',
  'restored',
  'replaced',
] as const
export type Reason = (typeof REASONS)[number]

/**
 * Who asked. `id` is a `sub`, a client_id, an operator's name or the name of one of our own parts (`sweep-expired`, `token`); never a secret.
 */
export interface Actor {
  kind: 'user' | 'client' | 'operator' | 'microsoft' | 'broker'
  id: string
}
