/** The targets of locks, as acts, rows and the audit log name them. */

const LOCK_KINDS = ['user', 'tenant', 'client'] as const
export type LockKind = (typeof LOCK_KINDS)[number]
/**
 * The target of a lock. A user is locked by tenant and object id, even before they first sign in.
 */
export type LockTarget =
  | { kind: 'user'; tid: string; oid: string }
  | { kind: 'tenant'; tid: string }
  | { kind: 'client'; clientId: string }

/** The columns of a lock that identify its target. */
export interface LockKey {
  kind: LockKind
  /** The `tid` of a user or tenant, or the `client_id`. */
  key: string
  /** The object id of a user; empty for other kinds. */
  oid: string
}

export function lockKey(target: LockTarget): LockKey {
  if (target.kind === 'user') return { kind: 'user', key: target.tid, oid: target.oid }
  return {
    kind: target.kind,
    key: target.kind === 'tenant' ? target.tid : target.clientId,
    oid: '',
  }
}

export function lockTarget({ kind, key, oid }: LockKey): LockTarget {
  if (kind === 'user') return { kind, tid: key, oid }
  return kind === 'tenant' ? { kind, tid: key } : { kind, clientId: key }
}

/**
 * Returns the target as the audit log names it: `user <tid> <oid>`, `tenant <tid>`, `client <id>`.
 */
export const lockTargetName = (target: LockTarget): string => Object.values(target).join(' ')
