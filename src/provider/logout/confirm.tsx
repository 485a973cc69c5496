import type { Context } from 'hono'
import type { Session, Standing } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { Notice } from '../../pages/components.tsx'
import { CSRF_FIELD, csrfHolds } from '../../pages/csrf.ts'
import { messagePage } from '../../pages/message.tsx'
import type { Done } from '../../pages/signed-out.ts'
import { textsOf } from '../../pages/texts.ts'
import { microsoftNext, MOST_NAMES, signOut } from '../../revocation/revoke.ts'
import { forgetSession, isSharedComputer } from '../../clients/session/browser.ts'
import { sessionCookieHash } from '../../clients/session/cookie.ts'
import { currentStanding, endedClass } from '../../clients/session/current.ts'
import { goOn } from './after.ts'
import { askWhichSignOut, choicePurpose } from './choice.tsx'
import { open } from './sealed.ts'
import type { LogoutRequest } from './request.ts'

/** The answer to the question. Revokes first, so that no later fault leaves the user signed in. */

type Scope = 'device' | 'everywhere'

export async function confirmSignOut(
  deps: Deps,
  c: Context,
  form: URLSearchParams,
  now: number,
): Promise<Response> {
  const t = textsOf(c, deps.config)
  const sealed = form.get('request') ?? ''
  const choice = open(deps.sealer, 'choice', sealed, now)
  if (choice === undefined) {
    return messagePage(c, {
      title: t.signOut.oldPageTitle,
      status: 400,
      what: t.signOut.oldPage,
      next: t.signOut.oldPageNext,
      links: [{ href: '/logout', label: t.shared.signOut }],
      config: deps.config,
    })
  }
  const { request, sid } = choice
  const standing = await currentStanding(deps, sessionCookieHash(c), now)
  const current =
    standing.state === 'live' || standing.state === 'marked' ? standing.session : undefined
  const scope = form.get('scope')
  if (!csrfHolds(deps, c, choicePurpose(sealed), form.get(CSRF_FIELD) ?? undefined))
    return again(deps, c, { current, request, now, why: 'forged' })
  if (current !== undefined && current.sid !== sid)
    return again(deps, c, { current, request, now, why: 'other' })
  if (scope !== 'device' && scope !== 'everywhere')
    return again(deps, c, { current, request, now, why: 'nothing' })

  // The form is this browser's own, made for that session: it decides, even where the cookie has
  // gone since.
  const asked = await deps.store.standingBySid(sid, now)
  const isLive = asked.state === 'live' || asked.state === 'marked'
  const done = isLive
    ? await endSession(deps, asked.session, scope, request, now)
    : await alreadyOut(deps, asked, scope, request, now)
  forgetSession(c)
  const wanted = form.get('microsoft') === 'yes' || isSharedComputer(deps, c)
  const microsoft =
    wanted && asked.state !== 'unknown' ? microsoftNext(deps, asked.session) : undefined
  return goOn(deps, c, request, { ...done, ...microsoft }, now)
}

async function endSession(
  deps: Deps,
  session: Session,
  scope: Scope,
  request: LogoutRequest,
  now: number,
): Promise<Done> {
  const participants =
    scope === 'everywhere'
      ? (await deps.store.liveSessionsOf(session.sub, now)).flatMap((one) => one.participants)
      : await deps.store.participants(session.sid)
  return {
    ...(await signOut(deps, { scope, session, participants, now })),
    clientId: request.clientId,
  }
}

/**
 * The same form a second time, or after something else ended the session: nothing is revoked again,
 * or a newer sign-in would end with it.
 */
async function alreadyOut(
  deps: Deps,
  standing: Standing,
  scope: Scope,
  request: LogoutRequest,
  now: number,
): Promise<Done> {
  if (standing.state !== 'ended')
    return { scope: 'none', clientIds: [], at: now, clientId: request.clientId }
  const { session } = standing
  const elsewhere =
    scope === 'everywhere' ? (await deps.store.liveSessionsOf(session.sub, now)).length : 0
  const clientIds = (await deps.store.participants(session.sid))
    .map((one) => one.clientId)
    .slice(0, MOST_NAMES)
  const why = endedClass(standing)
  return {
    scope: elsewhere === 0 ? scope : 'device',
    elsewhere,
    clientIds,
    why,
    at: now,
    clientId: request.clientId,
  }
}

const STATUS = { forged: 403, other: 409, nothing: 400 } as const

async function again(
  deps: Deps,
  c: Context,
  input: {
    current: Session | undefined
    request: LogoutRequest
    now: number
    why: keyof typeof STATUS
  },
): Promise<Response> {
  const t = textsOf(c, deps.config)
  const status = STATUS[input.why]
  const { title, text } = t.signOutAgain[input.why]
  if (input.current === undefined) {
    return messagePage(c, {
      title,
      status,
      what: text,
      links: [{ href: '/logout', label: t.shared.signOut }],
      config: deps.config,
    })
  }
  const notice = (
    <Notice kind="warn" title={title}>
      {text}
    </Notice>
  )
  return askWhichSignOut(deps, c, {
    session: input.current,
    request: input.request,
    now: input.now,
    notice,
    status,
  })
}
