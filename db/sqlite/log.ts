import type { Actor, Reason, Selector } from '../../src/protocol/revocation.ts'
import { decodeSelector, encodeSelector, type SelectorMembers } from '../../src/protocol/selector.ts'
import type { Committed, DeliveryRef, Priority, Revocation } from '../types.ts'
import { optional } from './core.ts'
import { chains } from './chains.ts'
import type { Core } from './core.ts'
import type { FanOut } from './fan-out.ts'

/**
 * The log of revocations and its one entrance. Every end of a session, a grant or anything wider is appended here, inside the transaction of
 * the act that causes it. It refuses nothing: whether a revocation is due is for the acts to know.
 */

export interface Entry {
  selector: Selector
  reason: Reason
  actor: Actor
  now: number
  caseReference?: string | undefined
  comment?: string | undefined
  /** Of its deliveries; `urgent` if not given. */
  priority?: Priority | undefined
}

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

/** The cutoff row of a wide selector. */
function cutoffKey(selector: Selector): { kind: string; key: string } | undefined {
  if (selector.kind === 'subject') return { kind: 'subject', key: selector.sub }
  if (selector.kind === 'client') return { kind: 'client', key: selector.clientId }
  if (selector.kind === 'tenant') return { kind: 'tenant', key: selector.tid }
  if (selector.kind === 'everything') return { kind: 'everything', key: '' }
  return undefined
}

export function revocationLog({ db, nowMs, newId }: Pick<Core, 'db' | 'nowMs' | 'newId'>, { addDeliveries }: FanOut): RevocationLog {
  const next = db.prepare<[], number>('UPDATE log_head SET seq = seq + 1 WHERE id = 1 RETURNING seq').pluck()
  const head = db.prepare<[], number>('SELECT seq FROM log_head WHERE id = 1').pluck()
  const epoch = db.prepare<[], string>('SELECT epoch FROM log_head WHERE id = 1').pluck()
  const insert = db.prepare<[Record<string, unknown>], RevocationRow>(`INSERT INTO revocations
    (seq, kind, sid, sub, client_id, tid, reason, actor_kind, actor_id, at, at_ms, case_reference, comment, fan_out, sessions, hash, personal_hash, salt)
    VALUES (@seq, @kind, @sid, @sub, @clientId, @tid, @reason, @actorKind, @actorId, @at, @atMs, @caseReference, @comment, @fanOut, @sessions, @hash, @personalHash, @salt)
    RETURNING *`)
  const cutoff = db.prepare<[string, string, number]>(
    'INSERT INTO cutoffs (kind, key, seq) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq',
  )
  const chain = chains({ db })
  const endSession = db.prepare<[number, number, string, string]>(
    'UPDATE sessions SET ended_seq = ?, ended_at = ?, ended_reason = ?, microsoft_cache_sealed = NULL WHERE sid = ? AND ended_seq IS NULL',
  )
  const endGrant = db.prepare<[number, string, string]>('UPDATE participants SET grant_cutoff = ? WHERE sid = ? AND client_id = ?')
  const ownerOfSession = db.prepare<[string], { sub: string; tid: string }>('SELECT sub, tid FROM sessions WHERE sid = ?')
  const tenantOfSubject = db.prepare<[string], { tid: string }>('SELECT tid FROM subjects WHERE sub = ?')

  const whose = (selector: Selector): { sub?: string | undefined; tid?: string | undefined } => {
    if (selector.kind === 'session' || selector.kind === 'grant') return ownerOfSession.get(selector.sid) ?? {}
    if (selector.kind === 'subject') return { sub: selector.sub, ...tenantOfSubject.get(selector.sub) }
    return selector.kind === 'tenant' ? { tid: selector.tid } : {}
  }

  /** Makes it so, and writes what a narrow revocation owes; a wide one owes in batches, later. */
  const apply = (entry: Entry, seq: number, atMs: number, sub: string | undefined): DeliveryRef[] => {
    const { selector } = entry
    if (selector.kind === 'session') endSession.run(seq, entry.now, entry.reason, selector.sid)
    else if (selector.kind === 'grant') endGrant.run(seq, selector.sid, selector.clientId)
    const wide = cutoffKey(selector)
    if (wide !== undefined) cutoff.run(wide.kind, wide.key, seq)
    if (selector.kind !== 'session' && selector.kind !== 'grant') return []
    if (sub === undefined) return []
    const clientId = 'clientId' in selector ? selector.clientId : undefined
    return addDeliveries({ seq, atMs, sid: selector.sid, sub, clientId, wide: false, priority: entry.priority ?? 'urgent' })
  }

  return {
    head: () => head.get() ?? 0,
    epoch: () => epoch.get() ?? '',
    append(entry) {
      const seq = next.get()
      if (seq === undefined) throw new Error('The log has no head: the data file is damaged. Restore a backup.')
      const { selector } = entry
      const atMs = nowMs()
      const { sub, tid } = whose(selector)
      const pending = apply(entry, seq, atMs, sub)
      const members: SelectorMembers = encodeSelector(selector)
      const { sid = null, client_id: clientId = null } = members
      const { kind, reason, actorKind, at } = { kind: members.kind, reason: entry.reason, actorKind: entry.actor.kind, at: entry.now }
      const caseReference = entry.caseReference ?? null
      const owner = tid ?? null
      const personal = { sub: members.sub ?? null, actor_id: entry.actor.id, comment: entry.comment ?? null }
      const covered = {
        seq,
        kind,
        sid,
        client_id: clientId,
        tid: owner,
        reason,
        actor_kind: actorKind,
        at,
        at_ms: atMs,
        case_reference: caseReference,
      }
      const salt = newId()
      const row = insert.get({
        ...{ seq, kind, sid, clientId, tid: owner, reason, actorKind, at, atMs, caseReference, salt },
        ...{ sub: personal.sub, actorId: personal.actor_id, comment: personal.comment },
        ...chain.link('revocations', seq, covered, salt, personal),
        fanOut: cutoffKey(selector) === undefined ? 'complete' : 'pending',
        sessions: selector.kind === 'session' || selector.kind === 'grant' ? 1 : 0,
      })
      if (row === undefined) throw new Error('The log took no entry.')
      return { revocation: revocationOf(row), sub, pending }
    },
  }
}
