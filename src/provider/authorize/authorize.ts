import type { Context } from 'hono'
import { StoreUnavailable } from '../../../db/store.ts'
import { admits } from '../../clients/admission.ts'
import { remoteOf } from '../../runtime/remote-address.ts'
import type { Deps } from '../deps.ts'
import { type Client, isPublic } from '../../protocol/client-metadata.ts'
import { loggedAs } from '../../pages/errors.tsx'
import { newReference } from '../../pages/message.tsx'
import { useLocales } from '../../pages/texts.ts'
import { OAuthError } from '../../protocol/error.ts'
import { mustBeWithin } from '../../runtime/rate-limits.ts'
import { currentStanding, endedElsewhere } from '../../clients/session/current.ts'
import { isSharedComputer } from '../../clients/session/shared-computer.ts'
import { codeForSession } from './code.ts'
import { consentMissing, toConsent } from './consent.tsx'
import { againAddress, guidancePage, notConnectedPage, signInPage } from './pages.tsx'
import { gone, pushedHash, readPushed, usePushed } from './pushed.ts'
import { answerInstance } from './reply.tsx'
import { asRegistered, clientOf, readRequest, readReturn, type SignInRequest } from './request.ts'
import { servingSession } from './session-serves.ts'
import { visitMicrosoft } from './to-microsoft.ts'

/** The authorization endpoint: a valid session goes straight back with a code; a user without one sees the sign-in page. */

/** More of a redirect_uri says no more to an operator who compares it with the registered ones. */
const MOST_OF_ADDRESS = 200

/** @throws OAuthError that must not redirect */
export async function authorize(deps: Deps, c: Context, sent: URLSearchParams, now: number): Promise<Response> {
  const clientId = deps.clients.find(sent.get('client_id') ?? '')?.clientId
  const key = { clientId, address: remoteOf(c, deps.config) }
  mustBeWithin(deps.rateLimits, 'authorize', key)
  const rejected = (error: OAuthError): OAuthError => {
    const reference = deps.rateLimits.mayLog(key) ? newReference(deps.random) : undefined
    loggedAs(c, reference)
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
  return answerRequest(deps, c, sent, now, rejected).catch((error: unknown) => {
    throw error instanceof OAuthError ? rejected(error) : error
  })
}

async function answerRequest(
  deps: Deps,
  c: Context,
  sent: URLSearchParams,
  now: number,
  rejected: (error: OAuthError) => OAuthError,
): Promise<Response> {
  const readiness = deps.microsoft.readiness()
  if (!readiness.connected) return notConnectedPage(deps, c, readiness.missing)
  const hash = pushedHash(sent)
  const { source, pushed } = hash === undefined ? { source: sent, pushed: undefined } : await readPushed(deps, sent, hash, now)
  useLocales(c, deps.config, source.get('ui_locales'))
  const { client, reply } = readReturn(deps, source)
  const read = await readRequest(deps, client, reply, source, now).catch(asAnswer)
  if (read instanceof OAuthError) return answerInstance(deps, c, reply, rejected(read))
  // RFC 9126 §6
  if (client.metadata.requirePar && pushed === undefined)
    return answerInstance(
      deps,
      c,
      reply,
      rejected(new OAuthError('invalid_request', 'This client must push its authorization requests to /par (RFC 9126).')),
    )
  const request: SignInRequest = { ...read, pushed }
  // Another site's form comes without our cookies (SameSite=Lax). A GET that follows it has them.
  if (c.req.method === 'POST') return c.redirect(againAddress(deps, c, { kind: 'instance', request }, now), 303)
  return serve(deps, c, request, now)
}

function asAnswer(error: unknown): OAuthError {
  if (error instanceof OAuthError) return error
  throw error
}

/** A request that was read and found good. @throws OAuthError that must not redirect */
export async function serve(deps: Deps, c: Context, asked: SignInRequest, now: number): Promise<Response> {
  const client = clientOf(deps, asked)
  const request = asRegistered(client, asked)
  if (!request.prompt.includes('none')) return serveWithPages(deps, c, client, request, now)
  const answer = await serveSilently(deps, c, client, request, now).catch((error: unknown) => {
    if (error instanceof StoreUnavailable)
      return new OAuthError('temporarily_unavailable', 'Nothing was changed. Try again in a moment.', { cause: error })
    throw error
  })
  return answer instanceof OAuthError ? answerInstance(deps, c, request.reply, answer) : answer
}

/** prompt=none (OpenID Connect Core 1.0 §3.1.2.1): a code or an error, never a page, and never Microsoft. */
async function serveSilently(deps: Deps, c: Context, client: Client, request: SignInRequest, now: number): Promise<Response | OAuthError> {
  const session = servingSession(await currentStanding(deps, c, now), request, now, client.metadata.maxAuthenticationSeconds)
  if (session === undefined) return new OAuthError('login_required', 'The user must sign in.')
  if (!admits(client, session)) return new OAuthError('access_denied', 'The user may not use this application.')
  if (await consentMissing(deps, client, request, session.sub)) return new OAuthError('consent_required', 'The user must consent first.')
  if (!(await usePushed(deps, request, now))) throw gone()
  const answer = await codeForSession(deps, c, request, session.sid, now)
  if (answer === undefined) return new OAuthError('login_required', 'The user must sign in.')
  if (answer.issued) deps.metrics.signIns.inc({ outcome: 'single_sign_on' })
  return answer.response
}

/**
 * By the client's registration alone. A request that names the user shows the page, unless its client has authenticated and pushed it: with a hint
 * Microsoft may sign in without a question, and any site can make up such a request.
 */
const skipsPage = (client: Client, { loginHint, sub, pushed }: SignInRequest): boolean =>
  client.metadata.skipSignInPage === true && ((pushed !== undefined && !isPublic(client)) || (loginHint === undefined && sub === undefined))

async function serveWithPages(deps: Deps, c: Context, client: Client, request: SignInRequest, now: number): Promise<Response> {
  const errand = { kind: 'instance', request } as const
  const standing = await currentStanding(deps, c, now)
  const session = servingSession(standing, request, now, client.metadata.maxAuthenticationSeconds)
  if (session === undefined) {
    if (endedElsewhere(standing) || !skipsPage(client, request)) return signInPage(deps, c, errand, now, standing)
    if (!(await usePushed(deps, request, now))) throw gone()
    return visitMicrosoft(deps, c, errand, { another: false, shared: isSharedComputer(deps, c), now })
  }
  if (!admits(client, session)) return guidancePage(deps, c, { key: 'not_assigned_here', errand, now })
  if (!(await usePushed(deps, request, now))) throw gone()
  if (await consentMissing(deps, client, request, session.sub)) return toConsent(deps, c, request, session.sid, now)
  const answer = await codeForSession(deps, c, request, session.sid, now)
  if (answer === undefined) return signInPage(deps, c, errand, now, standing)
  if (answer.issued) deps.metrics.signIns.inc({ outcome: 'single_sign_on' })
  return answer.response
}
