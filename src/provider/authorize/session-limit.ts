import type { Context } from 'hono'
import type { Deps } from '../deps.ts'
import { csrfHolds, CSRF_FIELD } from '../../pages/csrf.ts'
import { sha256 } from '../../runtime/compare.ts'
import { clockIsWrong } from './clock-is-wrong.ts'
import type { NotAdmitted } from './judge.ts'
import { notAdmitted } from './not-admitted.ts'
import { signIn } from './open-session.ts'
import { againAddress } from './pages.tsx'
import { limitPurpose } from './session-limit-page.tsx'
import { type Came, open } from './sealed.ts'
import { stalePage, usedPage } from './stale.tsx'

/**
 * A sign-in that waits for the user's choice goes on: it is ours, of this browser, ten minutes old at most, and used once. It is judged
 * again, so a lock, a revocation, another sign-in and a new rule that came meanwhile count.
 */
export async function endAndSignIn(deps: Deps, c: Context, form: URLSearchParams, now: number): Promise<Response> {
  const sealed = form.get('request') ?? ''
  const opened = open(deps, c, 'limit', sealed, now)
  if ((opened.how === 'good' || opened.how === 'late') && deps.clockWatch.disagrees()) return clockIsWrong(deps, c, opened.value.visit.errand, now)
  if (opened.how !== 'good') return stalePage(deps, c, opened.how, opened.how === 'foreign' ? undefined : opened.value.visit.errand, now)
  const came = opened.value
  const { errand } = came.visit
  if (!csrfHolds(deps, c, limitPurpose(sealed), form.get(CSRF_FIELD) ?? undefined)) return stalePage(deps, c, 'elsewhere', errand, now)
  if (!(await deps.store.consumeOnce({ purpose: 'signin-limit', idHash: sha256(came.id), expiresAt: opened.until + 60, now })))
    return usedPage(deps, c, errand, now)
  const tenant = await deps.store.findTenant(came.identity.user.tid)
  return signIn(deps, c, { ...came, tenant }, { end: form.getAll('end'), now, rejected: (why) => rejected(deps, c, came, why, now) })
}

/** A form leads to no page of Microsoft. A user who has to go there starts again. */
function rejected(deps: Deps, c: Context, came: Came, why: NotAdmitted, now: number): Response | Promise<Response> {
  if ('demand' in why) return c.redirect(againAddress(deps, c, came.visit.errand, now), 303)
  return notAdmitted(deps, c, came, why, now)
}
