import type { AuditWay } from '../../db/types.ts'
import type { ClientSource } from '../protocol/client-metadata.ts'
import type { Actor } from '../protocol/revocation.ts'
import { Problem } from './problem.ts'

/**
 * Who acts on the broker, and what they may do. Set from the socket, the bearer token or the
 * console's session, never from a request's body.
 */
export interface Caller {
  actor: Actor
  /** What they register belongs to this source. */
  source: ClientSource
  /** How the audit log names the interface. */
  via: AuditWay
  may: Right
}

/**
 * What a caller may do, least first: `audit` reads; `operate` also redrives and locks for a day;
 * `administer` does everything.
 */
const RIGHTS = ['audit', 'operate', 'administer'] as const
export type Right = (typeof RIGHTS)[number]
/** Of who changes something. */
export type Acting = Exclude<Right, 'audit'>

export const allows = (may: Right, need: Right): boolean =>
  RIGHTS.indexOf(may) >= RIGHTS.indexOf(need)

/** @throws Problem 403 for an auditor, who changes nothing by any way */
export function acting({ may }: Pick<Caller, 'may'>): Acting {
  if (may === 'audit') throw new Problem(403, 'Read-only role', READ_ONLY)
  return may
}
export const READ_ONLY =
  'Your role may read everything and change nothing. Ask an operator or an administrator to do this.'

/**
 * By the socket on the broker's own machine, by no client of the admin API and no page.
 * @throws Problem 403
 */
export function onlyHere({ via }: Caller, command: string): void {
  if (via !== 'command')
    throw new Problem(403, 'Only on the broker’s own machine', `Run ${command} there.`)
}
