import type { AuditWay } from '../../db/types.ts'
import type { ClientSource } from '../protocol/client-metadata.ts'
import type { Actor } from '../protocol/revocation.ts'
import { Problem } from './problem.ts'

/** Who acts on the broker, and what they may do. Set from the socket, the bearer token or the console's session, never from a request's body. */
export interface Caller {
  actor: Actor
  /** What they register belongs to this source. */
  source: ClientSource
  /** How the audit log names the way in. */
  via: AuditWay
  /** `operate` reads and redrives; `administer` also revokes, registers and rotates. */
  may: 'operate' | 'administer'
}

/** By the socket on the broker's own machine, by no client of the admin API and no page. @throws Problem 403 */
export function onlyHere({ via }: Caller, command: string): void {
  if (via !== 'command') throw new Problem(403, 'Only on the broker’s own machine', `Run ${command} there.`)
}
