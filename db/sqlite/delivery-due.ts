import type { DeliveryActs } from '../store.ts'
import type { DeliveryRef, Priority } from '../types.ts'
import type { Core } from './core.ts'
import { PRIORITIES, priorityNumber, refOf, type RefRow } from './delivery-rows.ts'

/** Which deliveries are due, to which target, and in which order: urgent ones first, wide revocations fairly beside each other. */

/** Wide revocations that share one page. Further ones take part when one of these has been delivered. */
const MOST_TOGETHER = 32
const COLUMNS = 'd.id, d.attempts, d.target_id, d.priority, d.seq, d.next_attempt_at_ms'
const OF_TARGET = `FROM deliveries d INDEXED BY deliveries_due_by_target WHERE d.state = 'pending' AND d.target_id = @targetId AND d.priority = @priority`
const OF_REVOCATION = `FROM deliveries d INDEXED BY deliveries_due_by_revocation WHERE d.state = 'pending' AND d.priority = 1 AND d.target_id = @targetId`

interface Page {
  targetId: string
  nowMs: number
  limit: number
}

export function dueDeliveries({ db, read }: Core) {
  const due = db.prepare<[Page & { priority: number }], RefRow>(`SELECT ${COLUMNS} ${OF_TARGET}
    AND d.next_attempt_at_ms <= @nowMs AND d.leased_until_ms <= @nowMs ORDER BY d.next_attempt_at_ms LIMIT @limit`)
  const dueOfRevocation = db.prepare<[Page & { seq: number | null }], RefRow>(`SELECT ${COLUMNS} ${OF_REVOCATION} AND d.seq IS @seq
    AND d.next_attempt_at_ms <= @nowMs AND d.leased_until_ms <= @nowMs ORDER BY d.next_attempt_at_ms LIMIT @limit`)
  const nextRevocation = db
    .prepare<[{ targetId: string; seq: number }], number>(`SELECT d.seq ${OF_REVOCATION} AND d.seq > @seq
    ORDER BY d.seq LIMIT 1`)
    .pluck()
  const early = db.prepare<[Page & { priority: number; fromMs: number; dueAtMs: number; id: string }], RefRow>(`SELECT ${COLUMNS} ${OF_TARGET}
    AND d.next_attempt_at_ms >= @fromMs AND (d.next_attempt_at_ms, d.id) > (@dueAtMs, @id)
    AND d.leased_until_ms <= @nowMs ORDER BY d.next_attempt_at_ms, d.id LIMIT @limit`)
  // One step along the index for each target, however many deliveries it has.
  const nextTarget = db
    .prepare<[string], string>(`SELECT d.target_id FROM deliveries d INDEXED BY deliveries_due_by_target
    WHERE d.state = 'pending' AND d.target_id > ? ORDER BY d.target_id LIMIT 1`)
    .pluck()
  const bulk = (page: Page): { rows: RefRow[]; more: boolean } => {
    // Those that no revocation caused are one more line.
    const rows = dueOfRevocation.all({ ...page, seq: null })
    let [together, more] = [0, rows.length === page.limit]
    for (let seq = nextRevocation.get({ targetId: page.targetId, seq: -1 }); seq !== undefined;) {
      const found = dueOfRevocation.all({ ...page, seq })
      rows.push(...found)
      if (found.length === page.limit) more = true
      if (found.length > 0 && ++together === MOST_TOGETHER) return { rows, more: true }
      seq = nextRevocation.get({ targetId: page.targetId, seq })
    }
    return { rows, more }
  }

  const duePage = (page: Page): { refs: DeliveryRef[]; more: boolean } => {
    const [urgent, background] = (['urgent', 'background'] as const).map((priority) => due.all({ ...page, priority: priorityNumber(priority) }))
    const wide = bulk(page)
    return {
      refs: [...(urgent ?? []), ...wide.rows, ...(background ?? [])].map(refOf),
      more: wide.more || urgent?.length === page.limit || background?.length === page.limit,
    }
  }

  const earlyPage = ({ targetId, nowMs, limit, after }: Parameters<DeliveryActs['earlyDeliveries']>[0]) => {
    const rows: RefRow[] = []
    const from: Priority = after?.priority ?? 'urgent'
    for (const priority of PRIORITIES.slice(PRIORITIES.indexOf(from))) {
      const { dueAtMs = 0, id = '' } = priority === after?.priority ? after : {}
      const fromMs = Math.max(nowMs + 1, dueAtMs)
      rows.push(...early.all({ targetId, nowMs, limit: limit - rows.length, priority: priorityNumber(priority), fromMs, dueAtMs, id }))
      const last = rows.at(-1)
      if (rows.length === limit && last !== undefined)
        return { refs: rows.map(refOf), next: { priority, dueAtMs: last.next_attempt_at_ms, id: last.id } }
    }
    return { refs: rows.map(refOf) }
  }

  const targetIds = (): string[] => {
    const ids: string[] = []
    for (let id = nextTarget.get(''); id !== undefined; id = nextTarget.get(id)) ids.push(id)
    return ids
  }

  return {
    dueDeliveries: (page) => read(() => duePage(page)),
    earlyDeliveries: (page) => read(() => earlyPage(page)),
    pendingTargetIds: () => read(targetIds),
  } satisfies Partial<DeliveryActs>
}
