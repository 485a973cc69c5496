import type { MicrosoftActs } from '../store.ts'
import type { Committed, ProbeDue, ProbeFinding } from '../types.ts'
import { optional } from './core.ts'
import type { Core } from './core.ts'
import type { RevocationLog } from './log.ts'
import { markingSessions } from './marks.ts'
import { microsoftWorkActs } from './microsoft-work.ts'
import { SESSION_COLUMNS, SESSION_FROM } from './session-rows.ts'
import type { SessionRow, Sessions } from './session-rows.ts'

/** What Microsoft says of sessions. It refuses to let what was said of old tokens, or of a moment long ago, end what was signed in since. */

interface DueRow {
  sid: string
  sub: string
  tid: string
  oid: string
  probe_phase: number
  microsoft_cache_sealed: string
  probed_at: number | null
}

const dueOf = (row: DueRow): ProbeDue => ({
  sid: row.sid,
  sub: row.sub,
  user: { tid: row.tid, oid: row.oid },
  phase: row.probe_phase,
  cacheSealed: row.microsoft_cache_sealed,
  probedAt: optional(row.probed_at),
})

/** By Microsoft's clock; where it did not say, by ours. */
const authenticatedAt = (row: SessionRow): number => (row.auth_time > 0 ? row.auth_time : row.opened_at)

const isMeant = (row: SessionRow, until: number | undefined): boolean => until === undefined || authenticatedAt(row) <= until

function ending({ db }: Core, log: RevocationLog, sessions: Sessions) {
  const openOf = db.prepare<[string], SessionRow>(
    `SELECT ${SESSION_COLUMNS} FROM ${SESSION_FROM} WHERE s.sub = ? AND s.ended_seq IS NULL ORDER BY s.sid`,
  )
  const byMicrosoft = db.prepare<[string], SessionRow>(
    `SELECT ${SESSION_COLUMNS} FROM ${SESSION_FROM} WHERE s.microsoft_sid = ? AND s.ended_seq IS NULL ORDER BY s.sid`,
  )
  const isLive = (row: SessionRow, now: number): boolean => ['live', 'marked'].includes(sessions.standing(row, now).state)

  return {
    /** @param surely this one whatever its moment: what was said was said of it */
    authenticated(input: Parameters<MicrosoftActs['endAuthenticated']>[0] & { surely?: string }): Committed[] {
      const { sub, sid, until, surely, reason, actor, now } = input
      const live = openOf.all(sub).filter((row) => isLive(row, now))
      const meant = live.filter((row) => (sid === undefined || row.sid === sid) && (row.sid === surely || isMeant(row, until)))
      if (meant.length === 0) return []
      if (meant.length === live.length && sid === undefined) return [log.append({ selector: { kind: 'subject', sub }, reason, actor, now })]
      return meant.map((row) => log.append({ selector: { kind: 'session', sid: row.sid }, reason, actor, now }))
    },
    ofMicrosoft({ microsoftSid, tid, until, reason, actor, now }: Parameters<MicrosoftActs['endMicrosoftSession']>[0]): Committed[] {
      const meant = byMicrosoft.all(microsoftSid).filter((row) => isLive(row, now) && (tid === undefined || row.tid === tid) && isMeant(row, until))
      if (new Set(meant.map((row) => row.tid)).size > 1) return []
      return meant.map((row) => log.append({ selector: { kind: 'session', sid: row.sid }, reason, actor, now }))
    },
  }
}

function probeStatements(db: Core['db']) {
  const columns = 's.sid, s.sub, s.tid, u.oid, s.probe_phase, s.microsoft_cache_sealed, s.probed_at'
  const due = db.prepare<[object], DueRow>(`SELECT ${columns} FROM sessions s INDEXED BY sessions_to_probe JOIN subjects u ON u.sub = s.sub
    WHERE s.tid = +@tid AND s.ended_seq IS NULL AND s.microsoft_cache_sealed IS NOT NULL
      AND (s.probe_phase, s.sid) > (+@phase, +@sid) AND s.probe_phase < +@before AND s.deadline_at > @now
    ORDER BY s.probe_phase, s.sid LIMIT @limit`)
  const one = db.prepare<[object], DueRow>(`SELECT ${columns} FROM sessions s JOIN subjects u ON u.sub = s.sub
    WHERE s.sid = +@sid AND s.ended_seq IS NULL AND s.microsoft_cache_sealed IS NOT NULL AND s.deadline_at > @now`)
  const vouch = db.prepare(
    'UPDATE sessions SET microsoft_cache_sealed = @cacheSealed, probed_at = @now, roles = coalesce(@roles, roles) WHERE sid = @sid',
  )
  return { due, one, vouch }
}

export function microsoftActs(core: Core, log: RevocationLog, sessions: Sessions): MicrosoftActs {
  const { db, write, read } = core
  const end = ending(core, log, sessions)
  const mark = markingSessions(core, sessions)
  const { due, one, vouch } = probeStatements(db)

  const apply = (sid: string, sub: string, finding: ProbeFinding, now: number): Committed[] => {
    const actor = { kind: 'microsoft', id: 'probe' } as const
    switch (finding.outcome) {
      case 'vouched':
        vouch.run({ sid, cacheSealed: finding.cacheSealed, roles: finding.roles === undefined ? null : JSON.stringify(finding.roles), now })
        return []
      case 'mark':
        mark({ sid, markAt: finding.markAt, reason: finding.reason, now })
        return []
      case 'end_session':
        return end.authenticated({ sub, sid, reason: finding.reason, actor, now })
      case 'end_user':
        return end.authenticated({ sub, surely: sid, until: finding.until, reason: finding.reason, actor, now })
    }
  }

  return {
    dueProbes: ({ tid, after, before, limit, now }) =>
      read(() => due.all({ tid, phase: after.phase, sid: after.sid, before, limit, now }).map(dueOf)),
    findProbe: (sid, now) =>
      read(() => {
        const row = one.get({ sid, now })
        return row && dueOf(row)
      }),
    recordProbe: ({ sid, cacheWas, finding, now }) =>
      write(() => {
        const row = one.get({ sid, now })
        if (row === undefined || row.microsoft_cache_sealed !== cacheWas) return { outcome: 'stale', committed: [] } as const
        return { outcome: 'recorded', committed: apply(sid, row.sub, finding, now) } as const
      }),
    endMicrosoftSession: (input) => write(() => end.ofMicrosoft(input)),
    endAuthenticated: (input) => write(() => end.authenticated(input)),
    ...microsoftWorkActs(core),
  }
}
