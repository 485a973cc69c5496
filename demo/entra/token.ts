import { Hono, type Context } from 'hono'
import { EntraError } from './aadsts.ts'
import { authenticateApp } from './client-auth.ts'
import { forge } from './forge.ts'
import { issueAppToken } from './graph/app-token.ts'
import type { AppRegistration, User } from './users.ts'
import { correlationOf, type Site } from './site.ts'
import { consentKey } from './flow.ts'
import type { TenantProvider } from './tenant-provider.ts'
import type { SignIn, World } from './world.ts'

/**
 * The token endpoint: it authenticates the client, checks that the grant is still valid, and then
 * calls the tenant's provider. Errors have Entra's words.
 */

interface TokenAnswer {
  status: number
  body: Record<string, unknown>
}

export function tokenEndpoints(site: Site): Hono {
  const app = new Hono()
  app.post('/:tenant/oauth2/v2.0/token', async (c) => {
    c.header('Cache-Control', 'no-store')
    c.header('Pragma', 'no-cache')
    try {
      const trouble = await site.trouble('token')
      if (trouble?.retryAfter) c.header('Retry-After', trouble.retryAfter)
      if (trouble) throw trouble.error
      const { status, body } = await answer(c, site, new URLSearchParams(await c.req.text()))
      return c.json(body, status as 200)
    } catch (error) {
      if (!(error instanceof EntraError)) throw error
      return c.json(
        error.body(site.world.clock.nowMs(), correlationOf(c), site.world.origin),
        error.status as 400,
      )
    }
  })
  return app
}

async function answer(c: Context, site: Site, form: URLSearchParams): Promise<TokenAnswer> {
  const { world } = site
  const tenant = c.req.param('tenant') ?? ''
  const named = world.tenant(tenant)
  if (!named && tenant !== 'organizations' && tenant !== 'common') throw new EntraError(90002)
  const app = await authenticateApp(world, form, c.req.header('authorization'))
  spendTokenError(world)
  const grantType = form.get('grant_type')
  if (grantType === 'client_credentials') {
    if (!named)
      throw new EntraError(
        90002,
        'An application asks for its own token at a tenant, not at organizations.',
      )
    return { status: 200, body: await issueAppToken(site, named.tid, app, form.get('scope') ?? '') }
  }
  const [code, token] = [form.get('code') ?? '', form.get('refresh_token') ?? '']
  if (grantType === 'authorization_code')
    return redeem(site, named?.tid, app, form, (provider) => provider.signInOfCode(code))
  if (grantType === 'refresh_token')
    return redeem(site, named?.tid, app, form, (provider) => provider.signInOf(token))
  throw new EntraError(70003)
}

function spendTokenError(world: World): void {
  const { tokenErrors } = world.switches
  if (!tokenErrors || tokenErrors.times === 0) return
  tokenErrors.times--
  throw new EntraError(tokenErrors.code)
}

type Finder = (provider: TenantProvider) => Promise<SignIn | undefined>

/** Redeems a code or a refresh token. */
async function redeem(
  site: Site,
  tid: string | undefined,
  app: AppRegistration,
  form: URLSearchParams,
  find: Finder,
): Promise<TokenAnswer> {
  const found = await findGrant(site, tid, find)
  if (!found) throw new EntraError(70000)
  checkGrant(site.world, app, found.signIn)
  return finish(site, found, await found.provider.token(app.clientId, form))
}

interface Found {
  provider: TenantProvider
  signIn: SignIn
}

async function findGrant(
  site: Site,
  tid: string | undefined,
  look: Finder,
): Promise<Found | undefined> {
  const providers = tid === undefined ? await site.providers() : [await site.provider(tid)]
  for (const provider of providers) {
    const signIn = await look(provider)
    if (signIn) return { provider, signIn }
  }
  return undefined
}

/** Checks the account, the application and the consent as they are since the sign-in. */
export function checkGrant(world: World, app: AppRegistration, signIn: SignIn): void {
  const { switches } = world
  if (signIn.clientId !== app.clientId) throw new EntraError(70000)
  const { addressPolicy: policy, signInFrequencySeconds: frequency } = switches
  if (policy?.answers === 'before_account') throw new EntraError(policy.code)
  const user = world.userById(signIn.tid, signIn.oid)
  if (!user || user.deleted) throw new EntraError(50034)
  if (switches.appMissingIn.includes(signIn.tid)) throw new EntraError(700016)
  if (switches.appDisabledIn.includes(signIn.tid)) throw new EntraError(7000112)
  if (!user.accountEnabled) throw new EntraError(50057)
  const chosen = switches.errorFor[user.upn] ?? switches.errorFor['*']
  if (chosen && chosen.at !== 'authorize') throw new EntraError(chosen.code)
  if (signIn.generation !== user.grantGeneration) throw new EntraError(50173)
  if (policy !== null) throw new EntraError(policy.code)
  if (frequency !== null && world.now() - signIn.authTime > frequency) throw new EntraError(70043)
  if (app.assignmentRequired && !user.assigned) throw new EntraError(50105)
  if (!hasConsent(world, app, user)) throw new EntraError(65001)
  const contextWantsMfa = signIn.acrs.some((context) => switches.boundContexts.includes(context))
  if (!signIn.mfa && (switches.requireMfa === 'everybody' || contextWantsMfa))
    throw new EntraError(user.mfa === 'none' ? 50079 : 50076)
}

function hasConsent(world: World, app: AppRegistration, user: User): boolean {
  const state = world.switches.consent[user.tid] ?? 'granted'
  return state === 'granted' || world.personalConsent.has(consentKey(user, app.clientId))
}

async function finish(
  site: Site,
  found: Found,
  answered: TokenAnswer & { detail: string },
): Promise<TokenAnswer> {
  const { body } = answered
  if (typeof body['error'] === 'string') throw translate(body, answered.detail)
  const { oid, tid } = found.signIn
  const home = site.world.userById(tid, oid)?.home ?? { oid, tid }
  const clientInfo = Buffer.from(JSON.stringify({ uid: home.oid, utid: home.tid })).toString(
    'base64url',
  )
  const { forge: how } = site.world.switches
  const idToken =
    typeof body['id_token'] === 'string' && how
      ? await forge(body['id_token'], how, found.provider.signingKey)
      : body['id_token']
  const seconds = Number(body['expires_in'])
  return {
    status: answered.status,
    body: {
      ...body,
      ...(idToken === undefined ? {} : { id_token: idToken }),
      expires_in: seconds,
      ext_expires_in: seconds,
      client_info: clientInfo,
    },
  }
}

/** Returns Entra's error for one of the provider, whose reason is only in `detail`. */
function translate(body: Record<string, unknown>, detail: string): EntraError {
  if (detail.includes('already consumed')) return new EntraError(54005)
  if (detail.includes('redirect_uri mismatch')) return new EntraError(500112)
  if (detail.includes('code_verifier')) return new EntraError(501481)
  switch (body['error']) {
    case 'invalid_grant':
      return new EntraError(70008)
    case 'invalid_client':
      return new EntraError(7000215)
    case 'invalid_scope':
      return new EntraError(70011)
    case 'unsupported_grant_type':
      return new EntraError(70003)
    case 'invalid_request':
      return new EntraError(
        90014,
        typeof body['error_description'] === 'string' ? body['error_description'] : '',
      )
    default:
      return new EntraError(90033)
  }
}
