import { setImmediate as turn } from 'node:timers/promises'
import type { Actor } from '../../src/protocol/revocation.ts'
import type { AuditActs } from '../store.ts'
import type { AuditEntry, AuditOutcome, AuditWay, NewAuditEntry } from '../types.ts'
import { chains } from './chains.ts'
import { optional } from './core.ts'
import type { Core } from './core.ts'

/** What operators did. It refuses to change what is written: there is no such act here, and triggers refuse whoever tries it in SQL. */

interface AuditRow {
  id: number
  at_ms: number
  actor_kind: Actor['kind']
  actor_id: string
  via: AuditWay
  act: string
  target: string | null
  case_reference: string | null
  comment: string | null
  details: string
  ended_at_ms: number | null
  /** `refused` in rows written before `rejected` was the word: the log is append-only. */
  outcome: AuditOutcome['outcome'] | 'refused' | null
  result: string | null
}

const parse = (value: string | null): Record<string, unknown> => JSON.parse(value ?? '{}') as Record<string, unknown>

const entryOf = (row: AuditRow): AuditEntry => ({
  id: row.id,
  atMs: row.at_ms,
  actor: { kind: row.actor_kind, id: row.actor_id },
  via: row.via,
  act: row.act,
  target: optional(row.target),
  caseReference: optional(row.case_reference),
  comment: optional(row.comment),
  details: parse(row.details),
  ...(row.outcome === null
    ? {}
    : { ended: { outcome: row.outcome === 'refused' ? 'rejected' : row.outcome, atMs: row.ended_at_ms ?? row.at_ms, result: parse(row.result) } }),
})

/** Each with an index that ends in the id, so that a page reads little more than its own length. */
const FILTERS = { actorId: 'a.actor_id = @actorId', act: 'a.act = @act', target: 'a.target = @target' } as const

/** The two writes, inside a transaction of the caller's. */
export function auditRows({ db, nowMs, newId }: Pick<Core, 'db' | 'nowMs' | 'newId'>) {
  const chain = chains({ db })
  const append =
    db.prepare(`INSERT INTO audit (id, hash, personal_hash, at_ms, actor_kind, actor_id, via, act, target, case_reference, comment, details)
    VALUES (@id, @hash, @personalHash, @atMs, @actorKind, @actorId, @via, @act, @target, @caseReference, @comment, @details)`)
  const keepSalt = db.prepare<[number, string]>('INSERT INTO audit_salts (id, salt) VALUES (?, ?)')
  const conclude = db.prepare<[number, number, string, string]>(
    'INSERT OR IGNORE INTO audit_outcomes (id, at_ms, outcome, result) VALUES (?, ?, ?, ?)',
  )
  return {
    append({ actor, via, act, target, caseReference, comment, details }: NewAuditEntry): number {
      const id = chain.headOf('audit').number + 1
      const atMs = nowMs()
      const covered = { id, at_ms: atMs, actor_kind: actor.kind, via, act, case_reference: caseReference ?? null }
      const personal = { actor_id: actor.id, target: target ?? null, comment: comment ?? null, details: JSON.stringify(details ?? {}) }
      const salt = newId()
      keepSalt.run(id, salt)
      append.run({
        ...{ id, atMs, actorKind: actor.kind, actorId: actor.id, via, act, caseReference: covered.case_reference },
        ...{ target: personal.target, comment: personal.comment, details: personal.details },
        ...chain.link('audit', id, covered, salt, personal),
      })
      return id
    },
    conclude: ({ id, outcome, result }: { id: number } & AuditOutcome): void => void conclude.run(id, nowMs(), outcome, JSON.stringify(result ?? {})),
  }
}

/** Entries looked at in one turn. */
const WINDOW = 2_000

export function auditActs(core: Core): AuditActs {
  const { db, write, read } = core
  const rows = auditRows(core)
  const list = (by: keyof typeof FILTERS | undefined, rising: boolean) =>
    db.prepare<[object], AuditRow>(`SELECT a.*, o.at_ms AS ended_at_ms, o.outcome, o.result FROM audit a LEFT JOIN audit_outcomes o ON o.id = a.id
      WHERE a.id > @after AND a.id < @before AND ${by === undefined ? 'true' : FILTERS[by]}
        AND (@actorId IS NULL OR a.actor_id = @actorId) AND (@act IS NULL OR a.act = @act) AND (@target IS NULL OR a.target = @target)
        AND (@caseReference IS NULL OR a.case_reference = @caseReference)
        AND (@sinceMs IS NULL OR a.at_ms >= @sinceMs) AND (@untilMs IS NULL OR a.at_ms < @untilMs)
      ORDER BY a.id ${rising ? 'ASC' : 'DESC'} LIMIT @limit`)
  const oldest = db.prepare<[], number>('SELECT id FROM audit ORDER BY id LIMIT 1').pluck()
  const newest = db.prepare<[], number>('SELECT id FROM audit ORDER BY id DESC LIMIT 1').pluck()
  const both = (by?: keyof typeof FILTERS) => ({ rising: list(by, true), falling: list(by, false) })
  const lists = { target: both('target'), actorId: both('actorId'), act: both('act'), none: both() }

  /** What few entries fit is found window by window of ids, with the event loop let in between. */
  const listAudit: AuditActs['listAudit'] = async ({ before, after, limit, ...wanted }) => {
    const { actorId = null, act = null, target = null, caseReference = null, sinceMs = null, untilMs = null } = wanted
    const by = target !== null ? 'target' : actorId !== null ? 'actorId' : act !== null ? 'act' : 'none'
    const filters = { actorId, act, target, caseReference, sinceMs, untilMs }
    const rising = after !== undefined
    const list = rising ? lists[by].rising : lists[by].falling
    const [first, last] = await read(() => [oldest.get() ?? 0, newest.get() ?? 0])
    const found: AuditEntry[] = []
    let at = rising ? Math.max(after, first - 1) : Math.min(before ?? Infinity, last + 1)
    while (found.length < limit && (rising ? at < last : at > first)) {
      const window = rising ? { after: at, before: at + WINDOW + 1 } : { after: at - WINDOW - 1, before: at }
      found.push(...(await read(() => list.all({ ...filters, ...window, limit: limit - found.length }))).map(entryOf))
      at += rising ? WINDOW : -WINDOW
      if (found.length < limit) await turn()
    }
    return found
  }

  return {
    appendAudit: (entry) => write(() => rows.append(entry)),
    concludeAudit: (end) => write(() => rows.conclude(end)),
    listAudit,
  }
}
