/** The vocabulary of revocation: selectors, reasons and actors. */

/** The longest that a setting lets a session last ("Stay signed in"): 90 days. */
export const LONGEST_SESSION_SECONDS = 7_776_000

/**
 * The sessions and tokens that a revocation covers, as far as they were opened or authorized before
 * its `seq`.
 */
export type Selector =
  | { kind: 'session'; sid: string }
  | { kind: 'grant'; sid: string; clientId: string }
  // The kinds from here on are wide: one row revokes everything they cover, and their deliveries
  // are written afterwards in batches.
  | { kind: 'subject'; sub: string }
  | { kind: 'client'; clientId: string }
  | { kind: 'tenant'; tid: string }
  | { kind: 'everything' }

/** The kinds of revocations and locks that concern more than one user. */
export const OF_MANY = ['client', 'tenant', 'everything'] as const
export const concernsMany = <T extends { kind: string }>(
  what: T,
): what is Extract<T, { kind: (typeof OF_MANY)[number] }> =>
  OF_MANY.some((wide) => wide === what.kind)

/** The closed list of reasons for a revocation. */
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
 * The effect of each reason on the floor. If it raises the floor, the affected users need a fresh
 * sign-in at Microsoft in every browser. False if the user ended their own session in that browser,
 * if time ended it, or if Microsoft only requires another sign-in (a mark). `security`: an attacker
 * may hold a device of the user, so a tenant can require more than the password
 * (BROKER_FRESH_CONTEXT). docs/fresh-sign-in.md explains the same.
 */
export const RAISES_FLOOR: Readonly<Record<Reason, RaisesFloor>> = {
  signed_out: false,
  signed_out_remotely: 'plain',
  signed_out_everywhere: 'plain',
  idle: false,
  expired: false,
  administrator: 'security',
  refresh_token_reuse: 'security',
  // Ends a grant only; see `raisesFloor`.
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

/**
 * Returns whether the revocation raises the floor. Revoking a grant or client does not, because it
 * says nothing about how users signed in.
 */
export const raisesFloor = (reason: Reason, { kind }: Selector): RaisesFloor =>
  kind === 'grant' || kind === 'client' ? false : RAISES_FLOOR[reason]

/**
 * The party that requested an act. `id` is a `sub`, a client_id, an operator's name or the name of
 * one of the broker's parts (`sweep-expired`, `token`), never a secret.
 */
export interface Actor {
  kind: 'user' | 'client' | 'operator' | 'microsoft' | 'broker'
  id: string
  /**
   * The tenant of an administrator of one tenant. The store limits their acts to it. Rows do not
   * store it, because the `sub` implies it.
   */
  tid?: string | undefined
}

/**
 * The classes of reasons that instances and the browser's own pages may know. Every security reason
 * is `ended_elsewhere`, so that an attacker with the session does not learn that they were
 * detected, or how.
 */
export const REASON_CLASSES = [
  'signed_out',
  'signed_out_remotely',
  'signed_out_everywhere',
  'replaced',
  'session_limit',
  'administrator',
  'locked',
  'account',
  'expired',
  'ended_elsewhere',
] as const
export type ReasonClass = (typeof REASON_CLASSES)[number]

/** Every reason that is not listed is `ended_elsewhere`. */
const CLASS_OF: Partial<Record<Reason, ReasonClass>> = {
  signed_out: 'signed_out',
  signed_out_remotely: 'signed_out_remotely',
  signed_out_everywhere: 'signed_out_everywhere',
  idle: 'expired',
  expired: 'expired',
  administrator: 'administrator',
  token_revoked: 'signed_out',
  client_removed: 'administrator',
  tenant_removed: 'administrator',
  microsoft_signed_out: 'signed_out',
  microsoft_sign_in_required: 'expired',
  microsoft_account_disabled: 'account',
  microsoft_account_deleted: 'account',
  microsoft_access_removed: 'account',
  mfa_lapsed: 'expired',
  restored: 'administrator',
  replaced: 'replaced',
  session_limit: 'session_limit',
  locked: 'locked',
}

export const reasonClass = (reason: Reason): ReasonClass => CLASS_OF[reason] ?? 'ended_elsewhere'
