import type { RevocationActs } from '../store.ts'
import type { DeliveryRef } from '../types.ts'
import type { Core } from './core.ts'
import type { RevocationRow } from './log.ts'
import type { FanOut } from './fan-out.ts'

/**
 * What wide revocations owe, in batches. The cutoff has ended everything at its commit already; this writes it into the sessions' rows, session by
 * session in the order of sid, and remembers how far it is: a crash costs nothing, and a session is never pending twice for one revocation.
 */

interface Covered {
  sid: string
  sub: string
}

const COVERED = {
  subject: 'SELECT sid, sub FROM sessions WHERE sub = @sub AND sid > @cursor AND ended_seq IS NULL AND opened_seq < @seq ORDER BY sid LIMIT @limit',
  tenant: 'SELECT sid, sub FROM sessions WHERE tid = @tid AND sid > @cursor AND ended_seq IS NULL AND opened_seq < @seq ORDER BY sid LIMIT @limit',
  everything: 'SELECT sid, sub FROM sessions WHERE sid > @cursor AND ended_seq IS NULL AND opened_seq < @seq ORDER BY sid LIMIT @limit',
  client: `SELECT p.sid, s.sub FROM participants p JOIN sessions s ON s.sid = p.sid
    WHERE p.client_id = @clientId AND p.sid > @cursor AND p.joined_seq < @seq AND s.ended_seq IS NULL ORDER BY p.sid LIMIT @limit`,
}

type Wide = keyof typeof COVERED

export function fanOutPending({ db, write }: Core, { addDeliveries }: FanOut): RevocationActs['fanOutPending'] {
  // One user's is short and somebody waits for it: before anything wider.
  const ofUser = db.prepare<[], RevocationRow>(`SELECT * FROM revocations INDEXED BY revocations_pending
    WHERE fan_out = 'pending' AND kind = 'subject' ORDER BY seq LIMIT 1`)
  const wider = db.prepare<[number], RevocationRow>(`SELECT * FROM revocations INDEXED BY revocations_pending
    WHERE fan_out = 'pending' AND kind IN ('client', 'tenant', 'everything') AND seq > ? ORDER BY seq LIMIT 1`)
  // Wide ones take turns, a batch each: a small one does not wait until a large one is written.
  let lastWide = 0
  const nextPending = (): RevocationRow | undefined => ofUser.get() ?? wider.get(lastWide) ?? wider.get(0)
  const covered = Object.fromEntries(Object.entries(COVERED).map(([kind, sql]) => [kind, db.prepare<[object], Covered>(sql)])) as Record<
    Wide,
    ReturnType<typeof db.prepare<[object], Covered>>
  >
  const endSession = db.prepare(`UPDATE sessions SET ended_seq = @seq, ended_at = @at, ended_reason = @reason, microsoft_cache_sealed = NULL
    WHERE sid = @sid AND ended_seq IS NULL`)
  const advance = db.prepare('UPDATE revocations SET fan_out_cursor = @cursor, fan_out = @fanOut, sessions = sessions + @ended WHERE seq = @seq')

  /** Writes the next sessions of one revocation, until about `limit` deliveries are pending. */
  const advanceOne = (revocation: RevocationRow, limit: number): { pending: DeliveryRef[]; sessions: number } => {
    const { seq, kind, sub, tid, client_id: clientId, at, at_ms: atMs, reason } = revocation
    if (kind === 'session' || kind === 'grant') return { pending: [], sessions: 0 }
    const next = covered[kind].all({ sub, tid, clientId, seq, cursor: revocation.fan_out_cursor, limit })
    const pending: DeliveryRef[] = []
    let cursor = revocation.fan_out_cursor
    let ended = 0
    for (const session of next) {
      if (pending.length >= limit) break
      const priority = kind === 'subject' ? 'urgent' : 'bulk'
      pending.push(
        ...addDeliveries({ seq, atMs, ...session, clientId: kind === 'client' ? (clientId ?? undefined) : undefined, wide: true, priority }),
      )
      ended += kind === 'client' ? 1 : endSession.run({ seq, at, reason, sid: session.sid }).changes
      cursor = session.sid
    }
    const done = next.length < limit && cursor === (next.at(-1)?.sid ?? cursor)
    advance.run({ seq, cursor, fanOut: done ? 'complete' : 'pending', ended })
    return { pending, sessions: next.length }
  }

  return ({ limit }) =>
    write(() => {
      const pending: DeliveryRef[] = []
      let revocation = nextPending()
      // Bounded by what is read as well: sessions that owe nothing are work all the same.
      for (let read = 0; revocation !== undefined && read < limit && pending.length < limit;) {
        const advanced = advanceOne(revocation, limit - pending.length)
        if (revocation.kind !== 'subject') lastWide = revocation.seq
        pending.push(...advanced.pending)
        read += 1 + advanced.sessions
        revocation = nextPending()
      }
      return { pending, more: revocation !== undefined }
    })
}
