import type { UserActs } from '../store.ts'
import type { Core } from './core.ts'
import type { RevocationLog } from './log.ts'

/** Forgetting a user. It refuses to leave them signed in: what is forgotten is revoked first. */

const FORGOTTEN = "device = '', microsoft_sid = NULL, login_hint_sealed = NULL, microsoft_cache_sealed = NULL, acr = NULL, amr = NULL, roles = '[]'"

/** Cursors in the audit log (of it, by which column, after which id, up to which) and in the log of revocations; no sid begins like these. */
const IN_AUDIT = 'audit '
const IN_LOG = 'log '
const AUDITED = ['actor', 'target'] as const

/** Audit entries forgotten in the act of the erasure itself. */
const [AT_ONCE, AT_ONCE_PAGES] = [200, 2]

interface Erasure {
  sub: string
  seq: number
  cursor: string
}

export function userActs({ db, write }: Core, log: RevocationLog): UserActs {
  const forgetName = db.prepare<[string]>('UPDATE subjects SET name = NULL, username = NULL, email = NULL WHERE sub = ?')
  const forgetConsents = db.prepare<[string]>('DELETE FROM consents WHERE sub = ?')
  const forgetOpen = db.prepare<[string]>(`UPDATE sessions INDEXED BY sessions_open_by_sub SET ${FORGOTTEN} WHERE sub = ? AND ended_seq IS NULL`)
  const begin = db.prepare<[string, number, string]>(`INSERT INTO erasures (sub, seq, cursor) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET seq = excluded.seq, cursor = excluded.cursor`)
  const lastAudit = db.prepare<[], number>('SELECT id FROM audit ORDER BY id DESC LIMIT 1').pluck()
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
  const auditPage = (column: 'actor_id' | 'target') =>
    db
      .prepare<[string, number, number, number], number>(`SELECT id FROM audit WHERE ${column} = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?`)
      .pluck()
  const audited = { actor: auditPage('actor_id'), target: auditPage('target') }
  const forgetAuditSalt = [
    'DELETE FROM audit_salts WHERE id = ?',
    "INSERT INTO audit_salts (id, salt) SELECT id, '' FROM audit WHERE id = ? AND hash = ''",
  ].map((sql) => db.prepare<[number]>(sql))

  /** The next page of the audit entries by this user, then of those about them. @returns where to go on */
  const forgetAudited = (sub: string, cursor: string, limit: number): string => {
    const [, by = '', after, to] = cursor.split(' ')
    const column = AUDITED.find((one) => one === by) ?? 'actor'
    const ids = audited[column].all(column === 'actor' ? sub : `subject ${sub}`, Number(after), Number(to), limit)
    for (const id of ids) for (const forget of forgetAuditSalt) forget.run(id)
    if (ids.length === limit) return `${IN_AUDIT}${column} ${ids.at(-1)} ${to}`
    return column === 'actor' ? `${IN_AUDIT}target 0 ${to}` : ''
  }

  /** Those of most users at once; of a user with many entries the rest is left to `forgetErased`. Entries written later are not of what was erased. */
  const beginAudited = (sub: string): string => {
    let cursor = `${IN_AUDIT}actor 0 ${lastAudit.get() ?? 0}`
    for (let page = 0; page < AT_ONCE_PAGES && cursor !== ''; page++) cursor = forgetAudited(sub, cursor, AT_ONCE)
    return cursor
  }

  /** The next page of the audit log, after it of the sessions, then of the log of revocations. @returns where to go on; undefined at the end */
  const forgetNext = ({ sub, seq, cursor }: Erasure, limit: number): string | undefined => {
    if (cursor.startsWith(IN_AUDIT)) return forgetAudited(sub, cursor, limit)
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
        forgetOpen.run(sub)
        begin.run(sub, committed.revocation.seq, beginAudited(sub))
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
