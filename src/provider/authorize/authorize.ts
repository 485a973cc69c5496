import { type SessionStatus, StoreUnavailable } from '../../../db/types.ts'
import { admits } from '../../clients/admission.ts'
import type { Deps } from '../deps.ts'
import { type Client, isPublic } from '../../protocol/client-metadata.ts'
import { newReference } from '../../pages/message.tsx'
import { OAuthError } from '../../protocol/error.ts'
import { ACR_PHISHING_RESISTANT } from '../../protocol/strength.ts'
import { mustBeWithin } from '../../runtime/rate-limits.ts'
import { currentStatus, endedElsewhere } from '../../session/current.ts'
import type { Answer } from './answer.tsx'
import { codeForSession, consentMissing } from './code.ts'
import { unmet } from './sign-in-decision.ts'
import { mfaPolicy } from './mfa.ts'
import { gone, pushedHash, readPushed, usePushed } from './pushed.ts'
import { asRegistered, clientOf, readRequest, readReturn, type SignInRequest } from './request.ts'
import { servingSession } from './session-serves.ts'
import { visitMicrosoft } from './to-microsoft.ts'
import type { BrowserContext } from './browser-context.ts'

/**
 * The authorization endpoint. With a valid session the browser returns to the client with a code;
 * otherwise the user sees the sign-in page.
 */

/**
 * Characters of a rejected redirect_uri in the log: enough to compare it with the registered ones.
 */
const MOST_OF_ADDRESS = 200

/** The parsed request, and the function that sets the language of its pages. */
interface AuthorizeInput {
  sent: URLSearchParams
  isPost: boolean
  /** The client's `ui_locales`, for the pages that follow. */
  useLocales: (locales: string | null) => void
}

/** Answers an authorization request. @throws OAuthError that must not redirect */
export async function authorize(
  deps: Deps,
  browser: BrowserContext,
  input: AuthorizeInput,
  now: number,
): Promise<Answer> {
  const { sent } = input
  const clientId = deps.clients.find(sent.get('client_id') ?? '')?.clientId
  const key = { clientId, address: browser.remote }
  mustBeWithin(deps.rateLimits, 'authorize', key)
  const rejected = (error: OAuthError): OAuthError => {
    const reference = deps.rateLimits.mayLog(key) ? newReference(deps.random) : undefined
    error.logged = { reference }
    if (reference !== undefined)
      deps.log.warn('authorize_rejected', {
        client_id: clientId,
        error: error.code,
        problem: error.message,
        redirect_uri: sent.get('redirect_uri')?.slice(0, MOST_OF_ADDRESS),
        reference,
        from: key.address,
      })
    return error
  }
  return answerRequest(deps, browser, input, now, rejected).catch((error: unknown) => {
    throw error instanceof OAuthError ? rejected(error) : error
  })
}

async function answerRequest(
  deps: Deps,
  browser: BrowserContext,
  { sent, isPost, useLocales }: AuthorizeInput,
  now: number,
  rejected: (error: OAuthError) => OAuthError,
): Promise<Answer> {
  const readiness = deps.microsoft.readiness()
  if (!readiness.connected) return { kind: 'not_connected', missing: readiness.missing }
  const hash = pushedHash(sent)
  const { source, pushed } =
    hash === undefined
      ? { source: sent, pushed: undefined }
      : await readPushed(deps, sent, hash, now)
  useLocales(source.get('ui_locales'))
  const { client, reply } = readReturn(deps, source)
  const read = await readRequest(deps, client, reply, source, now).catch(asAnswer)
  if (read instanceof OAuthError) return { kind: 'instance', reply, content: rejected(read) }
  // RFC 9126 §6: the client's registration demands pushed requests.
  if (client.metadata.requirePar && pushed === undefined) {
    const error = new OAuthError(
      'invalid_request',
      'This client must push its authorization requests to /par (RFC 9126).',
    )
    return { kind: 'instance', reply, content: rejected(error) }
  }
  const request: SignInRequest = { ...read, pushed }
  // A cross-site POST has no cookies (SameSite=Lax). The GET that follows has them.
  if (isPost) return { kind: 'again', purpose: { kind: 'instance', request } }
  return serve(deps, browser, request, now)
}

function asAnswer(error: unknown): OAuthError {
  if (error instanceof OAuthError) return error
  throw error
}

/** Answers a validated request. @throws OAuthError that must not redirect */
export async function serve(
  deps: Deps,
  browser: BrowserContext,
  asked: SignInRequest,
  now: number,
): Promise<Answer> {
  const client = clientOf(deps, asked)
  const request = asRegistered(client, asked)
  if (!request.prompt.includes('none')) return serveWithPages(deps, browser, client, request, now)
  const answer = await serveSilently(deps, browser, client, request, now).catch(
    (error: unknown) => {
      if (error instanceof StoreUnavailable)
        return new OAuthError(
          'temporarily_unavailable',
          'Nothing was changed. Try again in a moment.',
          { cause: error },
        )
      throw error
    },
  )
  return answer instanceof OAuthError
    ? { kind: 'instance', reply: request.reply, content: answer }
    : answer
}

/**
 * Answers prompt=none (OpenID Connect Core 1.0 §3.1.2.1): a code or an error, never a page or a
 * redirect to Microsoft.
 */
async function serveSilently(
  deps: Deps,
  browser: BrowserContext,
  client: Client,
  request: SignInRequest,
  now: number,
): Promise<Answer | OAuthError> {
  const session = servingSession(
    await currentStatus(deps, browser.sessionHash, now),
    request,
    now,
    client.metadata.maxAuthenticationSeconds,
  )
  if (session === undefined) return new OAuthError('login_required', 'The user must sign in.')
  if (!admits(client, session))
    return new OAuthError('access_denied', 'The user may not use this application.')
  if (await consentMissing(deps, client, request, session.sub))
    return new OAuthError('consent_required', 'The user must consent first.')
  if (!(await usePushed(deps, request, now))) throw gone()
  const answer = await codeForSession(deps, request, session.sid, now)
  if (answer === undefined) return new OAuthError('login_required', 'The user must sign in.')
  if (answer.issued) deps.metrics.signIns.inc({ outcome: 'single_sign_on' })
  return answer.answer
}

/**
 * Returns whether the client skips the sign-in page. A request that names a user skips it only if a
 * confidential client pushed it: given a hint, Microsoft may sign in without asking, and any site
 * can forge a request.
 */
const skipsPage = (client: Client, { loginHint, sub, pushed }: SignInRequest): boolean =>
  client.metadata.skipSignInPage === true &&
  ((pushed !== undefined && !isPublic(client)) || (loginHint === undefined && sub === undefined))

/**
 * Returns whether the signed-in user's tenant has no phishing-resistant proof, so that Microsoft
 * would ask the user for nothing.
 */
async function cannotProve(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  former: SessionStatus,
  { acr, loginHint, prompt, sub }: SignInRequest,
): Promise<boolean> {
  if (acr !== ACR_PHISHING_RESISTANT || former.state !== 'live') return false
  const { session } = former
  const isOther =
    prompt.includes('select_account') ||
    (sub ?? session.sub) !== session.sub ||
    (loginHint ?? session.user.username) !== session.user.username
  if (isOther) return false
  const tenant = await store.findTenant(session.user.tid)
  return mfaPolicy(config, tenant)?.phishingResistant === undefined
}

async function serveWithPages(
  deps: Deps,
  browser: BrowserContext,
  client: Client,
  request: SignInRequest,
  now: number,
): Promise<Answer> {
  const purpose = { kind: 'instance', request } as const
  const former = await currentStatus(deps, browser.sessionHash, now)
  const session = servingSession(former, request, now, client.metadata.maxAuthenticationSeconds)
  if (session === undefined) {
    if (await cannotProve(deps, former, request))
      return { kind: 'instance', reply: request.reply, content: unmet(request.acr) }
    if (endedElsewhere(former) || !skipsPage(client, request))
      return { kind: 'sign_in', purpose, former }
    if (!(await usePushed(deps, request, now))) throw gone()
    return visitMicrosoft(deps, browser, purpose, {
      another: false,
      shared: browser.isShared,
      now,
      attempt: `${browser.hash()} ${JSON.stringify(request)}`,
    })
  }
  if (!admits(client, session))
    return {
      kind: 'guidance',
      about: {
        key: 'not_assigned_here',
        purpose,
        user: session.user,
        attempt: `${session.sid} ${client.clientId} not_assigned_here`,
      },
    }
  if (!(await usePushed(deps, request, now))) throw gone()
  if (await consentMissing(deps, client, request, session.sub))
    return { kind: 'consent', request, sid: session.sid }
  const answer = await codeForSession(deps, request, session.sid, now)
  if (answer === undefined) return { kind: 'sign_in', purpose, former }
  if (answer.issued) deps.metrics.signIns.inc({ outcome: 'single_sign_on' })
  return answer.answer
}
