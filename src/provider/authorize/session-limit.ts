import type { Deps } from '../deps.ts'
import { sha256 } from '../../runtime/compare.ts'
import { type Answer, clockIsWrong, stale, used } from './answer.tsx'
import { signIn } from './open-session.ts'
import { open } from './sealed.ts'
import type { BrowserContext } from './browser-context.ts'

/**
 * A submitted form: its sealed value, whether the broker's own page in this browser made it, and
 * the user's choice.
 */
export interface SentForm {
  sealed: string
  isOurs: boolean
  fields: URLSearchParams
}

/**
 * Continues a sign-in after the user chose which sessions end. It checks that the sealed sign-in
 * belongs to this browser, is at most ten minutes old and unused. It judges the sign-in again, so
 * later locks and revocations count.
 */
export async function endAndSignIn(
  deps: Deps,
  browser: BrowserContext,
  form: SentForm,
  now: number,
): Promise<Answer> {
  const opened = open(deps, browser, 'limit', form.sealed, now)
  const purpose = opened.value?.visit.purpose
  if ((opened.how === 'good' || opened.how === 'late') && deps.clockWatch.disagrees())
    return clockIsWrong(deps, opened.value.visit)
  if (opened.how !== 'good') return stale(opened, purpose)
  const { id, identified, ...result } = opened.value
  if (!form.isOurs) return { kind: 'stale', how: 'elsewhere', purpose }
  if (
    !(await deps.store.consumeOnce({
      purpose: 'signin-limit',
      idHash: sha256(id),
      expiresAt: opened.until + 60,
    }))
  )
    return used(deps, browser, result.visit, now)
  const tenant = await deps.store.findTenant(result.identity.user.tid)
  return signIn(deps, browser, result, tenant, {
    limit: { end: form.fields.getAll('end'), identified },
    now,
  })
}
