import type { Context } from 'hono'
import type { Session } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { Notice } from '../page/components.tsx'
import { CSRF_FIELD, csrfHolds } from '../page/csrf.ts'
import { messagePage } from '../page/message.tsx'
import { textsOf } from '../page/texts.ts'
import { revoke } from '../revocation/revoke.ts'
import { chooseAccountNext } from '../session/chooser.ts'
import { clearSessionCookie } from '../session/cookie.ts'
import { forged } from './forged.ts'
import { accountPurpose, sessionsPage } from './sessions.tsx'

/** Ends one of a user's own sessions, or all of them. Another user's session id does what an unknown one does: nothing. */
export async function signOutFrom(deps: Deps, c: Context, current: Session, form: URLSearchParams, now: number): Promise<Response> {
  if (!csrfHolds(deps, c, accountPurpose(current), form.get(CSRF_FIELD) ?? undefined)) return forged(deps, c)
  const actor = { kind: 'user', id: current.sub } as const
  if (form.get('everywhere') === 'yes') {
    await revoke(deps, { selector: { kind: 'subject', sub: current.sub }, reason: 'signed_out_everywhere', actor, now })
    return leave(c, 'everywhere')
  }
  const sid = form.get('sid')
  const own = (await deps.store.liveSessionsOf(current.sub, now)).find(({ session }) => session.sid === sid)
  if (own === undefined) return c.redirect('/account', 303)
  const thisDevice = own.session.sid === current.sid
  const reason = thisDevice ? 'signed_out' : 'signed_out_remotely'
  await revoke(deps, { selector: { kind: 'session', sid: own.session.sid }, reason, actor, now })
  if (thisDevice) return leave(c, 'device')
  const t = textsOf(c, deps.config)
  return sessionsPage(deps, c, current, now, <Notice kind="good" title={t.sessions.signedOut(own.session.device)} />)
}

/** A sign-out of this browser too. */
function leave(c: Context, scope: 'device' | 'everywhere'): Response {
  clearSessionCookie(c)
  chooseAccountNext(c)
  return c.redirect(`/account/signed-out?scope=${scope}`, 303)
}

export function signedOut(deps: Deps, c: Context): Response {
  const t = textsOf(c, deps.config)
  const scope = c.req.query('scope') === 'everywhere' ? 'everywhere' : 'device'
  return messagePage(c, {
    title: t.signedOut.title[scope],
    status: 200,
    what: t.signedOut.fromAccount[scope],
    next: t.shared.microsoftMayRemain,
    links: [{ href: '/account', label: t.shared.signInAgain }],
    config: deps.config,
  })
}
