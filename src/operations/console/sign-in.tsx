import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { record, recordRejected } from '../../audit/record.ts'
import type { Lock, Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { openUntil, sealUntil } from '../../keys/sealed-in-browser.ts'
import { messagePage } from '../../pages/message.tsx'
import { equalInConstantTime, sha256 } from '../../runtime/compare.ts'
import { newId, newSecret } from '../../runtime/ids.ts'
import { requestRevocation } from '../../revocation/revoke.ts'
import { actorName } from '../acts/names.ts'
import { operatorWasHere } from '../acts/setup-token.ts'
import { FRESH_SECONDS } from '../../session/lifetimes.ts'
import {
  setConsoleCookie,
  judge,
  PASS_SECONDS,
  type Pass,
  type Rejection,
  clearConsoleCookie,
} from './console-session.ts'
import type { Checks } from '../checks/checks.ts'
import { withoutMicrosoft } from './microsoft-down.tsx'
import { callbackUri, CONSOLE, keepRegistered } from './registration.ts'
import { linkOf, type Viewer } from './request.ts'
import * as words from './texts/sign-in.tsx'
import { untilOf } from './locks.tsx'

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
  const { sub: id, device } = session
  const operator = { actor: { kind: 'operator', id }, via: 'console' } as const
  const entry = { act: SIGN_IN, details: { role: may, device } }
  await record(deps, operator, entry, async () => setConsoleCookie(deps, c, pass, now))
  c.header('Cache-Control', 'no-store')
  return c.redirect(pending.returnTo, 303)
}

/** The act's name in the audit log. */
const SIGN_IN = 'console.sign_in'

async function denied(deps: Deps, c: Context, session: Session, why: Rejection): Promise<Response> {
  const { sub, device, user } = session
  const { tid } = user
  deps.log.warn('console_rejected', { sub, tid, why })
  const rejected = { actor: { kind: 'user', id: sub }, via: 'console' } as const
  await recordRejected(deps, rejected, { act: SIGN_IN, details: { device } }, { why, tid })
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
  await requestRevocation(deps, {
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
    ...words.signedOut(deps.config),
    status: 200,
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
    ...words.NOT_SIGNED_IN[why],
    status: 401,
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
    links: [{ href, label: next === undefined ? words.SIGN_IN : words.ANYWAY }],
  }
}

/** Leads to the sign-in, or while Microsoft is down to a page that says so first. */
export async function signInAt(deps: Deps, c: Context, checks: Checks): Promise<Response> {
  const { return_to: to, fresh, anyway } = c.req.query()
  const returnTo = ownPath(to)
  const signing = await signingIn(deps, checks, { return_to: returnTo, fresh })
  if (signing.next !== undefined && anyway !== 'yes')
    return messagePage(c, {
      ...words.MICROSOFT_DOWN,
      status: 503,
      ...signing,
      config: deps.config,
    })
  return goSignIn(deps, c, { returnTo, fresh: fresh === 'yes' }, deps.clock.now())
}

const pathOf = (c: Context): string | undefined => {
  const { pathname, search } = new URL(c.req.url)
  return c.req.method === 'GET' ? pathname + search : undefined
}

export const rejectedPage = (
  deps: Deps,
  c: Context,
  why: Rejection,
  { user }: Pick<Session, 'user'>,
): Response =>
  messagePage(c, {
    ...words.REJECTED[why]([user.name, user.username].filter(Boolean).join(' · ')),
    status: 403,
    config: deps.config,
  })

export const closedPage = ({ config }: Deps, c: Context): Response =>
  messagePage(c, { ...words.closed(config), status: 503, config })

const lost = ({ config }: Deps, c: Context): Response =>
  messagePage(c, { ...words.lost(config), status: 400, config })

const turnedAway = async (
  deps: Deps,
  c: Context,
  checks: Checks,
  error: string | undefined,
): Promise<Response> =>
  messagePage(c, {
    ...words.turnedAway(error),
    status: 403,
    next: await withoutMicrosoft(deps, checks),
    config: deps.config,
  })

/** The page for an operator who is locked. Only the broker itself names the lock to the console. */
const lockedPage = async (deps: Deps, c: Context, lock: Lock): Promise<Response> =>
  messagePage(c, {
    ...words.locked(
      lock,
      (await actorName(deps, lock.actor)) ?? lock.actor.id,
      untilOf({ deps }, lock),
    ),
    status: 403,
    config: deps.config,
  })

const notRegistered = ({ config }: Deps, c: Context): Response =>
  messagePage(c, { ...words.notRegistered(CONSOLE), status: 503, config })
