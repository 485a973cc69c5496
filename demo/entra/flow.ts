import { randomInt, randomUUID } from 'node:crypto'
import { EntraError } from './aadsts.ts'
import { accountOf, isLive, liveAccounts, signInAccount, type Account, type Browser } from './browser.ts'
import { GLOBAL_ADMINISTRATOR, PERSONAL, type AppRegistration, type Person } from './people.ts'
import type { World } from './world.ts'

/** One way through Microsoft's pages: what was asked, what the person has proved, and what comes next. It decides; pages only ask. */

export interface FlowRequest {
  kind: 'authorize' | 'adminconsent'
  /** As in the path: an id, a domain, `organizations`. */
  tenant: string
  app: AppRegistration
  redirectUri: string
  responseMode: 'query' | 'fragment' | 'form_post'
  state: string | undefined
  scope: string
  nonce: string | undefined
  codeChallenge: string | undefined
  codeChallengeMethod: string | undefined
  prompt: string | undefined
  loginHint: string | undefined
  maxAge: number | undefined
  /** Authentication contexts asked for by the claims parameter. */
  contexts: string[]
  correlationId: string
}

export interface Flow {
  id: string
  browserId: string
  request: FlowRequest
  /** No page may be shown: `prompt=none`, or auto mode. */
  silent: boolean
  person: Person | undefined
  account: Account | undefined
  useAnother: boolean
  consented: boolean
  kmsiAsked: boolean
  /** At least one page was answered. */
  interactive: boolean
  matching: { shown: number; offered: number[] } | undefined
  /** What the page says went wrong. */
  problem: string | undefined
}

export type Step =
  | { step: 'choose' | 'email' | 'password' | 'approve' | 'enrol' | 'consent' | 'kmsi' | 'done' }
  | { step: 'error'; error: EntraError; page: 'needAdmin' | 'plain' }

export function newFlow(world: World, browser: Browser, request: FlowRequest): Flow {
  const flow: Flow = {
    id: randomUUID(),
    browserId: browser.id,
    request,
    silent: request.prompt === 'none',
    person: undefined,
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
  const hinted = request.loginHint === undefined ? undefined : world.personOfHint(request.loginHint)
  if (prompt === 'login') {
    flow.person = hinted
    return flow
  }
  const live = liveAccounts(browser).filter((account) => mayUse(world, request, account.person))
  const account = request.loginHint === undefined ? (live.length === 1 ? live[0] : undefined) : live.find((one) => one.person === hinted)
  flow.person = account?.person ?? hinted
  if (account && isFresh(world, request, account)) flow.account = account
  return flow
}

const isFresh = (world: World, request: FlowRequest, account: Account): boolean =>
  request.maxAge === undefined || world.now() - account.authTime <= request.maxAge

/** Whether this authority takes people of that tenant. */
function mayUse(world: World, request: FlowRequest, person: Person): boolean {
  const tenant = world.tenant(request.tenant)
  if (tenant) return tenant.tid === person.tid
  return person.tid !== PERSONAL.tid || request.tenant === 'common' || world.switches.personalAccounts
}

/** Completes it as that person, everything proved that the person is able to prove. */
export function completeAs(world: World, browser: Browser, flow: Flow, person: Person): void {
  flow.silent = true
  flow.person = person
  flow.account = signInAccount(browser, person, world.now())
  flow.account.kmsi = world.switches.kmsiDefault ? true : undefined
  if (person.mfa === 'authenticator') flow.account.mfaAt = world.now()
  flow.kmsiAsked = true
  flow.consented = true
}

export function nextStep(world: World, browser: Browser, flow: Flow): Step {
  const { person, account, request } = flow
  if (!person) {
    if (browser.accounts.length > 0 && !flow.useAnother) return { step: 'choose' }
    return { step: 'email' }
  }
  const stranger = strangerError(world, request, person)
  if (stranger) return failed(stranger)
  if (!account) return { step: 'password' }
  const refusal = accountError(world, person)
  if (refusal) return failed(refusal)
  if (needsMfa(world, request, person) && account.mfaAt === undefined) return person.mfa === 'none' ? { step: 'enrol' } : { step: 'approve' }
  if (request.kind === 'authorize' && request.app.assignmentRequired && !person.assigned) return failed(new EntraError(50105))
  return consentStep(world, flow, person) ?? (askKmsi(world, flow, account) ? { step: 'kmsi' } : { step: 'done' })
}

const failed = (error: EntraError, page: 'needAdmin' | 'plain' = 'plain'): Step => ({ step: 'error', error, page })

function strangerError(world: World, request: FlowRequest, person: Person): EntraError | undefined {
  if (person.deleted) return new EntraError(50034)
  return mayUse(world, request, person) ? undefined : new EntraError(50020)
}

function accountError(world: World, person: Person): EntraError | undefined {
  const { switches } = world
  if (!person.accountEnabled) return new EntraError(50057)
  if (switches.appMissingIn.includes(person.tid)) return new EntraError(700016)
  if (switches.appDisabledIn.includes(person.tid)) return new EntraError(7000112)
  const chosen = switches.errorFor[person.upn] ?? switches.errorFor['*']
  return chosen && chosen.at !== 'token' ? new EntraError(chosen.code) : undefined
}

function needsMfa(world: World, request: FlowRequest, person: Person): boolean {
  const { requireMfa, boundContexts } = world.switches
  if (requireMfa === 'everybody' || (requireMfa === 'registered' && person.mfa === 'authenticator')) return true
  return request.contexts.some((context) => boundContexts.includes(context))
}

function askKmsi(world: World, flow: Flow, account: Account): boolean {
  return flow.request.kind === 'authorize' && flow.interactive && world.switches.kmsiPrompt && !flow.kmsiAsked && account.kmsi === undefined
}

export const isAdministrator = (person: Person): boolean => person.wids.includes(GLOBAL_ADMINISTRATOR)
export const consentKey = (person: Person, clientId: string): string => `${person.tid}/${person.oid}/${clientId}`

function consentStep(world: World, flow: Flow, person: Person): Step | undefined {
  const { request } = flow
  if (request.kind === 'adminconsent') {
    if (!isAdministrator(person)) return failed(new EntraError(90094), 'needAdmin')
    return flow.consented ? undefined : { step: 'consent' }
  }
  const state = world.switches.consent[person.tid] ?? 'granted'
  const already = state === 'granted' || world.personalConsent.has(consentKey(person, request.app.clientId))
  if (already && request.prompt !== 'consent') return undefined
  if (state === 'admin' && !isAdministrator(person)) return failed(new EntraError(90094), 'needAdmin')
  return flow.consented ? undefined : { step: 'consent' }
}

/** What a page that may not be shown becomes. */
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

/** Two digits to be matched on the phone, among three. */
export function newMatching(): { shown: number; offered: number[] } {
  const numbers = new Set<number>()
  while (numbers.size < 3) numbers.add(randomInt(10, 100))
  const [shown, ...others] = [...numbers] as [number, number, number]
  const offered = [...others]
  offered.splice(randomInt(3), 0, shown)
  return { shown, offered }
}

// --- what a person answers -------------------------------------------------

export function chooseAccount(world: World, browser: Browser, flow: Flow, upn: string): void {
  const person = world.personOf(upn)
  const account = person && accountOf(browser, person)
  if (!account) return
  flow.person = account.person
  if (isLive(account) && flow.request.prompt !== 'login' && isFresh(world, flow.request, account)) flow.account = account
}

export function giveEmail(world: World, flow: Flow, upn: string): void {
  const person = world.personOf(upn)
  if (!person || person.deleted) {
    flow.problem = "We couldn't find an account with that username. Try another, or get in touch with your organisation's administrator."
  } else if (person.tid === PERSONAL.tid && !mayUse(world, flow.request, person)) {
    flow.problem = "You can't sign in here with a personal account. Use your work or school account instead."
  } else flow.person = person
}

export function givePassword(world: World, browser: Browser, flow: Flow, password: string): void {
  if (!flow.person) return
  if (password !== flow.person.password) {
    flow.problem = "Your account or password is incorrect. If you don't remember your password, ask the person who runs this demonstration."
    return
  }
  flow.account = signInAccount(browser, flow.person, world.now())
}

export function tapNumber(world: World, flow: Flow, tapped: number): void {
  const right = flow.matching?.shown === tapped
  flow.matching = undefined
  if (right && flow.account) flow.account.mfaAt = world.now()
  else flow.problem = 'That was not the number. A new request was sent to the phone.'
}

/** The person sets the authenticator up, on Microsoft's own page. */
export function enrol(flow: Flow): void {
  if (flow.person) flow.person.mfa = 'authenticator'
}

export function answerConsent(world: World, flow: Flow, forOrganisation: boolean): void {
  const { person, request } = flow
  if (!person) return
  flow.consented = true
  if (request.kind === 'adminconsent' || (forOrganisation && isAdministrator(person))) world.switches.consent[person.tid] = 'granted'
  else world.personalConsent.add(consentKey(person, request.app.clientId))
}

export function answerKmsi(browser: Browser, flow: Flow, yes: boolean): void {
  flow.kmsiAsked = true
  if (!flow.account) return
  flow.account.kmsi = yes
  if (yes) browser.persistent = true
}
