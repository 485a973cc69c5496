import type { Actor, Reason, Selector } from '../../src/protocol/revocation.ts'
import { decodeSelector } from '../../src/protocol/selector.ts'
import type { Committed, Revocation } from '../types.ts'
import { append, head, logHeadRow } from '../revocation/log.ts'
import type { Entry } from '../revocation/log.ts'
import { optional } from './core.ts'
import type { Core } from './core.ts'

/** The log, for acts that are not generators yet. */

export type { Entry } from '../revocation/log.ts'

export interface RevocationRow {
  seq: number
  kind: Selector['kind']
  sid: string | null
  sub: string | null
  client_id: string | null
  tid: string | null
  reason: Reason
  actor_kind: Actor['kind']
  actor_id: string
  at: number
  at_ms: number
  case_reference: string | null
  comment: string | null
  fan_out: 'complete' | 'pending'
  fan_out_cursor: string
  sessions: number
}

export interface RevocationLog {
  append(entry: Entry): Committed
  /** The head: what a session, a code, a family or a token is opened against. */
  head(): number
  epoch(): string
}

export const revocationLog = (core: Pick<Core, 'run' | 'nowMs' | 'newId'>): RevocationLog => ({
  append: (entry) => core.run(append(core, entry)),
  head: () => core.run(head()),
  epoch: () => core.run(logHeadRow()).epoch,
})

export const revocationOf = (row: RevocationRow): Revocation => ({
  seq: row.seq,
  // A row that lacks its member reads as everything: it revokes too much, never too little.
  selector: decodeSelector(row) ?? { kind: 'everything' },
  tid: optional(row.tid),
  reason: row.reason,
  actor: { kind: row.actor_kind, id: row.actor_id },
  at: row.at,
  caseReference: optional(row.case_reference),
  comment: optional(row.comment),
  fanOut: row.fan_out,
  sessions: row.sessions,
})
