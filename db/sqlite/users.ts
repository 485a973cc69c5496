import { setImmediate as turn } from 'node:timers/promises'
import type { UserActs } from '../store.ts'
import type { Core } from './core.ts'
import type { RevocationLog } from './log.ts'

/** Forgetting a user. It refuses to leave them signed in: what is forgotten is revoked first. */

/** Sessions looked at in one transaction: ended ones have no index by user. */
const PAGE = 2_000

const FORGOTTEN = "device = '', microsoft_sid = NULL, login_hint_sealed = NULL, microsoft_cache_sealed = NULL, acr = NULL, amr = NULL, roles = '[]'"

export function userActs({ db, write }: Core, log: RevocationLog): UserActs {
  const forgetName = db.prepare<[string]>('UPDATE subjects SET name = NULL, username = NULL, email = NULL WHERE sub = ?')
  const forgetConsents = db.prepare<[string]>('DELETE FROM consents WHERE sub = ?')
  const forgetOpen = db.prepare<[string]>(`UPDATE sessions SET ${FORGOTTEN} WHERE sub = ? AND ended_seq IS NULL`)
  const pageEnd = db.prepare<[string], string>(`SELECT sid FROM sessions WHERE sid > ? ORDER BY sid LIMIT 1 OFFSET ${PAGE - 1}`).pluck()
  const forgetPage = db.prepare<[string, string, string]>(`UPDATE sessions SET ${FORGOTTEN} WHERE sid > ? AND sid <= ? AND sub = ?`)

  return {
    async eraseUser({ sub, ...asked }) {
      const answer = await write(() => {
        if (forgetName.run(sub).changes === 0) return { outcome: 'unknown' } as const
        const committed = log.append({ selector: { kind: 'subject', sub }, reason: 'administrator', ...asked })
        forgetConsents.run(sub)
        forgetOpen.run(sub)
        return { outcome: 'erased', committed } as const
      })
      if (answer.outcome === 'unknown') return answer
      for (let after: string | undefined = ''; after !== undefined;) {
        const from: string = after
        after = await write(() => {
          const end = pageEnd.get(from)
          forgetPage.run(from, end ?? '\u{10FFFF}', sub)
          return end
        })
        await turn()
      }
      return answer
    },
  }
}
