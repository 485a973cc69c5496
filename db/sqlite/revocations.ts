import type { Selector } from '../../src/protocol/revocation.ts'
import type { RevocationActs, RevokeInput } from '../store.ts'
import type { Core } from './core.ts'
import { revocationOf } from './log.ts'
import type { RevocationLog, RevocationRow } from './log.ts'
import type { Owing } from './owe.ts'
import { owePending } from './owe-pending.ts'
import { previewRevocation } from './preview.ts'
import { revocationTimes } from './revocation-times.ts'
import { isRevoked, SESSION_COLUMNS, SESSION_FROM, timeReason } from './session-rows.ts'
import type { SessionRow, Sessions } from './session-rows.ts'

/** What is revoked, by whom it is asked and by time. It refuses what covers nothing: the log holds no entry without an effect. */

export function revocationActs(core: Core, log: RevocationLog, sessions: Sessions, owing: Owing): RevocationActs {
  const { db, write, read } = core
  const participant = db.prepare<[string, string], { joined_seq: number; grant_cutoff: number }>(
    'SELECT joined_seq, grant_cutoff FROM participants WHERE sid = ? AND client_id = ?',
  )
  const clientCutoff = db.prepare<[string], number>("SELECT seq FROM cutoffs WHERE kind = 'client' AND key = ?").pluck()
  const subjectIs = db.prepare<[string]>('SELECT 1 FROM subjects WHERE sub = ?')
  const clientIs = db.prepare<[string]>('SELECT 1 FROM clients WHERE client_id = ?')
  // Those that a wide revocation covers have ended by it; its owing is about to say so in their rows.
  const overdue = db.prepare<[number, number], SessionRow>(`SELECT * FROM (
      SELECT ${SESSION_COLUMNS}, s.deadline_at FROM ${SESSION_FROM} WHERE s.ended_seq IS NULL AND s.deadline_at <= ?)
    WHERE cutoff <= opened_seq ORDER BY deadline_at LIMIT ?`)
  const mark = db.prepare('UPDATE sessions SET mark_at = @markAt, mark_reason = @reason, deadline_at = min(deadline_at, @markAt) WHERE sid = @sid')
  const bySeq = db.prepare<[number], RevocationRow>('SELECT * FROM revocations WHERE seq = ?')
  const before = db.prepare<[number, number], RevocationRow>('SELECT * FROM revocations WHERE seq < ? ORDER BY seq DESC LIMIT ?')

  const grantCovers = (sid: string, clientId: string): boolean => {
    const part = participant.get(sid, clientId)
    return part !== undefined && Math.max(part.grant_cutoff, clientCutoff.get(clientId) ?? 0) <= part.joined_seq
  }

  const uncovered = (selector: Selector): 'already' | 'unknown' | undefined => {
    if (selector.kind === 'subject') return subjectIs.get(selector.sub) === undefined ? 'unknown' : undefined
    if (selector.kind === 'client') return clientIs.get(selector.clientId) === undefined ? 'unknown' : undefined
    if (selector.kind !== 'session' && selector.kind !== 'grant') return undefined
    const row = sessions.bySid(selector.sid)
    if (row === undefined) return 'unknown'
    if (isRevoked(row)) return 'already'
    if (selector.kind === 'session') return undefined
    if (clientIs.get(selector.clientId) === undefined) return 'unknown'
    return grantCovers(selector.sid, selector.clientId) ? undefined : 'already'
  }

  return {
    revoke: (input: RevokeInput) =>
      write(() => {
        const outcome = uncovered(input.selector)
        return outcome === undefined ? ({ outcome: 'revoked', committed: log.append(input) } as const) : { outcome }
      }),

    previewRevocation: previewRevocation(core, sessions),
    revocationTimes: revocationTimes(core),
    owePending: owePending(core, owing),

    expireSessions: ({ now, limit }) =>
      write(() =>
        overdue.all(now, limit).map((row) =>
          log.append({
            selector: { kind: 'session', sid: row.sid },
            reason: timeReason(row),
            actor: { kind: 'broker', id: 'sweep-expired' },
            now,
          }),
        ),
      ),

    markSession: ({ sid, markAt, reason, now }) =>
      write(() => {
        const row = sessions.bySid(sid)
        if (row === undefined || sessions.standing(row, now).state === 'ended') return false
        // An earlier mark stands: a later one never lengthens what is left.
        if (row.mark_at !== null && row.mark_at <= markAt) return true
        mark.run({ sid, markAt, reason })
        return true
      }),

    findRevocation: (seq) =>
      read(() => {
        const row = bySeq.get(seq)
        return row && revocationOf(row)
      }),
    listRevocations: ({ before: seq, limit }) => read(() => before.all(seq ?? Number.MAX_SAFE_INTEGER, limit).map(revocationOf)),
  }
}
