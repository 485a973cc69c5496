import { setImmediate as turn } from 'node:timers/promises'
import type { Selector } from '../../src/protocol/revocation.ts'
import type { RevocationActs } from '../store.ts'
import type { Core } from './core.ts'
import { SESSION_COLUMNS, SESSION_FROM } from './session-rows.ts'
import type { SessionRow, Sessions } from './session-rows.ts'

/** Counts what a revocation would end, page by page with the event loop let in between: a preview of everything must not stop the broker. */

const PAGE = 100

interface Reached {
  client_id: string
  logout_by: 'sid' | 'sub'
  targets: number
}

/** What an index bounds; the rest is sorted out row by row, so that no page reads more than its own length. */
const whereOf = (selector: Selector): 'session' | 'subject' | 'all' => {
  if (selector.kind === 'session' || selector.kind === 'grant') return 'session'
  return selector.kind === 'subject' ? 'subject' : 'all'
}

export function previewRevocation({ db, read }: Pick<Core, 'db' | 'read'>, sessions: Sessions): RevocationActs['previewRevocation'] {
  // In the order of users: so that a user is counted once without keeping them all in mind.
  const page = (where: string) =>
    db.prepare<[object], SessionRow>(`SELECT ${SESSION_COLUMNS} FROM ${SESSION_FROM}
      WHERE s.ended_seq IS NULL AND (s.sub, s.sid) > (@afterSub, @afterSid) AND ${where} ORDER BY s.sub, s.sid LIMIT ${PAGE}`)
  const pages = { session: page('s.sid = @sid'), subject: page('s.sub = @sub'), all: page('true') }
  const reached = db.prepare<[string], Reached>(`SELECT p.client_id, c.logout_by,
      (SELECT count(*) FROM targets t WHERE t.client_id = p.client_id AND t.removed_seq IS NULL) AS targets
    FROM participants p JOIN clients c ON c.client_id = p.client_id WHERE p.sid = ?`)

  return async (selector, now) => {
    const narrow = selector.kind === 'session' || selector.kind === 'grant'
    const only = 'clientId' in selector ? selector.clientId : undefined
    const clients = new Set<string>()
    let sentBySub = new Set<string>()
    let [count, subjects, deliveries, afterSub, afterSid] = [0, 0, 0, '', '']
    let lastSub: string | undefined

    const add = (row: SessionRow): void => {
      const { state } = sessions.standing(row, now)
      if (state !== 'live' && state !== 'marked') return
      if (selector.kind === 'tenant' && row.tid !== selector.tid) return
      const delivered = reached.all(row.sid).filter(({ client_id: clientId }) => only === undefined || clientId === only)
      if (only !== undefined && delivered.length === 0) return
      count += 1
      if (row.sub !== lastSub) {
        lastSub = row.sub
        subjects += 1
        sentBySub = new Set()
      }
      for (const { client_id: clientId, logout_by: by, targets } of delivered) {
        clients.add(clientId)
        if (narrow || by === 'sid' || !sentBySub.has(clientId)) deliveries += targets
        sentBySub.add(clientId)
      }
    }

    for (;;) {
      const rows = await read(() => {
        const next = pages[whereOf(selector)].all({ ...selector, afterSub, afterSid })
        for (const row of next) add(row)
        return next
      })
      const last = rows.at(-1)
      if (rows.length < PAGE || last === undefined) return { sessions: count, subjects, clients: clients.size, deliveries }
      afterSub = last.sub
      afterSid = last.sid
      await turn()
    }
  }
}
