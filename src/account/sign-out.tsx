import type { Context } from 'hono'
import type { Session } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { Notice } from '../page/components.tsx'
import { CSRF_FIELD, csrfHolds } from '../page/csrf.ts'
import { messagePage } from '../page/message.tsx'
import { revoke } from '../revocation/revoke.ts'
import { chooseAccountNext } from '../session/chooser.ts'
import { clearSessionCookie } from '../session/cookie.ts'
import { accountPurpose, sessionsPage } from './sessions.tsx'

/** Ends one of a person's own sessions, or all of them. Another person's session id does what an unknown one does: nothing. */
export async function signOutFrom(deps: Deps, c: Context, current: Session, form: URLSearchParams, now: number): Promise<Response> {
  if (!csrfHolds(deps, c, accountPurpose(current), form.get(CSRF_FIELD) ?? undefined)) {
    return messagePage(c, {
      title: 'Please try again',
      status: 403,
      what: 'Nothing was changed: the request did not come from a page that this browser was shown.',
      links: [{ href: '/account', label: 'Where you are signed in' }],
      simulated: deps.config.entra.simulated,
    })
  }
  const actor = { kind: 'person', id: current.sub } as const
  if (form.get('everywhere') === 'yes') {
    await revoke(deps, { selector: { kind: 'subject', sub: current.sub }, reason: 'signed_out_everywhere', actor, now })
    return leave(c, 'everywhere')
  }
  const sid = form.get('sid')
  const own = (await deps.store.liveSessionsOf(current.sub, now)).find(({ session }) => session.sid === sid)
  if (own === undefined) return c.redirect('/account', 303)
  await revoke(deps, { selector: { kind: 'session', sid: own.session.sid }, reason: 'signed_out', actor, now })
  if (own.session.sid === current.sid) return leave(c, 'device')
  return sessionsPage(deps, c, current, now, <Notice kind="good" title={`Signed out: ${own.session.device}`} />)
}

/** A sign-out of this browser too. */
function leave(c: Context, scope: 'device' | 'everywhere'): Response {
  clearSessionCookie(c)
  chooseAccountNext(c)
  return c.redirect(`/account/signed-out?scope=${scope}`, 303)
}

export const signedOut = (deps: Deps, c: Context): Response =>
  messagePage(c, {
    title: c.req.query('scope') === 'everywhere' ? 'You are signed out everywhere' : 'You are signed out on this device',
    status: 200,
    what:
      c.req.query('scope') === 'everywhere'
        ? 'Every Case Manager on every device is being told at this moment.'
        : 'Every Case Manager that you opened in this browser is being told at this moment.',
    next: 'You may still be signed in to Microsoft 365 in this browser. On a computer that others use, sign out there too.',
    links: [{ href: '/account', label: 'Sign in again' }],
    simulated: deps.config.entra.simulated,
  })
