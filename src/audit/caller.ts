import type { AuditWay } from '../../db/types.ts'
import type { ClientSource } from '../protocol/client-metadata.ts'
import type { Actor } from '../protocol/revocation.ts'
import { Problem } from './problem.ts'

/**
 * The actor of a request and its rights. It is set from the socket, the bearer token or the
 * console's session, never from a request's body.
 */
export interface Caller {
  actor: Actor
  /** The source that is recorded for the clients this caller registers. */
  source: ClientSource
  /** The name of the caller's interface in the audit log. */
  via: AuditWay
  may: Right
}

/**
 * The rights of a caller, least first: `audit` reads; `operate` also redrives and locks for a day;
 * `administer` does everything.
 */
const RIGHTS = ['audit', 'operate', 'administer'] as const
export type Right = (typeof RIGHTS)[number]
/** The rights that allow changes. */
export type Acting = Exclude<Right, 'audit'>

/** Returns the members of a log entry that name the actor. */
export const by = ({ actor }: Pick<Caller, 'actor'>) => ({
  actorKind: actor.kind,
  actor: actor.id,
})

export const allows = (may: Right, need: Right): boolean =>
  RIGHTS.indexOf(may) >= RIGHTS.indexOf(need)

/**
 * Returns the caller's right to change something.
 * @throws Problem 403 for an auditor, who may only read
 */
export function acting({ may }: Pick<Caller, 'may'>): Acting {
  if (may === 'audit') throw new Problem(403, 'Read-only role', READ_ONLY)
  return may
}
export const READ_ONLY =
  'Your role may read everything and change nothing. Ask an operator or an administrator to do this.'
