import type { Context } from 'hono'
import type {
  Identified,
  RejectedSignIn,
  SecurityEvent,
  Session,
  SessionStatus,
} from '../../../db/types.ts'
import { type KeptSignIn, keepSignIn } from '../../session/browser.ts'
import { currentStatus } from '../../session/current.ts'
import { CLOCK_RETRY_SECONDS } from '../../runtime/clock-watch.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import type { Deps } from '../deps.ts'
import { consentPage } from './consent-page.tsx'
import {
  againAddress,
  type GuidanceAbout,
  guidancePage,
  notConnectedPage,
  onceMorePage,
  signInPage,
} from './pages.tsx'
import { type PageAnswer, type PageView, pageView, send } from '../page-request.ts'
import { answerInstance, type Content, type Reply } from './reply.tsx'
import type { SignInRequest } from './request.ts'
import { referenceOf } from '../rejected-visits.ts'
import {
  type CallbackResult,
  type Opened,
  seal,
  type SignInPurpose,
  type UpstreamLogin,
} from './sealed.ts'
import { limitPage } from './session-limit-page.tsx'
import { type Stale, stalePage } from './stale.tsx'
import type { BrowserContext } from './browser-context.ts'

/**
 * The outcome of a step of the sign-in, as a value. The endpoint turns it into its response by
 * `respond`.
 */
export type Answer = { signedIn?: KeptSignIn } & (
  | { kind: 'page_of_ours'; to: string }
  /** A step that needs the store again. The user stays signed in even if it fails. */
  | { kind: 'go_on'; next: () => Promise<Answer> }
  | { kind: 'microsoft'; url: string }
  /** A further authentication at Microsoft, explained before it happens. */
  | { kind: 'once_more'; url: string; ended: SecurityEvent | undefined }
  | { kind: 'instance'; reply: Reply; content: Content }
  /** Restarts the sign-in at /signin/continue. */
  | { kind: 'again'; purpose: SignInPurpose }
  | {
      kind: 'ask_consent'
      sealed: string
      client: Client
      request: SignInRequest
      session: Session
    }
  /** Redirects to the consent page, which the user can reload without any effect. */
  | { kind: 'consent'; request: SignInRequest; sid: string }
  | { kind: 'sign_in'; purpose: SignInPurpose; former: SessionStatus }
  | {
      kind: 'session_limit'
      id: string
      result: CallbackResult
      choose: number
      among: readonly Session[]
      identified: Identified
    }
  | { kind: 'guidance'; about: GuidanceAbout }
  | { kind: 'stale'; how: Stale; purpose?: SignInPurpose | undefined }
  | { kind: 'not_connected'; missing: readonly string[] }
)

export async function respond(
  deps: Deps,
  c: Context,
  browser: BrowserContext,
  answer: Answer,
  now: number,
): Promise<Response> {
  if (answer.signedIn !== undefined) keepSignIn(deps, c, browser, answer.signedIn, now)
  if (answer.kind === 'go_on') return respond(deps, c, browser, await answer.next(), now)
  if (answer.kind === 'guidance' && answer.about.retryAfterSeconds !== undefined)
    c.header('Retry-After', String(answer.about.retryAfterSeconds))
  return send(deps, c, await pageOf(deps, pageView(deps, c), browser, answer, now))
}

function pageOf(
  deps: Deps,
  view: PageView,
  browser: BrowserContext,
  answer: Exclude<Answer, { kind: 'go_on' }>,
  now: number,
): PageAnswer | Promise<PageAnswer> {
  switch (answer.kind) {
    case 'page_of_ours':
      return { to: answer.to }
    case 'microsoft':
      return { to: answer.url, hidesReferrer: true }
    case 'once_more':
      return onceMorePage(view, answer)
    case 'instance':
      return answerInstance(deps, view, answer.reply, answer.content)
    case 'again':
      return { to: againAddress(deps, browser, answer.purpose, now) }
    case 'consent': {
      const { request, sid } = answer
      const sealed = seal(deps, browser, 'consent', { request, sid }, now)
      return { to: `/signin/consent?${new URLSearchParams({ request: sealed })}` }
    }
    case 'ask_consent':
      return consentPage(view, answer)
    case 'sign_in':
      return signInPage(deps, view, browser, answer, now)
    case 'session_limit':
      return limitPage(deps, view, browser, answer, now)
    case 'guidance':
      return guidancePage(deps, view, browser, answer.about, now)
    case 'stale':
      return stalePage(deps, view, browser, answer, now)
    case 'not_connected':
      return notConnectedPage(view, answer.missing)
  }
}

/**
 * Returns the page for a sealed value that cannot be used. The user can start its request again.
 */
export const stale = (
  { how }: Exclude<Opened<unknown>, { how: 'good' }>,
  purpose: SignInPurpose | undefined,
): Answer => ({
  kind: 'stale',
  how,
  purpose,
})

/**
 * Returns the page for a visit that was used: that of its rejection again, or that of a sign-in
 * which was completed. In the browser that signed in it is no failure.
 */
export async function used(
  deps: Pick<Deps, 'store' | 'sealer' | 'rejectedVisits'>,
  { sessionHash }: BrowserContext,
  { id: attempt, purpose }: Pick<UpstreamLogin, 'id' | 'purpose'>,
  now: number,
): Promise<Answer> {
  const reference = referenceOf(deps, attempt)
  const rejected: Omit<RejectedSignIn, 'id'> | undefined =
    deps.rejectedVisits.find(reference) ?? (await deps.store.findRejectedSignIn(reference))
  const { state } = await currentStatus(deps, sessionHash, now)
  // A visit that Microsoft interrupted may have been completed since.
  if (rejected === undefined || (rejected.user === undefined && state === 'live'))
    return { kind: 'stale', how: state === 'live' ? 'signedIn' : 'used', purpose }
  const { reason: key, code, user } = rejected
  return { kind: 'guidance', about: { key, purpose, attempt, code, user } }
}

/** Returns the page that explains a rejection, and counts it. */
export function rejection({ metrics }: Pick<Deps, 'metrics'>, about: GuidanceAbout): Answer {
  metrics.signIns.inc({ outcome: about.key })
  return { kind: 'guidance', about }
}

/**
 * Returns the page for a sign-in while the broker's clock is wrong: a session would get wrong
 * times. The caller calls it before it consumes anything, so the same request works later.
 */
export const clockIsWrong = (
  deps: Pick<Deps, 'metrics'>,
  { id: attempt, purpose }: Pick<UpstreamLogin, 'id' | 'purpose'>,
): Answer =>
  rejection(deps, { key: 'clock_wrong', purpose, attempt, retryAfterSeconds: CLOCK_RETRY_SECONDS })
