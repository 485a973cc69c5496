import type { Participant, Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { PageAnswer, PageRequest } from '../page-request.ts'
import { signedOutAddress } from '../../pages/signed-out.ts'
import { revoke, microsoftNext, signOut } from '../../revocation/revoke.ts'
import { forged } from './rejected-form.ts'
import { accountPurpose, sessionsPage } from './sessions.tsx'

/**
 * Ends one or all of the user's own sessions. Another user's session id has no effect, like an
 * unknown one.
 */
export async function signOutFrom(
  deps: Deps,
  request: PageRequest,
  current: Session,
): Promise<PageAnswer> {
  const { now, t, fields } = request
  if (!request.isOurs(accountPurpose(current))) return forged(t)
  const live = await deps.store.liveSessionsOf(current.sub, now)
  if (fields.get('everywhere') === 'yes')
    return leave(deps, request, current, { scope: 'everywhere', live })
  const sid = fields.get('sid')
  const own = live.find(({ session }) => session.sid === sid)
  if (own === undefined) return { to: '/account' }
  if (own.session.sid === current.sid)
    return leave(deps, request, current, { scope: 'device', live: [own] })
  const selector = { kind: 'session', sid: own.session.sid } as const
  await revoke(deps, {
    selector,
    reason: 'signed_out_remotely',
    actor: { kind: 'user', id: current.sub },
    now,
  })
  return sessionsPage(deps, request, current, t.sessions.signedOut({ device: own.session.device }))
}

interface Leaving {
  scope: 'device' | 'everywhere'
  /** The sessions that end. */
  live: readonly { participants: readonly Participant[] }[]
}

/** Signs out this browser too, and redirects to the signed-out page. */
async function leave(
  deps: Deps,
  { now, fields, isShared }: PageRequest,
  current: Session,
  { scope, live }: Leaving,
): Promise<PageAnswer> {
  const participants = live.flatMap((one) => one.participants)
  const ended = await signOut(deps, { scope, session: current, participants, now })
  const wanted = fields.get('microsoft') === 'yes' || isShared
  const done = { ...ended, ...microsoftNext(deps, current, wanted) }
  return { to: signedOutAddress(deps.sealer, done, now), signedOut: true }
}
