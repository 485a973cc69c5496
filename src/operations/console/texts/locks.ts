import type { LockKind } from '../../../protocol/lock-target.ts'

/** The results of locking and lifting, by the name in the address. */
export const DONE: Readonly<Record<string, string>> = {
  user: 'The user is locked and signed out.',
  client: 'The instance is locked. It gets no code and no token.',
  tenant: 'The tenant is locked, and its users are signed out.',
  already: 'It was locked already. Nothing was changed.',
  lifted: 'The lock is lifted. Sign-ins are possible again.',
  lifted_before: 'The lock had been lifted already.',
}

/** Says what a lock does to each kind of target while it is open. */
export const THEN: Record<LockKind, string> = {
  user: 'The user cannot sign in.',
  client: 'The instance gets no code and no token.',
  tenant: 'No user of the tenant can sign in.',
}
