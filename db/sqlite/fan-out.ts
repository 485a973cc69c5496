import type { DeliveryRef, DeliveryState, Priority } from '../types.ts'
import type { Core } from './core.ts'
import { deliveryCounting, type Moved } from './delivery-counts.ts'
import { priorityNumber } from './delivery-rows.ts'

/** Writes what is owed: one delivery for each logout address of each client that took part. It never decides whether a revocation covers. */

/** As `next_attempt_at_ms`: due whatever the clock says, so that a step of the clock delays no delivery. */
export const AT_ONCE = 0

export interface DeliveriesFor {
  seq: number
  /** When the revocation was committed: what is owed is owed since then, however late a batch writes it. */
  atMs: number
  sid: string
  sub: string
  /** Only this participant (a grant, a client); else all of the session's. */
  clientId?: string | undefined
  /** A wide revocation: clients that asked for it are told once a user, by `sub`. */
  wide: boolean
  priority: Priority
}

interface TargetRow {
  target_id: string
  client_id: string
  logout_by: 'sid' | 'sub'
}

export interface FanOut {
  addDeliveries(what: DeliveriesFor): DeliveryRef[]
  moved: Moved
}

// A target that was removed is still owed what was revoked before it went.
const TARGETS = `SELECT t.target_id, t.client_id, c.logout_by FROM participants p
  JOIN clients c ON c.client_id = p.client_id
  JOIN targets t ON t.client_id = p.client_id AND (t.removed_seq IS NULL OR t.removed_seq >= @seq)
  WHERE p.sid = @sid`

export function fanOut({ db, newId, nowMs }: Pick<Core, 'db' | 'newId' | 'nowMs'>): FanOut {
  const targetsOf = db.prepare<[{ sid: string; seq: number }], TargetRow>(TARGETS)
  const targetsOfOne = db.prepare<[{ sid: string; seq: number; clientId: string }], TargetRow>(`${TARGETS} AND p.client_id = @clientId`)
  const insert = db.prepare(`INSERT OR IGNORE INTO deliveries
    (id, kind, seq, client_id, target_id, sid, sub, priority, state, attempts, created_at_ms, next_attempt_at_ms)
    VALUES (@id, 'logout_token', @seq, @clientId, @targetId, @sid, @sub, @priority, 'pending', 0, @atMs, ${AT_ONCE})`)
  // The newer delivery says all that these would: they close at once, and it is the one that is retried, fails or is redriven.
  const older = (which: 'sid' | 'sub') =>
    db.prepare<[string, string, number], { id: string; seq: number; client_id: string; state: DeliveryState }>(
      `SELECT id, seq, client_id, state FROM deliveries WHERE target_id = ? AND ${which} = ? AND seq < ? AND state IN ('pending', 'failed', 'rejected')`,
    )
  const olderBySid = older('sid')
  const olderBySub = older('sub')
  const supersede = db.prepare<[string, number, string]>(
    "UPDATE deliveries SET state = 'superseded', superseded_by = ?, settled_at_ms = ? WHERE id = ?",
  )
  const moved = deliveryCounting({ db })

  const addDelivery = (target: TargetRow, what: DeliveriesFor): DeliveryRef | undefined => {
    const bySub = what.wide && target.logout_by === 'sub'
    const id = newId()
    const written = insert.run({
      id,
      seq: what.seq,
      clientId: target.client_id,
      targetId: target.target_id,
      sid: bySub ? null : what.sid,
      sub: bySub ? what.sub : null,
      priority: priorityNumber(what.priority),
      atMs: what.atMs,
    })
    // By `sub`, another session of the same user has written it already.
    if (written.changes === 0) return undefined
    moved({ client_id: target.client_id, seq: what.seq }, undefined, 'pending')
    const covered = bySub ? olderBySub.all(target.target_id, what.sub, what.seq) : olderBySid.all(target.target_id, what.sid, what.seq)
    for (const one of covered) {
      supersede.run(id, nowMs(), one.id)
      moved(one, one.state, 'superseded')
    }
    return { id, attempt: 1, targetId: target.target_id, priority: what.priority, seq: what.seq }
  }

  return {
    moved,
    addDeliveries(what) {
      const { sid, seq, clientId } = what
      const targets = clientId === undefined ? targetsOf.all({ sid, seq }) : targetsOfOne.all({ sid, seq, clientId })
      return targets.map((target) => addDelivery(target, what)).filter((ref) => ref !== undefined)
    },
  }
}
