import type { RevocationActs } from '../store.ts'
import type { DeliveryRef } from '../types.ts'
import type { Core } from './core.ts'
import type { RevocationRow } from './log.ts'
import type { FanOut } from './fan-out.ts'

/**
 * What wide revocations owe, in batches. The cutoff has ended everything at its commit already; this writes it into the sessions' rows, session by
 * session in the order of sid, and remembers how far it is: a crash costs nothing, and a session is never pending twice for one revocation.
 */

interface LookedAt {
  sid: string
  sub: string
  covered: 0 | 1
}

/** Sessions looked at in one act, for each one that it may write: to look costs a twentieth of that. */
const LOOKED_AT = 10

// Each page ends with the last session that it looked at, covered or not: so that an act reads a bounded number of rows.
const SESSIONS = 'SELECT sid, sub, opened_seq < @seq AS covered FROM sessions'
const PAGE_OF_SESSIONS = 'sid > @cursor AND ended_seq IS NULL ORDER BY sid LIMIT @limit'
const PAGES = {
  subject: `${SESSIONS} INDEXED BY sessions_open_by_sub WHERE sub = @sub AND ${PAGE_OF_SESSIONS}`,
  tenant: `${SESSIONS} INDEXED BY sessions_open_by_tenant WHERE tid = @tid AND ${PAGE_OF_SESSIONS}`,
  everything: `${SESSIONS} INDEXED BY sessions_open WHERE ${PAGE_OF_SESSIONS}`,
  client: `SELECT p.sid, coalesce(s.sub, '') AS sub, s.sid IS NOT NULL AND s.ended_seq IS NULL AND p.joined_seq < @seq AS covered
    FROM participants p INDEXED BY participants_by_client LEFT JOIN sessions s ON s.sid = p.sid
    WHERE p.client_id = @clientId AND p.sid > @cursor ORDER BY p.sid LIMIT @limit`,
}

interface Advanced {
  pending: DeliveryRef[]
  written: number
  lookedAt: number
}

type Wide = keyof typeof PAGES

export function fanOutPending({ db, write }: Core, { addDeliveries }: FanOut): RevocationActs['fanOutPending'] {
  // One user's is short and somebody waits for it: before anything wider.
  const ofUser = db.prepare<[], RevocationRow>(`SELECT * FROM revocations INDEXED BY revocations_pending
    WHERE fan_out = 'pending' AND kind = 'subject' ORDER BY seq LIMIT 1`)
  const wider = db.prepare<[number], RevocationRow>(`SELECT * FROM revocations INDEXED BY revocations_pending
    WHERE fan_out = 'pending' AND kind IN ('client', 'tenant', 'everything') AND seq > ? ORDER BY seq LIMIT 1`)
  // Wide ones take turns, a batch each: a small one does not wait until a large one is written.
  let lastWide = 0
  const nextPending = (): RevocationRow | undefined => ofUser.get() ?? wider.get(lastWide) ?? wider.get(0)
  const pages = Object.fromEntries(Object.entries(PAGES).map(([kind, sql]) => [kind, db.prepare<[object], LookedAt>(sql)])) as Record<
    Wide,
    ReturnType<typeof db.prepare<[object], LookedAt>>
  >
  const endSession = db.prepare(`UPDATE sessions SET ended_seq = @seq, ended_at = @at, ended_reason = @reason, microsoft_cache_sealed = NULL
    WHERE sid = @sid AND ended_seq IS NULL`)
  const advance = db.prepare('UPDATE revocations SET fan_out_cursor = @cursor, fan_out = @fanOut, sessions = sessions + @ended WHERE seq = @seq')

  /** Writes the next sessions of one revocation, until about `limit` deliveries are pending. */
  const advanceOne = (revocation: RevocationRow, limit: number): Advanced => {
    const { seq, kind, sub, tid, client_id: clientId, at, at_ms: atMs, reason } = revocation
    if (kind === 'session' || kind === 'grant') return { pending: [], written: 0, lookedAt: 0 }
    const next = pages[kind].all({ sub, tid, clientId, seq, cursor: revocation.fan_out_cursor, limit })
    const pending: DeliveryRef[] = []
    let [cursor, written, ended] = [revocation.fan_out_cursor, 0, 0]
    for (const { covered, ...session } of next) {
      if (pending.length >= limit) break
      cursor = session.sid
      if (covered === 0) continue
      const priority = kind === 'subject' ? 'urgent' : 'bulk'
      pending.push(
        ...addDeliveries({ seq, atMs, ...session, clientId: kind === 'client' ? (clientId ?? undefined) : undefined, wide: true, priority }),
      )
      ended += kind === 'client' ? 1 : endSession.run({ seq, at, reason, sid: session.sid }).changes
      written += 1
    }
    const done = next.length < limit && cursor === (next.at(-1)?.sid ?? cursor)
    advance.run({ seq, cursor, fanOut: done ? 'complete' : 'pending', ended })
    return { pending, written, lookedAt: next.length }
  }

  return ({ limit }) =>
    write(() => {
      const pending: DeliveryRef[] = []
      let [written, lookedAt] = [0, 0]
      let revocation = nextPending()
      // Bounded by what is looked at as well: sessions that owe nothing are work all the same.
      while (revocation !== undefined && written < limit && lookedAt < LOOKED_AT * limit && pending.length < limit) {
        const advanced = advanceOne(revocation, limit - pending.length)
        if (revocation.kind !== 'subject') lastWide = revocation.seq
        pending.push(...advanced.pending)
        written += 1 + advanced.written
        lookedAt += advanced.lookedAt
        revocation = nextPending()
      }
      return { pending, more: revocation !== undefined }
    })
}
