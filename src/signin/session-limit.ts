import type { Context } from 'hono'
import type { Deps } from '../deps.ts'
import { csrfHolds, CSRF_FIELD } from '../page/csrf.ts'
import { sha256 } from '../protocol/compare.ts'
import { clockIsWrong } from './clock-is-wrong.ts'
import { enter } from './open-session.ts'
import { againAddress, guidancePage } from './pages.tsx'
import { limitPurpose } from './session-limit-page.tsx'
import { open } from './sealed.ts'
import { stalePage, usedPage } from './stale.tsx'

/**
 * A sign-in that waits for the user's choice goes on: it is ours, of this browser, ten minutes old at most, and used once. The store judges it
 * again, so a lock, a revocation or another sign-in that came meanwhile counts.
 */
export async function endAndSignIn(deps: Deps, c: Context, form: URLSearchParams, now: number): Promise<Response> {
  const sealed = form.get('request') ?? ''
  const opened = open(deps, c, 'limit', sealed, now)
  if ((opened.how === 'good' || opened.how === 'late') && deps.clockWatch.disagrees()) return clockIsWrong(deps, c, opened.value.errand, now)
  if (opened.how !== 'good') return stalePage(deps, c, opened.how, opened.how === 'foreign' ? undefined : opened.value.errand, now)
  const entry = opened.value
  const { errand } = entry
  // The user's authentication became too old meanwhile.
  if (entry.session.absoluteAt <= now) return stalePage(deps, c, 'late', errand, now)
  if (!csrfHolds(deps, c, limitPurpose(sealed), form.get(CSRF_FIELD) ?? undefined)) return stalePage(deps, c, 'elsewhere', errand, now)
  if (!(await deps.store.consumeOnce({ purpose: 'signin-limit', idHash: sha256(entry.id), expiresAt: opened.until + 60, now })))
    return usedPage(deps, c, errand, now)
  return enter(deps, c, entry, { end: form.getAll('end'), now }, ({ why }) => {
    // The sign-in that waited is no longer fresh: the user starts again.
    if (why === 'not_fresh') return c.redirect(againAddress(deps, c, errand, now), 303)
    return guidancePage(deps, c, { key: why, errand, now })
  })
}
