import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { withAuditEntry } from '../../clients/with-audit.ts'
import type { Lock, NewAuditEntry, Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { openUntil, sealUntil } from '../../keys/sealed-in-browser.ts'
import { messagePage } from '../../pages/message.tsx'
import { equalInConstantTime, sha256 } from '../../runtime/compare.ts'
import { newId, newSecret } from '../../runtime/ids.ts'
import { revoke } from '../../revocation/revoke.ts'
import { actorName } from '../acts/names.ts'
import { operatorWasHere } from '../acts/setup-token.ts'
import { FRESH_SECONDS } from '../../clients/session/lifetimes.ts'
import {
  setConsoleCookie,
  judge,
  PASS_SECONDS,
  type Pass,
  type Rejection,
  clearConsoleCookie,
} from './console-session.ts'
import type { Checks } from '../checks/checks.ts'
import { untilOf } from './format.ts'
import { withoutMicrosoft } from './microsoft-down.tsx'
import { callbackUri, CONSOLE, keepRegistered } from './registration.ts'
import { linkOf, type Viewer } from './request.ts'

/**
 * Signing in to the console: the broker's own authorization code flow (RFC 6749 §4.1, RFC 7636, RFC
 * 9207), with the console as one client of it.
 */

const COOKIE = '__Host-cmb_ops_signin'
const PLACE = 'ops/sign-in'
const ATTRIBUTES = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const
const SECONDS = 600
/** Matches the console's own pages, and nothing that a browser could read as another host. */
const OWN = /^\/(?:ops|setup)(?:\/(?!sign|callback)[\w-]+)*(?:\?[\w=&%.~+-]*)?$/

interface Pending {
  state: string
  verifier: string
  returnTo: string
}

export const ownPath = (value: string | undefined): string =>
  value !== undefined && value.length < 2000 && OWN.test(value) ? value : '/ops'

/**
 * Redirects to the broker's authorization endpoint.
 * @param fresh true if Microsoft must ask the user again, even if the user is signed in
 */
async function goSignIn(
  deps: Deps,
  c: Context,
  { returnTo, fresh }: { returnTo: string; fresh: boolean },
  now: number,
): Promise<Response> {
  if (!(await keepRegistered(deps))) return notRegistered(deps, c)
  const pending: Pending = { state: newId(deps.random), verifier: newSecret(deps.random), returnTo }
  setCookie(c, COOKIE, sealUntil(deps.sealer, PLACE, pending, now + SECONDS), {
    ...ATTRIBUTES,
    maxAge: SECONDS,
  })
  const query = new URLSearchParams({
    client_id: CONSOLE,
    response_type: 'code',
    redirect_uri: callbackUri(deps),
    scope: 'openid',
    state: pending.state,
    code_challenge: sha256(pending.verifier),
    code_challenge_method: 'S256',
    ...(fresh ? { prompt: 'login', max_age: String(FRESH_SECONDS) } : {}),
  })
  c.header('Cache-Control', 'no-store')
  return c.redirect(`${deps.config.issuer}/authorize?${query.toString()}`, 303)
}

/**
 * Receives the authorization response. Checks that it belongs to this browser, attempt and issuer,
 * redeems the code in this process, and issues the pass.
 */
export async function consoleCallback(
  deps: Deps,
  c: Context,
  checks: Checks,
  now: number,
): Promise<Response> {
  const pending = openUntil(deps.sealer, PLACE, getCookie(c, COOKIE), now) as Pending | undefined
  const { state, iss, code, error, error_description: about } = c.req.query()
  if (
    pending === undefined ||
    state === undefined ||
    !equalInConstantTime(state, pending.state) ||
    iss !== deps.config.issuer
  )
    return lost(deps, c)
  deleteCookie(c, COOKIE, ATTRIBUTES)
  if (code === undefined) {
    const lock = about?.startsWith('l_') === true ? await deps.store.findLock(about) : undefined
    return lock === undefined ? turnedAway(deps, c, checks, error) : lockedPage(deps, c, lock)
  }
  const redeemed = await deps.store.redeemAuthorizationCode({
    codeHash: sha256(code),
    clientId: CONSOLE,
    redirectUri: callbackUri(deps),
    verifier: pending.verifier,
    familyId: newId(deps.random),
    now,
  })
  if (redeemed.outcome !== 'redeemed') return lost(deps, c)
  const { session, rev } = redeemed
  const may = judge(deps, session)
  if (may === 'other_tenant' || may === 'no_role') return denied(deps, c, session, may)
  if (may === 'administer') await operatorWasHere(deps.store, now)
  await deps.store.recordOperator({ sub: session.sub, may, now })
  const until = Math.min(now + PASS_SECONDS, session.absoluteAt)
  const pass: Pass = { sid: session.sid, sub: session.sub, rev, until }
  const entry = signInEntry('operator', session, { role: may })
  await withAuditEntry(deps.store, entry, async () => setConsoleCookie(deps, c, pass, now))
  c.header('Cache-Control', 'no-store')
  return c.redirect(pending.returnTo, 303)
}

const signInEntry = (
  kind: 'operator' | 'user',
  { sub: id, device }: Session,
  details: Record<string, unknown> = {},
): NewAuditEntry => ({
  actor: { kind, id },
  via: 'console',
  act: 'console.sign_in',
  details: { ...details, device },
})

async function denied(deps: Deps, c: Context, session: Session, why: Rejection): Promise<Response> {
  const { tid } = session.user
  deps.log.warn('console_rejected', { sub: session.sub, tid, why })
  const id = await deps.store.appendAudit(signInEntry('user', session))
  await deps.store.concludeAudit({ id, outcome: 'rejected', result: { why, tid } })
  return rejectedPage(deps, c, why, session)
}

/**
 * Signs the operator out of the console by revoking its grant. Each copy of the pass is then
 * worthless.
 */
export async function leave(
  deps: Deps,
  c: Context,
  { session, caller }: Viewer,
  now: number,
): Promise<Response> {
  const selector = { kind: 'grant', sid: session.sid, clientId: CONSOLE } as const
  await revoke(deps, {
    selector,
    reason: 'signed_out',
    actor: { kind: 'user', id: caller.actor.id },
    now,
  })
  clearConsoleCookie(c)
  return c.redirect('/ops/signed-out', 303)
}

export const signedOutPage = (deps: Deps, c: Context): Response =>
  messagePage(c, {
    title: 'You have left the console',
    status: 200,
    what: 'You are still signed in to Case Manager in this browser. On a computer that others use, sign out there too.',
    links: [
      { href: '/ops', label: 'Back to the console' },
      { href: `${deps.config.issuer}/logout`, label: 'Sign out of Case Manager' },
    ],
    config: deps.config,
  })

/**
 * The page for a user who is not signed in. Its status is 401, so that a page that is still open
 * notices.
 */
export const notSignedInPage = async (
  deps: Deps,
  c: Context,
  checks: Checks,
  why: 'never' | 'over',
): Promise<Response> =>
  messagePage(c, {
    title: 'Operators’ console',
    status: 401,
    what:
      why === 'over'
        ? 'Your sign-in to the console has ended. It lasts an hour, and ends earlier with your session or your role.'
        : 'For operators of this broker. Sign in with your Microsoft account.',
    ...(await signingIn(deps, checks, {
      return_to: ownPath(pathOf(c)),
    })),
    config: deps.config,
  })

/** Returns the way to the sign-in, and the advice while Microsoft is down. */
async function signingIn(
  deps: Deps,
  checks: Checks,
  query: { return_to: string; fresh?: string | undefined },
) {
  const { pathname, searchParams: members } = new URL(query.return_to, deps.config.opsOrigin)
  const wanted = { path: pathname.replace(/^\/ops/, ''), members }
  const next = await withoutMicrosoft(deps, checks, wanted)
  const href = linkOf('/ops/sign-in', { ...query, anyway: next === undefined ? undefined : 'yes' })
  return {
    next,
    links: [{ href, label: next === undefined ? 'Sign in' : 'Try to sign in anyway' }],
  }
}

/** Leads to the sign-in, or while Microsoft is down to a page that says so first. */
export async function signInAt(deps: Deps, c: Context, checks: Checks): Promise<Response> {
  const { return_to: to, fresh, anyway } = c.req.query()
  const returnTo = ownPath(to)
  const signing = await signingIn(deps, checks, { return_to: returnTo, fresh })
  if (signing.next !== undefined && anyway !== 'yes')
    return messagePage(c, {
      title: 'You cannot sign in now',
      status: 503,
      what: 'The console needs a sign-in at Microsoft. Nothing was changed.',
      ...signing,
      config: deps.config,
    })
  return goSignIn(deps, c, { returnTo, fresh: fresh === 'yes' }, deps.clock.now())
}

const pathOf = (c: Context): string | undefined => {
  const { pathname, search } = new URL(c.req.url)
  return c.req.method === 'GET' ? pathname + search : undefined
}

export function rejectedPage(
  deps: Deps,
  c: Context,
  why: Rejection,
  { user }: Pick<Session, 'user'>,
): Response {
  const who = [user.name, user.username].filter(Boolean).join(' · ')
  return messagePage(c, {
    title: 'The console is not open to you',
    status: 403,
    what:
      why === 'other_tenant'
        ? `${who} is of another Microsoft tenant than the one that operates this broker. An administrator of your tenant acts on that tenant alone, and not by this console.`
        : `${who} has none of the app roles Broker.Auditor, Broker.Operator and Broker.Administrator.`,
    next:
      why === 'other_tenant'
        ? 'If you operate this broker, sign in with your account of the operator tenant.'
        : 'Ask for one of them to be assigned to you in Microsoft Entra (Enterprise applications, Users and groups), then sign in again.',
    links: [{ href: '/ops/sign-in?fresh=yes', label: 'Sign in as another user' }],
    config: deps.config,
  })
}

export function closedPage(deps: Deps, c: Context): Response {
  return messagePage(c, {
    title: 'The console is closed',
    status: 503,
    what: (
      <>
        No user can be an operator yet, because the broker does not know the operator tenant. Finish
        the <a href="/setup">set-up</a>, or set <code>BROKER_OPERATOR_TENANT</code> to the id of
        that Microsoft tenant and start the broker again.
      </>
    ),
    next: (
      <>
        The tenant must also be connected, and you must open this page at{' '}
        <code>BROKER_OPS_ORIGIN</code> (now <code>{deps.config.opsOrigin}</code>). Until then{' '}
        <code>cmb</code> operates the broker.
      </>
    ),
    config: deps.config,
  })
}

const lost = (deps: Deps, c: Context): Response =>
  messagePage(c, {
    title: 'That sign-in cannot be continued',
    status: 400,
    what: 'It began in another browser, at another address or more than ten minutes ago, or it was used already.',
    next: (
      <>
        Start again at <code>{deps.config.opsOrigin}/ops</code>.
      </>
    ),
    links: [{ href: '/ops/sign-in', label: 'Sign in' }],
    config: deps.config,
  })

const turnedAway = async (
  deps: Deps,
  c: Context,
  checks: Checks,
  error: string | undefined,
): Promise<Response> =>
  messagePage(c, {
    title: 'You are not signed in',
    status: 403,
    what:
      error === 'temporarily_unavailable'
        ? 'The broker cannot sign users in at the moment. Nothing was changed.'
        : 'The sign-in was not finished.',
    next: await withoutMicrosoft(deps, checks),
    links: [{ href: '/ops/sign-in', label: 'Try again' }],
    config: deps.config,
  })

/** The page for an operator who is locked. Only the broker itself names the lock to the console. */
const lockedPage = async (deps: Deps, c: Context, lock: Lock): Promise<Response> =>
  messagePage(c, {
    title: 'You are locked',
    status: 403,
    what: [
      `By: ${(await actorName(deps, lock.actor)) ?? lock.actor.id}.`,
      lock.caseReference === undefined ? '' : ` Case: ${lock.caseReference}.`,
      ` Until: ${untilOf(lock, deps.clock.nowMs())}. You can sign in nowhere until then.`,
    ].join(''),
    next: (
      <>
        Ask another administrator to lift it, on the page Locks or on the broker’s machine:{' '}
        <code>cmb unlock {lock.id}</code>
      </>
    ),
    links: [{ href: '/ops/sign-in?fresh=yes', label: 'Sign in as another user' }],
    config: deps.config,
  })

const notRegistered = (deps: Deps, c: Context): Response =>
  messagePage(c, {
    title: 'The console cannot be opened',
    status: 503,
    what: (
      <>
        A client of the id <code>{CONSOLE}</code> is registered elsewhere, and that id is reserved
        for the broker. Remove it with <code>cmb clients remove</code>.
      </>
    ),
    config: deps.config,
  })
