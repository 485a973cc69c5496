import type { LockKind } from '../../../protocol/lock-target.ts'
import { plural } from '../format.ts'

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

export const GONE = 'There is no such user or open lock here. Nothing was changed.'

export const LOCKS = {
  none: 'Nothing is locked.',
  noneYet: 'Nothing is locked. A user, an instance or a tenant is locked on its page.',
  check: 'Check before you lock',
  now: 'Lock now',
  already: (kind: LockKind): string =>
    `This ${kind === 'client' ? 'instance' : kind} is locked already.`,
  client: (name: string): string => `The instance ${name}`,
  tenant: (name: string): string => `The tenant ${name}`,
  user: (oid: string, tenant: string): string => `The user ${oid} of ${tenant}`,
  endsNow: 'Ends now',
  whileItLasts: 'While it lasts',
  until: 'Until when?',
  another: 'Or until another time (UTC)',
  open: 'An administrator lifts it',
  done: (target: string, sessions: number): string =>
    `${target} is locked. ${plural(sessions, 'session')} ended.`,
  stopped: 'See what each instance has confirmed',
  ofOperator: 'Only the operator of Case Manager can lift a lock that the operator set.',
  operatorLifts: 'the operator lifts it',
  askOperator: 'Ask the operator',
  lift: 'Lift a lock',
  liftIt: 'Lift the lock',
}
