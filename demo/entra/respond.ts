import type { Context } from 'hono'
import { EntraError } from './aadsts.ts'
import { answerConsent, type Flow } from './flow.ts'
import type { Account } from './browser.ts'
import type { Site } from './site.ts'
import type { World } from './world.ts'

/** The end of a flow: the answer to the application, in the query of its address. */

const KNOWN_SCOPES = new Set(['openid', 'profile', 'email', 'User.Read'])

export async function succeed(c: Context, site: Site, flow: Flow): Promise<Response> {
  const { world } = site
  const { request, user, account } = flow
  if (!user || !account) return deny(c, site, flow, new EntraError(50058))
  site.flows.delete(flow.id)
  if (flow.consented) answerConsent(world, flow, false)
  if (request.kind === 'adminconsent')
    return back(c, flow, {
      admin_consent: 'True',
      tenant: user.tid,
      scope: request.scope,
      ...stateOf(flow),
    })
  account.clientIds.add(request.app.clientId)
  const asked = request.scope
    .split(' ')
    .map((scope) => scope.replace('https://graph.microsoft.com/', ''))
  const provider = await site.provider(user.tid)
  const issued = await provider.issueCode(
    {
      oid: user.oid,
      tid: user.tid,
      clientId: request.app.clientId,
      sid: account.sid,
      authTime: authTimeOf(world, account),
      mfa: account.mfaAt !== undefined,
      acrs: request.contexts,
      kmsi: account.kmsi ? true : undefined,
      scope: request.scope,
      offline: asked.includes('offline_access'),
      generation: user.grantGeneration,
    },
    {
      redirectUri: request.redirectUri,
      scope: asked.filter((scope) => KNOWN_SCOPES.has(scope)).join(' '),
      nonce: request.nonce,
      codeChallenge: request.codeChallenge,
      codeChallengeMethod: request.codeChallengeMethod,
    },
  )
  if ('error' in issued)
    return back(c, flow, {
      error: issued.error,
      error_description: issued.description,
      ...stateOf(flow),
    })
  return back(c, flow, { code: issued.code, ...stateOf(flow), session_state: account.sid })
}

/**
 * Answers with an error. Errors of admin consent carry `admin_consent=True` as well, which a client
 * that tests it first mistakes for consent.
 */
export function deny(c: Context, site: Site, flow: Flow, error: EntraError): Response {
  const { request } = flow
  site.flows.delete(flow.id)
  const body = error.body(site.world.clock.nowMs(), request.correlationId)
  // `invalid_grant` belongs to the token endpoint; at this endpoint Entra uses another code for the
  // same error.
  const name =
    body.error === 'invalid_grant'
      ? error.suberror === undefined
        ? 'access_denied'
        : 'interaction_required'
      : body.error
  return back(c, flow, {
    error: name,
    ...(error.code === 65004 ? { error_subcode: 'cancel' } : {}),
    error_description: body.error_description,
    ...stateOf(flow),
    ...(request.kind === 'adminconsent'
      ? { admin_consent: 'True', ...(flow.user ? { tenant: flow.user.tid } : {}) }
      : {}),
    ...(body.claims ? { claims: body.claims } : {}),
  })
}

/** A time that a client with a limit in minutes still accepts as recent. */
const OLD_SECONDS = 200

function authTimeOf(world: World, { authTime }: Account): number {
  const says = world.switches.authTimeSays
  if (says === 'entered') return authTime
  return says === 'old' ? authTime - OLD_SECONDS : world.now()
}

const stateOf = (flow: Flow): Record<string, string> =>
  flow.request.state === undefined ? {} : { state: flow.request.state }

function back(c: Context, flow: Flow, parameters: Record<string, string>): Response {
  c.header('Cache-Control', 'no-store')
  const url = new URL(flow.request.redirectUri)
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return c.redirect(url.href)
}
