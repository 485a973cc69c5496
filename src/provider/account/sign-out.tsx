import type { Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { PageAnswer, PageRequest } from '../page-request.ts'
import { requestRevocation } from '../../revocation/revoke.ts'
import { deviceIn } from '../../pages/times.tsx'
import { forged } from './rejected-form.ts'
import { accountPurpose, sessionsPage } from './sessions.tsx'

/**
 * Ends one of the user's own sessions on another device. Another user's session id has no effect,
 * like an unknown one.
 */
export async function signOutFrom(
  deps: Deps,
  request: PageRequest,
  current: Session,
): Promise<PageAnswer> {
  const { now, t, fields } = request
  if (!request.isOurs(accountPurpose(current))) return forged(t)
  const live = await deps.store.liveSessionsOf(current.sub, now)
  const own = live.find(({ session }) => session.sid === fields.get('sid'))?.session
  if (own === undefined) return { to: '/account' }
  if (own.sid === current.sid) return { to: '/logout' }
  await requestRevocation(deps, {
    selector: { kind: 'session', sid: own.sid },
    reason: 'signed_out_remotely',
    actor: { kind: 'user', id: current.sub },
    now,
  })
  return sessionsPage(
    deps,
    request,
    current,
    t.sessions.signedOut({ device: deviceIn(own.device, t) }),
  )
}
