import type { Context } from 'hono'
import type { Participant, Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { CSRF_FIELD, csrfHolds } from '../../pages/csrf.ts'
import { signedOutAddress } from '../../pages/signed-out.ts'
import { textsOf } from '../../pages/texts.ts'
import { revoke, microsoftNext, signOut } from '../../revocation/revoke.ts'
import { forgetSession, isSharedComputer } from '../../clients/session/browser.ts'
import { forged } from './not-taken.ts'
import { accountPurpose, sessionsPage } from './sessions.tsx'

/**
 * Ends one of a user's own sessions, or all of them. Another user's session id does what an unknown
 * one does: nothing.
 */
export async function signOutFrom(
  deps: Deps,
  c: Context,
  current: Session,
  form: URLSearchParams,
  now: number,
): Promise<Response> {
  if (!csrfHolds(deps, c, accountPurpose(current), form.get(CSRF_FIELD) ?? undefined))
    return forged(deps, c)
  const live = await deps.store.liveSessionsOf(current.sub, now)
  if (form.get('everywhere') === 'yes')
    return leave(deps, c, { scope: 'everywhere', live, current, now })
  const sid = form.get('sid')
  const own = live.find(({ session }) => session.sid === sid)
  if (own === undefined) return c.redirect('/account', 303)
  if (own.session.sid === current.sid)
    return leave(deps, c, { scope: 'device', live: [own], current, now })
  const selector = { kind: 'session', sid: own.session.sid } as const
  await revoke(deps, {
    selector,
    reason: 'signed_out_remotely',
    actor: { kind: 'user', id: current.sub },
    now,
  })
  const t = textsOf(c, deps.config)
  return sessionsPage(deps, c, current, now, t.sessions.signedOut({ device: own.session.device }))
}

interface Leaving {
  scope: 'device' | 'everywhere'
  /** The sessions that end. */
  live: readonly { participants: readonly Participant[] }[]
  current: Session
  now: number
}

/** A sign-out of this browser too: the signed-out page follows the apps. */
async function leave(
  deps: Deps,
  c: Context,
  { scope, live, current, now }: Leaving,
): Promise<Response> {
  const participants = live.flatMap((one) => one.participants)
  const ended = await signOut(deps, { scope, session: current, participants, now })
  const done = isSharedComputer(deps, c) ? { ...ended, ...microsoftNext(deps, current) } : ended
  forgetSession(c)
  return c.redirect(signedOutAddress(deps.sealer, done, now), 303)
}
