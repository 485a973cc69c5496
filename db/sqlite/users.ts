import type { UserActs } from '../store.ts'
import type { Core } from './core.ts'
import type { RevocationLog } from './log.ts'

/** Forgetting a user. It refuses to leave them signed in: what is forgotten is revoked first. */

const FORGOTTEN = "device = '', microsoft_sid = NULL, login_hint_sealed = NULL, microsoft_cache_sealed = NULL, acr = NULL, amr = NULL, roles = '[]'"

/** A cursor in the log of revocations; no sid begins like this. */
const IN_LOG = 'log '

interface Erasure {
  sub: string
  seq: number
  cursor: string
}

export function userActs({ db, write }: Core, log: RevocationLog): UserActs {
  const forgetName = db.prepare<[string]>('UPDATE subjects SET name = NULL, username = NULL, email = NULL WHERE sub = ?')
  const forgetConsents = db.prepare<[string]>('DELETE FROM consents WHERE sub = ?')
  const forgetOpen = db.prepare<[string]>(`UPDATE sessions INDEXED BY sessions_open_by_sub SET ${FORGOTTEN} WHERE sub = ? AND ended_seq IS NULL`)
  const begin = db.prepare<[string, number]>(`INSERT INTO erasures (sub, seq, cursor) VALUES (?, ?, '')
    ON CONFLICT DO UPDATE SET seq = excluded.seq, cursor = ''`)
  const next = db.prepare<[], Erasure>('SELECT sub, seq, cursor FROM erasures LIMIT 1')
  const pageEnd = db.prepare<[string, number], string>('SELECT sid FROM sessions WHERE sid > ? ORDER BY sid LIMIT 1 OFFSET ?').pluck()
  const forgetPage = db.prepare<[string, string, string, number]>(
    `UPDATE sessions SET ${FORGOTTEN} WHERE sid > ? AND sid <= ? AND sub = ? AND opened_seq < ?`,
  )
  const advance = db.prepare<[string, string]>('UPDATE erasures SET cursor = ? WHERE sub = ?')
  const done = db.prepare<[string]>('DELETE FROM erasures WHERE sub = ?')
  const any = db.prepare<[]>('SELECT 1 FROM erasures LIMIT 1')

  // Without its salt the hash of a row's personal fields says nothing; the chain verifies as before. A row that is older than the chain never had
  // one: an empty salt says that its user was erased.
  const logEnd = db.prepare<[number, number], number>('SELECT seq FROM revocations WHERE seq > ? ORDER BY seq LIMIT 1 OFFSET ?').pluck()
  const forgetSalts = db.prepare<
    [{ after: number; to: number; sub: string }]
  >(`UPDATE revocations SET salt = CASE hash WHEN '' THEN '' END WHERE seq > @after AND seq <= @to
    AND (sub = @sub OR actor_id = @sub OR sid IN (SELECT s.sid FROM sessions s WHERE s.sid = revocations.sid AND s.sub = @sub))`)
  const ofUser = "(SELECT id FROM audit WHERE actor_id = @sub UNION SELECT id FROM audit WHERE target = 'subject ' || @sub)"
  const forgetAuditSalts = [
    `DELETE FROM audit_salts WHERE id IN ${ofUser}`,
    `INSERT INTO audit_salts (id, salt) SELECT id, '' FROM audit WHERE id IN ${ofUser} AND hash = ''`,
  ].map((sql) => db.prepare<[{ sub: string }]>(sql))

  /** The next page of the sessions, and after them of the log. @returns where to go on; undefined at the end */
  const forgetNext = ({ sub, seq, cursor }: Erasure, limit: number): string | undefined => {
    if (!cursor.startsWith(IN_LOG)) {
      const end = pageEnd.get(cursor, limit - 1)
      forgetPage.run(cursor, end ?? '\u{10FFFF}', sub, seq)
      return end ?? `${IN_LOG}0`
    }
    const after = Number(cursor.slice(IN_LOG.length))
    const to = logEnd.get(after, limit - 1)
    forgetSalts.run({ after, to: Math.min(to ?? seq, seq), sub })
    return to === undefined || to >= seq ? undefined : `${IN_LOG}${to}`
  }

  return {
    eraseUser: ({ sub, ...asked }) =>
      write(() => {
        if (forgetName.run(sub).changes === 0) return { outcome: 'unknown' } as const
        const committed = log.append({ selector: { kind: 'subject', sub }, reason: 'administrator', ...asked })
        forgetConsents.run(sub)
        for (const forget of forgetAuditSalts) forget.run({ sub })
        forgetOpen.run(sub)
        begin.run(sub, committed.revocation.seq)
        return { outcome: 'erased', committed } as const
      }),
    forgetErased: ({ limit }) =>
      write(() => {
        const erasure = next.get()
        if (erasure === undefined) return false
        const goOn = forgetNext(erasure, limit)
        if (goOn === undefined) done.run(erasure.sub)
        else advance.run(goOn, erasure.sub)
        return any.get() !== undefined
      }),
  }
}
