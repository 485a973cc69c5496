import type { Deps } from '../deps.ts'
import { sha256 } from '../../runtime/compare.ts'
import { type Answer, clockIsWrong, stale, used } from './answer.tsx'
import { signIn } from './open-session.ts'
import { open } from './sealed.ts'
import type { Visitor } from './visitor.ts'

/**
 * A form that was sent: the sealed value it holds, whether our own page in this browser made it,
 * and the user's choice.
 */
export interface SentForm {
  sealed: string
  isOurs: boolean
  fields: URLSearchParams
}

/**
 * A sign-in that waits for the user's choice goes on: it is ours, of this browser, ten minutes old
 * at most, and used once. It is judged again, so a lock, a revocation, another sign-in and a new
 * rule that came meanwhile count.
 */
export async function endAndSignIn(
  deps: Deps,
  visitor: Visitor,
  form: SentForm,
  now: number,
): Promise<Answer> {
  const opened = open(deps, visitor, 'limit', form.sealed, now)
  const purpose = opened.value?.visit.purpose
  if ((opened.how === 'good' || opened.how === 'late') && deps.clockWatch.disagrees())
    return clockIsWrong(deps, opened.value.visit.purpose)
  if (opened.how !== 'good') return stale(opened, purpose)
  const { id, ...came } = opened.value
  if (!form.isOurs) return { kind: 'stale', how: 'elsewhere', purpose }
  if (
    !(await deps.store.consumeOnce({
      purpose: 'signin-limit',
      idHash: sha256(id),
      expiresAt: opened.until + 60,
    }))
  )
    return used(deps, visitor, came.visit.purpose, now)
  const tenant = await deps.store.findTenant(came.identity.user.tid)
  return signIn(deps, visitor, came, tenant, { end: form.fields.getAll('end'), now })
}
