/** What a lock is on, as acts, rows and the audit log name it. */

const LOCK_KINDS = ['user', 'tenant', 'client'] as const
export type LockKind = (typeof LOCK_KINDS)[number]
/** A user is locked by tenant and object id, whether or not they have signed in before. */
export type LockTarget =
  | { kind: 'user'; tid: string; oid: string }
  | { kind: 'tenant'; tid: string }
  | { kind: 'client'; clientId: string }

/** The columns of a lock. */
export interface LockKey {
  kind: LockKind
  /** tid of a user or a tenant; client_id. */
  key: string
  /** Of a user; empty for others. */
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

/** The target of an audit entry: `user <tid> <oid>`, `tenant <tid>`, `client <id>`. */
export const lockTargetName = (target: LockTarget): string => Object.values(target).join(' ')
