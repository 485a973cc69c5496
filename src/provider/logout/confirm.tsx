import type { Participant, Session, SessionStatus } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { Notice } from '../../pages/components.tsx'
import type { PageAnswer, PageRequest } from '../page-request.ts'
import { messageOf } from '../../pages/message.tsx'
import type { Done } from '../../pages/signed-out.ts'
import { requestRevocation } from '../../revocation/revoke.ts'
import { openFromSession } from '../../session/sealed.ts'
import { endedClass, liveSession, sessionHere, type SessionHere } from '../../session/current.ts'
import { afterSignOut } from './after.ts'
import { askWhichSignOut, choicePurpose } from './choice.tsx'
import { open } from './sealed.ts'
import type { LogoutRequest } from './request.ts'

/**
 * Handles the form of the question. It revokes first, so that a later error leaves no user signed
 * in.
 */

type Scope = 'device' | 'everywhere'

export async function confirmSignOut(deps: Deps, request: PageRequest): Promise<PageAnswer> {
  const { now, t, fields } = request
  const sealed = fields.get('request') ?? ''
  const choice = open(deps.sealer, 'choice', sealed, now)
  if (choice === undefined) {
    return messageOf({
      title: t.signOut.oldPageTitle,
      status: 400,
      what: t.signOut.oldPage,
      next: t.signOut.oldPageNext,
      links: [{ href: '/logout', label: t.shared.signOut }],
    })
  }
  const { request: logout, sid, isByBrowser } = choice
  const current = await sessionHere(deps, request, now)
  const scope = fields.get('scope')
  if (!request.isOurs(choicePurpose(sealed)))
    return again(deps, request, { current, logout, why: 'forged' })
  if (current.session !== undefined && current.session.sid !== sid)
    return again(deps, request, { current, logout, why: 'other' })
  if (scope !== 'device' && (scope !== 'everywhere' || isByBrowser))
    return again(deps, request, { current, logout, why: 'nothing' })

  // The form belongs to this browser and session, so it counts even if the session cookie is gone.
  const asked = await deps.store.statusBySid(sid, now)
  const live = liveSession(asked)
  const done =
    live === undefined
      ? await alreadyOut(deps, asked, scope, logout, now)
      : await endSession(deps, live, scope, logout, now)
  const wanted = fields.get('microsoft') === 'yes' || request.isShared
  const account =
    asked.state === 'unknown'
      ? undefined
      : isByBrowser
        ? { tid: asked.session.user.tid }
        : accountOf(deps, asked.session)
  if (isByBrowser) done.clientIds = []
  const microsoft = wanted && account !== undefined ? 'next' : undefined
  return { ...afterSignOut(deps, logout, { ...done, microsoft, account }, now), signedOut: true }
}

/** Upper bound of the app names on the signed-out page: a cookie and a URL hold them. */
const MOST_NAMES = 20
const clientsOf = (participants: readonly Participant[]): string[] =>
  [...new Set(participants.map(({ clientId }) => clientId))].slice(0, MOST_NAMES)

/** Returns the account to sign out at Microsoft, at once or by a button of the signed-out page. */
const accountOf = ({ sealer }: Deps, { user, loginHintSealed }: Session): Done['account'] => ({
  tid: user.tid,
  loginHint: openFromSession(sealer, 'login_hint', user, loginHintSealed),
})

async function endSession(
  deps: Deps,
  { sub, sid }: Session,
  scope: Scope,
  { clientId }: LogoutRequest,
  now: number,
): Promise<Done> {
  const all = scope === 'everywhere'
  const participants = all
    ? (await deps.store.liveSessionsOf(sub, now)).flatMap((session) => session.participants)
    : await deps.store.participants(sid)
  const answer = await requestRevocation(deps, {
    selector: all ? { kind: 'subject', sub } : { kind: 'session', sid },
    reason: all ? 'signed_out_everywhere' : 'signed_out',
    actor: { kind: 'user', id: sub },
    now,
  })
  const seq = answer.outcome === 'revoked' ? answer.committed.revocation.seq : undefined
  return { scope, clientIds: clientsOf(participants), seq, at: now, clientId }
}

/**
 * Answers a repeated form, or one whose session has ended. It revokes nothing, because that would
 * end a newer sign-in.
 */
async function alreadyOut(
  deps: Deps,
  status: SessionStatus,
  scope: Scope,
  request: LogoutRequest,
  now: number,
): Promise<Done> {
  const asked = { at: now, clientId: request.clientId }
  if (status.state !== 'ended') return { scope: 'none', clientIds: [], ...asked }
  const { session } = status
  const elsewhere =
    scope === 'everywhere' ? (await deps.store.liveSessionsOf(session.sub, now)).length : 0
  return {
    scope: elsewhere === 0 ? scope : 'device',
    elsewhere,
    clientIds: clientsOf(await deps.store.participants(session.sid)),
    why: endedClass(status),
    ...asked,
  }
}

const STATUS = { forged: 403, other: 409, nothing: 400 } as const

function again(
  deps: Deps,
  request: PageRequest,
  {
    current,
    logout,
    why,
  }: { current: SessionHere; logout: LogoutRequest; why: keyof typeof STATUS },
): PageAnswer | Promise<PageAnswer> {
  const { t } = request
  const status = STATUS[why]
  const { title, text } = t.signOutAgain[why]
  const { session, isByBrowser } = current
  if (session === undefined)
    return messageOf({
      title,
      status,
      what: text,
      links: [{ href: '/logout', label: t.shared.signOut }],
    })
  const notice = (
    <Notice kind="warn" title={title}>
      {text}
    </Notice>
  )
  return askWhichSignOut(deps, request, { session, isByBrowser, logout, status, notice })
}
