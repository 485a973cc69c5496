import { randomInt, randomUUID } from 'node:crypto'
import { EntraError } from './aadsts.ts'
import {
  accountOf,
  isLive,
  liveAccounts,
  signInAccount,
  type Account,
  type Browser,
} from './browser.ts'
import { GLOBAL_ADMINISTRATOR, PERSONAL, type AppRegistration, type User } from './users.ts'
import type { World } from './world.ts'

/**
 * One sign-in through Microsoft's pages: the request, what the user has proved, and the next step.
 * The rules are here; pages only ask.
 */

export interface FlowRequest {
  kind: 'authorize' | 'adminconsent'
  /** The tenant in the path: an id, a domain, or `organizations`. */
  tenant: string
  app: AppRegistration
  redirectUri: string
  state: string | undefined
  scope: string
  nonce: string | undefined
  codeChallenge: string | undefined
  codeChallengeMethod: string | undefined
  prompt: string | undefined
  loginHint: string | undefined
  maxAge: number | undefined
  /** The authentication contexts that the claims parameter demands. */
  contexts: string[]
  correlationId: string
}

export interface Flow {
  id: string
  browserId: string
  request: FlowRequest
  /** True if no page may be shown: `prompt=none`, or auto mode. */
  silent: boolean
  user: User | undefined
  account: Account | undefined
  useAnother: boolean
  consented: boolean
  kmsiAsked: boolean
  /** True if at least one page was answered. */
  interactive: boolean
  matching: { shown: number; offered: number[] } | undefined
  /** The error message on the page. */
  problem: string | undefined
}

export type Step =
  | { step: 'choose' | 'email' | 'password' | 'passkey' | 'approve' | 'enrol' }
  | { step: 'consent' | 'kmsi' | 'done' }
  | { step: 'error'; error: EntraError; page: 'needAdmin' | 'plain' }

export function newFlow(world: World, browser: Browser, request: FlowRequest): Flow {
  const flow: Flow = {
    id: randomUUID(),
    browserId: browser.id,
    request,
    silent: request.prompt === 'none',
    user: undefined,
    account: undefined,
    useAnother: false,
    consented: false,
    kmsiAsked: false,
    interactive: false,
    matching: undefined,
    problem: undefined,
  }
  const prompt = request.prompt
  if (prompt === 'select_account') return flow
  const hinted = request.loginHint === undefined ? undefined : world.userOfHint(request.loginHint)
  if (prompt === 'login' && !answersSilently(world, hinted)) {
    flow.user = hinted
    return flow
  }
  const live = liveAccounts(browser).filter((account) => mayUse(world, request, account.user))
  const account =
    request.loginHint === undefined
      ? live.length === 1
        ? live[0]
        : undefined
      : live.find((candidate) => candidate.user === hinted)
  flow.user = account?.user ?? hinted
  if (account && isFresh(world, request, account)) flow.account = account
  return flow
}

function isFresh(world: World, { maxAge = Infinity }: FlowRequest, account: Account): boolean {
  const { ignoreMaxAge, signInFrequencySeconds } = world.switches
  const oldest = Math.min(ignoreMaxAge ? Infinity : maxAge, signInFrequencySeconds ?? Infinity)
  return world.now() - account.authTime <= oldest
}

/**
 * Returns whether the user's federated domain signs in without a page, because its identity
 * provider has its own single sign-on.
 */
const answersSilently = ({ switches }: World, user: User | undefined): boolean =>
  user !== undefined && switches.silentDomains.some((domain) => user.upn.endsWith(`@${domain}`))

/** Returns whether this authority accepts users of that tenant. */
function mayUse(world: World, request: FlowRequest, user: User): boolean {
  const tenant = world.tenant(request.tenant)
  if (tenant) return tenant.tid === user.tid
  return user.tid !== PERSONAL.tid || request.tenant === 'common' || world.switches.personalAccounts
}

/** Completes the sign-in as that user, with every proof that the user can give. */
export function completeAs(world: World, browser: Browser, flow: Flow, user: User): void {
  flow.silent = true
  flow.user = user
  flow.account = signInAccount(browser, user, world.now())
  flow.account.kmsi = world.switches.kmsiDefault ? true : undefined
  if (user.mfa === 'authenticator') usePasskey(world, flow)
  flow.kmsiAsked = true
  flow.consented = true
}

export function nextStep(world: World, browser: Browser, flow: Flow): Step {
  const { user, account, request } = flow
  if (!user) {
    if (browser.accounts.length > 0 && !flow.useAnother) return { step: 'choose' }
    return { step: 'email' }
  }
  const stranger = strangerError(world, request, user)
  if (stranger) return failed(stranger)
  if (!account) return { step: 'password' }
  const rejection = accountError(world, user)
  if (rejection) return failed(rejection)
  if (needsPasskey(world, request, user) && user.mfa !== 'none' && account.passkeyAt === undefined)
    return { step: 'passkey' }
  if (needsMfa(world, request, user) && account.mfaAt === undefined)
    return user.mfa === 'none' ? { step: 'enrol' } : { step: 'approve' }
  if (request.kind === 'authorize' && request.app.assignmentRequired && !user.assigned)
    return failed(new EntraError(50105))
  return (
    consentStep(world, flow, user) ??
    (askKmsi(world, flow, account) ? { step: 'kmsi' } : { step: 'done' })
  )
}

const failed = (error: EntraError, page: 'needAdmin' | 'plain' = 'plain'): Step => ({
  step: 'error',
  error,
  page,
})

function strangerError(world: World, request: FlowRequest, user: User): EntraError | undefined {
  if (user.deleted) return new EntraError(50034)
  return mayUse(world, request, user) ? undefined : new EntraError(50020)
}

function accountError(world: World, user: User): EntraError | undefined {
  const { switches } = world
  if (!user.accountEnabled) return new EntraError(50057)
  if (switches.appMissingIn.includes(user.tid)) return new EntraError(700016)
  if (switches.appDisabledIn.includes(user.tid)) return new EntraError(7000112)
  const chosen = switches.errorFor[user.upn] ?? switches.errorFor['*']
  return chosen && chosen.at !== 'token' ? new EntraError(chosen.code) : undefined
}

function needsMfa(world: World, request: FlowRequest, user: User): boolean {
  const { requireMfa, boundContexts } = world.switches
  if (needsPasskey(world, request, user)) return true
  if (requireMfa === 'everybody' || (requireMfa === 'registered' && user.mfa === 'authenticator'))
    return true
  return request.contexts.some((context) => boundContexts.includes(context))
}

/** Returns whether the request names a context that needs a phishing-resistant proof there. */
const needsPasskey = ({ switches }: World, { contexts }: FlowRequest, { tid }: User): boolean =>
  contexts.some((context) => switches.strongContexts[tid]?.includes(context))

/** Uses the user's passkey, a second factor that no other site can ask for. */
export function usePasskey(world: World, { account }: Flow): void {
  if (account) account.passkeyAt = account.mfaAt = world.now()
}

function askKmsi(world: World, flow: Flow, account: Account): boolean {
  return (
    flow.request.kind === 'authorize' &&
    flow.interactive &&
    world.switches.kmsiPrompt &&
    !flow.kmsiAsked &&
    account.kmsi === undefined
  )
}

export const isAdministrator = (user: User): boolean => user.wids.includes(GLOBAL_ADMINISTRATOR)
export const consentKey = (user: User, clientId: string): string =>
  `${user.tid}/${user.oid}/${clientId}`

function consentStep(world: World, flow: Flow, user: User): Step | undefined {
  const { request } = flow
  if (request.kind === 'adminconsent') {
    if (!isAdministrator(user)) return failed(new EntraError(90094), 'needAdmin')
    return flow.consented ? undefined : { step: 'consent' }
  }
  const state = world.switches.consent[user.tid] ?? 'granted'
  const already =
    state === 'granted' || world.personalConsent.has(consentKey(user, request.app.clientId))
  if (already && request.prompt !== 'consent') return undefined
  if (state === 'admin' && !isAdministrator(user)) return failed(new EntraError(90094), 'needAdmin')
  return flow.consented ? undefined : { step: 'consent' }
}

/** Returns the error that replaces a page which may not be shown. */
export function silentError(browser: Browser, step: Step): EntraError | undefined {
  switch (step.step) {
    case 'done':
      return undefined
    case 'error':
      return step.error
    case 'choose':
      return liveAccounts(browser).length > 1 ? new EntraError(16000) : new EntraError(50058)
    case 'email':
    case 'password':
      return new EntraError(50058)
    case 'passkey':
    case 'approve':
      return new EntraError(50076)
    case 'enrol':
      return new EntraError(50079)
    case 'consent':
      return new EntraError(65001)
    case 'kmsi':
      return undefined
  }
}

/** Returns a number of two digits to match on the phone, among three. */
export function newMatching(): { shown: number; offered: number[] } {
  const numbers = new Set<number>()
  while (numbers.size < 3) numbers.add(randomInt(10, 100))
  const [shown, ...others] = [...numbers] as [number, number, number]
  const offered = [...others]
  offered.splice(randomInt(3), 0, shown)
  return { shown, offered }
}

export function chooseAccount(world: World, browser: Browser, flow: Flow, upn: string): void {
  const user = world.userOf(upn)
  const account = user && accountOf(browser, user)
  if (!account) return
  flow.user = account.user
  if (
    isLive(account) &&
    (flow.request.prompt !== 'login' || answersSilently(world, user)) &&
    isFresh(world, flow.request, account)
  )
    flow.account = account
}

export function giveEmail(world: World, flow: Flow, upn: string): void {
  const user = world.userOf(upn)
  if (!user || user.deleted) {
    flow.problem =
      "We couldn't find an account with that username. Try another, or contact your organization's administrator."
  } else if (user.tid === PERSONAL.tid && !mayUse(world, flow.request, user)) {
    flow.problem =
      "You can't sign in here with a personal account. Use your work or school account instead."
  } else flow.user = user
}

export function givePassword(world: World, browser: Browser, flow: Flow, password: string): void {
  if (!flow.user) return
  if (password !== flow.user.password) {
    flow.problem =
      "Your account or password is incorrect. If you don't remember your password, ask the user who runs this demonstration."
    return
  }
  flow.account = signInAccount(browser, flow.user, world.now(), world.switches.rememberMfa)
}

export function tapNumber(world: World, flow: Flow, tapped: number): void {
  const right = flow.matching?.shown === tapped
  flow.matching = undefined
  if (right && flow.account) flow.account.mfaAt = world.now()
  else
    flow.problem = Number.isNaN(tapped)
      ? 'You said that it was not you, so you are not signed in. A new request was sent to the phone.'
      : 'That was not the number. A new request was sent to the phone.'
}

/** Sets up the authenticator, as the user does on Microsoft's own page. */
export function enrol(flow: Flow): void {
  if (flow.user) flow.user.mfa = 'authenticator'
}

export function answerConsent(world: World, flow: Flow, forOrganisation: boolean): void {
  const { user, request } = flow
  if (!user) return
  flow.consented = true
  if (request.kind === 'adminconsent' || (forOrganisation && isAdministrator(user)))
    world.switches.consent[user.tid] = 'granted'
  else world.personalConsent.add(consentKey(user, request.app.clientId))
}

export function answerKmsi(browser: Browser, flow: Flow, yes: boolean): void {
  flow.kmsiAsked = true
  if (!flow.account) return
  flow.account.kmsi = yes
  if (yes) browser.persistent = true
}
