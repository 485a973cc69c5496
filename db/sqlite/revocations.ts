import type { Selector } from '../../src/protocol/revocation.ts'
import type { RevocationActs, RevokeInput } from '../store.ts'
import type { DeliveryState, DeliveryTotals, LoggedRevocation } from '../types.ts'
import type { Core } from './core.ts'
import { DELIVERY_STATES } from '../outbox/counts.ts'
import { revocationOf } from './log.ts'
import type { RevocationLog, RevocationRow } from './log.ts'
import type { FanOut } from './fan-out.ts'
import { mark } from '../session/mark.ts'
import { askMicrosoft } from '../microsoft/work.ts'
import { fanOutPending } from './fan-out-pending.ts'
import { previewRevocation } from './preview.ts'
import { revocationTimes } from './revocation-times.ts'
import { isRevoked, SESSION_COLUMNS, SESSION_FROM, timeReason } from './session-rows.ts'
import type { SessionRow, Sessions } from './session-rows.ts'

type LoggedRow = RevocationRow & { enforced_at_ms: number | null } & Record<DeliveryState, number | null>
const LOGGED = `r.*, ${DELIVERY_STATES.map((state) => `t.${state}`).join(', ')} FROM revocations r LEFT JOIN revocation_totals t ON t.seq = r.seq`
const loggedOf = (row: LoggedRow): LoggedRevocation => ({
  ...revocationOf(row),
  enforcedAtMs: row.enforced_at_ms ?? undefined,
  totals: Object.fromEntries(DELIVERY_STATES.map((state) => [state, row[state] ?? 0])) as DeliveryTotals,
})

/** What is revoked, by whom it is asked and by time. It refuses what covers nothing: the log holds no entry without an effect. */

export function revocationActs(core: Core, log: RevocationLog, sessions: Sessions, fanOut: FanOut): Omit<RevocationActs, 'onRevoked'> {
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
  const userOf = db.prepare<[string], { tid: string; oid: string }>('SELECT tid, oid FROM subjects WHERE sub = ?')
  const bySeq = db.prepare<[number], LoggedRow>(`SELECT ${LOGGED} WHERE r.seq = ?`)
  const before = db.prepare<[number, number], LoggedRow>(`SELECT ${LOGGED} WHERE r.seq < ? ORDER BY r.seq DESC LIMIT ?`)
  const everythingAt = db
    .prepare<[], number>("SELECT r.at FROM cutoffs c JOIN revocations r ON r.seq = c.seq WHERE c.kind = 'everything' AND c.key = ''")
    .pluck()

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

  const signOutAtMicrosoft = (sub: string, tenants: RevokeInput['alsoAtMicrosoft'] = []): void => {
    const user = userOf.get(sub)
    if (user !== undefined && (tenants === 'all' || tenants.includes(user.tid)))
      core.run(askMicrosoft([{ kind: 'revoke_sessions', ...user }], core.nowMs()))
  }

  return {
    revoke: (input: RevokeInput) =>
      write(() => {
        const outcome = uncovered(input.selector)
        if (outcome !== undefined) return { outcome }
        if (input.selector.kind === 'subject') signOutAtMicrosoft(input.selector.sub, input.alsoAtMicrosoft)
        return { outcome: 'revoked', committed: log.append(input) } as const
      }),

    previewRevocation: previewRevocation(core, sessions),
    revocationTimes: revocationTimes(core),
    fanOutPending: fanOutPending(core, fanOut),

    expireSessions: ({ now, limit }) =>
      write(() =>
        overdue.all(now, limit).map((row) =>
          log.append({
            selector: { kind: 'session', sid: row.sid },
            reason: timeReason(row),
            actor: { kind: 'broker', id: 'sweep-expired' },
            now,
            priority: 'background',
          }),
        ),
      ),

    markSession: (input) => write(() => core.run(mark(input))),

    findRevocation: (seq) =>
      read(() => {
        const row = bySeq.get(seq)
        return row && loggedOf(row)
      }),
    everythingRevokedAt: () => read(() => everythingAt.get()),
    listRevocations: ({ before: seq, limit }) => read(() => before.all(seq ?? Number.MAX_SAFE_INTEGER, limit).map(loggedOf)),
  }
}
