import { setImmediate as turn } from 'node:timers/promises'
import type { RevocationActs } from '../store.ts'
import type { RevocationTime } from '../types.ts'
import type { Core } from './core.ts'

/** How long revocations took, for operators. Bounded in what it reads, and between two pages the event loop has its turn. */

const PAGE = 50
/** Deliveries of one revocation that are looked at; one that owes more is told without a time, not by a part of them. */
const MOST_OF_ONE = 1_000

interface Row {
  seq: number
  at_ms: number
  enforced_at_ms: number | null
  fan_out: 'complete' | 'pending'
}

export function revocationTimes({ db, read }: Core): RevocationActs['revocationTimes'] {
  const latest = db.prepare<[number, number], Row>(
    'SELECT seq, at_ms, enforced_at_ms, fan_out FROM revocations WHERE seq < ? ORDER BY seq DESC LIMIT ?',
  )
  // What was superseded is told by another revocation's delivery, and counts there.
  const settled = db.prepare<[number], { count: number; delivered: number; open: number; last: number | null }>(`SELECT count(*) AS count,
      sum(state = 'delivered') AS delivered, sum(state IN ('pending', 'rejected', 'failed') AND superseded_by IS NULL) AS open,
      max(CASE WHEN state = 'delivered' THEN settled_at_ms END) AS last
    FROM (SELECT state, superseded_by, settled_at_ms FROM deliveries WHERE seq = ? LIMIT ${MOST_OF_ONE + 1})`)

  const timeOf = (row: Row): RevocationTime => {
    const found = row.fan_out === 'complete' ? settled.get(row.seq) : undefined
    const whole = found !== undefined && found.count <= MOST_OF_ONE && found.delivered > 0 && found.open === 0 && found.last !== null
    return {
      seq: row.seq,
      atMs: row.at_ms,
      ...(whole ? { deliveredMs: Math.max(0, (found.last ?? 0) - row.at_ms) } : {}),
      ...(row.enforced_at_ms === null ? {} : { enforcedMs: Math.max(0, row.enforced_at_ms - row.at_ms) }),
    }
  }

  return async ({ limit }) => {
    const times: RevocationTime[] = []
    for (let before = Number.MAX_SAFE_INTEGER; times.length < limit;) {
      const most = Math.min(PAGE, limit - times.length)
      const page = await read(() => latest.all(before, most).map(timeOf))
      times.push(...page)
      const last = page.at(-1)
      if (page.length < most || last === undefined) break
      before = last.seq
      await turn()
    }
    return times
  }
}
