import { Hono, type Context } from 'hono'
import { EntraError } from './aadsts.ts'
import type { Browser } from './browser.ts'
import {
  answerConsent,
  answerKmsi,
  chooseAccount,
  completeAs,
  enrol,
  giveEmail,
  givePassword,
  isAdministrator,
  newFlow,
  newMatching,
  nextStep,
  silentError,
  tapNumber,
  usePasskey,
  type Flow,
  type FlowRequest,
  type Step,
} from './flow.ts'
import {
  approvePage,
  choosePage,
  consentPage,
  emailPage,
  enrolPage,
  errorPage,
  kmsiPage,
  needAdminPage,
  passkeyPage,
  passwordPage,
} from './flow-pages.tsx'
import type { User } from './users.ts'
import { deny, succeed } from './respond.ts'
import { correlationOf, isForeign, type Site } from './site.ts'

/** `/authorize`, `/adminconsent` and the pages that lead to the answer. */

type Answer = Response | Promise<Response>

export function authorizeRoom(site: Site): Hono {
  const app = new Hono()
  app.get('/:tenant/oauth2/v2.0/authorize', (c) =>
    begin(c, site, new URL(c.req.url).searchParams, 'authorize'),
  )
  app.post('/:tenant/oauth2/v2.0/authorize', async (c) =>
    begin(c, site, new URLSearchParams(await c.req.text()), 'authorize'),
  )
  app.get('/:tenant/v2.0/adminconsent', (c) =>
    begin(c, site, new URL(c.req.url).searchParams, 'adminconsent'),
  )
  app.get('/:tenant/login', (c) => show(c, site))
  app.post('/:tenant/login', (c) => answer(c, site))
  return app
}

async function begin(
  c: Context,
  site: Site,
  parameters: URLSearchParams,
  kind: FlowRequest['kind'],
): Promise<Response> {
  const { world } = site
  const correlationId = correlationOf(c)
  const trouble = await site.trouble('authorize')
  if (trouble?.retryAfter) c.header('Retry-After', trouble.retryAfter)
  if (trouble) return errorPage(c, world, trouble.error, correlationId)
  const request = readRequest(site, c.req.param('tenant') ?? '', parameters, kind, correlationId)
  if (request instanceof EntraError) return errorPage(c, world, request, correlationId)
  const browser = site.browserOf(c)
  site.sendBrowser(c, browser)
  const flow = newFlow(world, browser, request)
  const wrong = requestError(parameters, request)
  if (wrong) return deny(c, site, flow, wrong)
  const automatic = browser.completesAs ?? autoUser(site, request)
  if (automatic) completeAs(world, browser, flow, automatic)
  const step = nextStep(world, browser, flow)
  if (step.step === 'done') return succeed(c, site, flow)
  const silent =
    flow.silent || (world.switches.errorsToApp && step.step === 'error')
      ? silentError(browser, step)
      : undefined
  if (silent) return deny(c, site, flow, silent)
  site.keepFlow(flow)
  return c.redirect(`/${c.req.param('tenant')}/login?flow=${flow.id}`)
}

function autoUser(site: Site, request: FlowRequest): User | undefined {
  const { world } = site
  if (world.auto === null) return undefined
  if (world.auto !== '*') return world.userOf(world.auto)
  return request.loginHint === undefined ? undefined : world.userOfHint(request.loginHint)
}

function readRequest(
  site: Site,
  tenant: string,
  parameters: URLSearchParams,
  kind: FlowRequest['kind'],
  correlationId: string,
): FlowRequest | EntraError {
  const { world } = site
  const named = world.tenant(tenant)
  const wide =
    tenant === 'organizations' ||
    (tenant === 'common' && kind === 'authorize') ||
    (tenant === 'consumers' && kind === 'authorize')
  if (!named && !wide) return new EntraError(90002, `Tenant '${tenant.slice(0, 60)}'.`)
  const app = world.apps.get(parameters.get('client_id') ?? '')
  if (!app) return new EntraError(700016)
  if (named && world.switches.appMissingIn.includes(named.tid)) return new EntraError(700016)
  if (named && world.switches.appDisabledIn.includes(named.tid)) return new EntraError(7000112)
  const redirectUri = parameters.get('redirect_uri') ?? ''
  if (!app.redirectUris.includes(redirectUri)) return new EntraError(50011)
  const maxAge = parameters.get('max_age')
  return {
    kind,
    tenant,
    app,
    redirectUri,
    correlationId,
    state: parameters.get('state') ?? undefined,
    scope: parameters.get('scope') ?? '',
    nonce: parameters.get('nonce') ?? undefined,
    codeChallenge: parameters.get('code_challenge') ?? undefined,
    codeChallengeMethod: parameters.get('code_challenge_method') ?? undefined,
    prompt: parameters.get('prompt') ?? undefined,
    loginHint: parameters.get('login_hint') ?? undefined,
    maxAge: maxAge !== null && /^\d+$/.test(maxAge) ? Number(maxAge) : undefined,
    contexts: contextsOf(parameters.get('claims')),
  }
}

/** Returns the errors that are sent to the redirect URI, which is known to be valid here. */
function requestError(parameters: URLSearchParams, request: FlowRequest): EntraError | undefined {
  if (request.kind === 'adminconsent') return undefined
  if (parameters.get('response_type') !== 'code') return new EntraError(700054)
  if (parameters.has('amr_values')) return new EntraError(901002)
  if (!request.scope.split(' ').includes('openid'))
    return new EntraError(70011, 'The scope has to hold openid.')
  if (
    request.prompt !== undefined &&
    !['login', 'none', 'consent', 'select_account', 'create'].includes(request.prompt)
  )
    return new EntraError(90014, 'Unsupported prompt.')
  return undefined
}

/**
 * Returns the contexts in `{"id_token":{"acrs":{"essential":true,"value":"c1"}}}`, or in `values`.
 */
function contextsOf(claims: string | null): string[] {
  try {
    const acrs = (
      JSON.parse(claims ?? '{}') as { id_token?: { acrs?: { value?: unknown; values?: unknown } } }
    ).id_token?.acrs
    const values = [acrs?.value, ...(Array.isArray(acrs?.values) ? (acrs.values as unknown[]) : [])]
    return values.filter(
      (value): value is string => typeof value === 'string' && /^c([1-9]|1\d|2[0-5])$/.test(value),
    )
  } catch {
    return []
  }
}

function flowOf(c: Context, site: Site): { flow: Flow; browser: Browser } | undefined {
  const flow = site.flows.get(c.req.query('flow') ?? '')
  const browser = site.browserOf(c)
  return flow && flow.browserId === browser.id ? { flow, browser } : undefined
}

const expired = (c: Context, site: Site): Answer =>
  errorPage(
    c,
    site.world,
    new EntraError(90014, 'This sign-in has expired: go back to the application and start again.'),
    correlationOf(c),
  )

function show(c: Context, site: Site): Answer {
  const found = flowOf(c, site)
  return found
    ? stepPage(c, site, found.browser, found.flow, nextStep(site.world, found.browser, found.flow))
    : expired(c, site)
}

function stepPage(c: Context, site: Site, browser: Browser, flow: Flow, step: Step): Answer {
  switch (step.step) {
    case 'choose':
      return choosePage(c, browser, flow)
    case 'email':
      return emailPage(c, browser, flow)
    case 'password':
      return passwordPage(c, flow)
    case 'passkey':
      return passkeyPage(c, flow)
    case 'approve':
      flow.matching ??= newMatching()
      return approvePage(c, flow)
    case 'enrol':
      return enrolPage(c, flow)
    case 'consent':
      return consentPage(c, site.world, flow, flow.user !== undefined && isAdministrator(flow.user))
    case 'kmsi':
      return kmsiPage(c, flow)
    case 'error':
      return step.page === 'needAdmin'
        ? needAdminPage(c, flow)
        : errorPage(c, site.world, step.error, flow.request.correlationId, true)
    case 'done':
      return succeed(c, site, flow)
  }
}

async function answer(c: Context, site: Site): Promise<Response> {
  if (isForeign(c, site.world.origin))
    return c.text('Only a form of this site may be sent here.', 403)
  const found = flowOf(c, site)
  if (!found) return expired(c, site)
  const { flow, browser } = found
  const form = new URLSearchParams(await c.req.text())
  const declined = take(site, browser, flow, form)
  flow.interactive = true
  if (browser.persistent) site.sendBrowser(c, browser)
  if (declined) return deny(c, site, flow, declined)
  const step = nextStep(site.world, browser, flow)
  if (step.step === 'done') return succeed(c, site, flow)
  if (step.step === 'error' && site.world.switches.errorsToApp)
    return deny(c, site, flow, step.error)
  return c.redirect(`/${c.req.param('tenant')}/login?flow=${flow.id}`, 303)
}

/**
 * Applies a form, only if its page is the one that is shown. Returns an error where the user
 * declined.
 */
function take(
  site: Site,
  browser: Browser,
  flow: Flow,
  form: URLSearchParams,
): EntraError | undefined {
  const { world } = site
  const { step } = nextStep(world, browser, flow)
  flow.problem = undefined
  const account = form.get('account')
  if (account === 'other' || account === 'list') {
    Object.assign(flow, {
      user: undefined,
      account: undefined,
      matching: undefined,
      useAnother: account === 'other',
      consented: false,
    })
    return undefined
  }
  if (step === 'choose' && account !== null) chooseAccount(world, browser, flow, account)
  else if (step === 'email') giveEmail(world, flow, form.get('loginfmt') ?? '')
  else if (step === 'password') givePassword(world, browser, flow, form.get('passwd') ?? '')
  else if (step === 'approve') tapNumber(world, flow, Number(form.get('number')))
  else if (step === 'passkey') {
    if (form.get('passkey') !== 'yes') return new EntraError(65004)
    usePasskey(world, flow)
  } else if (step === 'enrol') {
    if (form.get('enrol') !== 'yes') return new EntraError(50079)
    enrol(flow)
  } else if (step === 'consent') {
    if (form.get('consent') !== 'yes') return new EntraError(65004)
    answerConsent(world, flow, form.get('organisation') === 'yes')
  } else if (step === 'kmsi') answerKmsi(browser, flow, form.get('kmsi') === 'yes')
  else if (step === 'error' && form.get('consent') === 'no') return new EntraError(65004)
  return undefined
}
