import type { RevocationActs } from '../store.ts'
import type { Core } from './core.ts'
import type { Sessions } from './session-rows.ts'

/** A mark inside a transaction that is open. */
export function markingSessions({ db }: Pick<Core, 'db'>, sessions: Sessions): (input: Parameters<RevocationActs['markSession']>[0]) => boolean {
  const mark = db.prepare('UPDATE sessions SET mark_at = @markAt, mark_reason = @reason, deadline_at = min(deadline_at, @markAt) WHERE sid = @sid')
  return ({ sid, markAt, reason, now }) => {
    const row = sessions.bySid(sid)
    if (row === undefined || sessions.standing(row, now).state === 'ended') return false
    // An earlier mark stands: a later one never lengthens what is left.
    if (row.mark_at !== null && row.mark_at <= markAt) return true
    mark.run({ sid, markAt, reason })
    return true
  }
}
