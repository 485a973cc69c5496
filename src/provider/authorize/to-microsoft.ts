import type { Context } from 'hono'
import type { Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { MicrosoftRefusal, type StartSignIn } from '../../microsoft/interface.ts'
import { freshContextOf } from '../../protocol/fresh-context.ts'
import { sha256 } from '../../runtime/compare.ts'
import { newId, newSecret } from '../../runtime/ids.ts'
import { mustChooseAccount } from '../../clients/session/chooser.ts'
import { currentStanding, endedElsewhere } from '../../clients/session/current.ts'
import { freshProof, provenBefore } from '../../clients/session/fresh-proof.ts'
import { isKnownDevice, knownUser } from '../../clients/session/known-user.ts'
import { lowest } from '../../clients/session/lifetimes.ts'
import { openFromSession } from '../../clients/session/sealed.ts'
import { mfaPolicy } from './mfa.ts'
import { guidancePage } from './pages.tsx'
import { authenticationLimit } from './re-entry.ts'
import { clientOf } from './request.ts'
import { type Demand, type Errand, seal, type Visit } from './sealed.ts'
import { wantsFresh } from './session-serves.ts'

/** Sends the browser to Microsoft, with all that its return will be held against sealed in `state`. */

type Ask = Pick<StartSignIn, 'prompt' | 'loginHint' | 'maxAgeSeconds' | 'authContext' | 'claims' | 'tid'>

interface Start {
  /** The user asked for the account chooser. */
  another: boolean
  /** The computer is shared: who used it before may still be signed in at Microsoft. */
  shared: boolean
  now: number
}

/** The first time. */
export async function visitMicrosoft(deps: Deps, c: Context, errand: Errand, { another, shared, now }: Start): Promise<Response> {
  const fresh = errand.kind === 'instance' ? wantsFresh(errand.request) : errand.fresh === true
  // Asked at once for what the sign-in would be rejected without.
  const owed = await owedBy(deps, c, now)
  // Another account may be of another tenant.
  const context = another ? undefined : owed.context
  const ask = await whatToAsk(deps, c, errand, now, { login: fresh || owed.login || shared, another, context })
  return leave(
    deps,
    c,
    newVisit(deps, { errand, startedAt: now, fresh, tid: ask.tid, authContext: ask.authContext, shared: shared || undefined }),
    ask,
    now,
  )
}

/** As far as this browser's cookies say who comes: nothing rests on it, because the store judges who has come. */
async function owedBy(deps: Deps, c: Context, now: number): Promise<{ login: boolean; context?: string | undefined }> {
  const user = knownUser(deps, c, now)
  if (user !== undefined) {
    const context = freshContextOf(deps.config.freshContext, user.tid)
    const demand = await deps.store.owesFreshSignIn({ user, ...freshProof(provenBefore(deps, c, user), context), now })
    if (demand !== undefined) return { login: true, context: demand === 'fresh_context' ? context : undefined }
  }
  return { login: endedElsewhere(await currentStanding(deps, c, now)) }
}

/** Again, for proof that the visits before did not bring. A user who was just there needs no account chooser. */
export async function visitAgain(deps: Deps, c: Context, visit: Visit, demand: Demand, more: Ask, now: number): Promise<Response> {
  const { errand, startedAt, fresh, login, earlier, shared } = visit
  const mustEnter = demand === 'fresh' || demand === 'fresh_context'
  const ask: Ask = { tid: visit.tid, authContext: visit.authContext, ...more, ...(mustEnter && { prompt: 'login' }) }
  const asked = [...(visit.asked ?? []), demand]
  return leave(
    deps,
    c,
    newVisit(deps, { errand, startedAt, fresh, login, earlier, shared, tid: ask.tid, authContext: ask.authContext, asked }),
    ask,
    now,
  )
}

const newVisit = (deps: Pick<Deps, 'random'>, about: Omit<Visit, 'id' | 'nonce' | 'verifier'>): Visit => ({
  id: newId(deps.random),
  nonce: newSecret(deps.random),
  verifier: newSecret(deps.random),
  ...about,
})

async function leave(deps: Deps, c: Context, began: Visit, ask: Ask, now: number): Promise<Response> {
  // Read before the browser leaves: a revocation from here on is later than the departure.
  const visit = ask.prompt === 'login' ? { ...began, login: { at: now, seq: (await deps.store.head()).seq } } : began
  try {
    const codeChallenge = sha256(visit.verifier)
    const url = await deps.microsoft.authorizeUrl({ ...ask, state: seal(deps, c, 'visit', visit, now), nonce: visit.nonce, codeChallenge })
    const who = knownUser(deps, c, now)
    if (who !== undefined) deps.signInWatch.began(who)
    c.header('Cache-Control', 'no-store')
    // The address of this page holds a sealed request: Microsoft need not see it.
    c.header('Referrer-Policy', 'no-referrer')
    return c.redirect(url, 303)
  } catch (error) {
    if (!(error instanceof MicrosoftRefusal)) throw error
    deps.metrics.signIns.inc({ outcome: error.guidance })
    return guidancePage(deps, c, { key: error.guidance, errand: visit.errand, now, code: error.code, cause: error.cause })
  }
}

async function whatToAsk(
  deps: Deps,
  c: Context,
  errand: Errand,
  now: number,
  { login, another, context }: { login: boolean; another: boolean; context: string | undefined },
): Promise<Ask> {
  const tid = onlyTenant(deps, errand)
  const tenant = tid === undefined ? undefined : await deps.store.findTenant(tid)
  const policy = mfaPolicy(deps.config, tenant)
  const authContext = context ?? (policy?.kind === 'auth_context' ? policy.id : undefined)
  const request = errand.kind === 'instance' ? errand.request : undefined
  // The user asks for it, has signed out, or the instance wants it: stronger than a hint, which does not go with it.
  const chooses = another || mustChooseAccount(c) || request?.prompt.includes('select_account') === true
  const loginHint = chooses ? undefined : await hintFor(deps, c, errand, now)
  const maxAgeSeconds = lowest(request?.maxAgeSeconds, authenticationLimit(deps, errand, tenant))
  // Where no authentication context can be asked for, entering the credentials again is how Entra comes to ask for a second factor.
  if (login || (request?.acr && authContext === undefined)) return { prompt: 'login', loginHint, maxAgeSeconds, authContext, tid }
  return { ...(loginHint === undefined ? { prompt: 'select_account' } : { loginHint }), maxAgeSeconds, authContext, tid }
}

/** An instance for one tenant's users gets that tenant's sign-in page. */
function onlyTenant(deps: Pick<Deps, 'clients'>, errand: Errand): string | undefined {
  const tenants = errand.kind === 'instance' ? clientOf(deps, errand.request).metadata.tenants : undefined
  return tenants?.length === 1 ? tenants[0] : undefined
}

/** Whom to expect: by the instance's word, else whom the request names, else, for a step-up, who is signed in here. */
async function hintFor(deps: Deps, c: Context, errand: Errand, now: number): Promise<string | undefined> {
  if (errand.kind === 'own') return errand.fresh === true ? whoIsHere(deps, c, now) : undefined
  const { request } = errand
  if (request.loginHint !== undefined) return request.loginHint
  if (request.sub !== undefined) return nameOfKnown(deps, c, request.sub, now)
  if (!wantsFresh(request) && !request.acr) return undefined
  return whoIsHere(deps, c, now)
}

/**
 * The hint is in an address that the browser shows, and any site can make up a request: the name goes only to a browser in which this user has
 * signed in before. Otherwise each `sub` could be turned into the name of its user.
 */
async function nameOfKnown(deps: Deps, c: Context, sub: string, now: number): Promise<string | undefined> {
  const standing = await currentStanding(deps, c, now)
  if (standing.state !== 'unknown' && standing.session.sub === sub) return standing.session.user.username
  const user = await deps.store.findSubject(sub)
  return user !== undefined && isKnownDevice(deps, c, user, now) ? user.username : undefined
}

async function whoIsHere(deps: Deps, c: Context, now: number): Promise<string | undefined> {
  const standing = await currentStanding(deps, c, now)
  return standing.state === 'live' || standing.state === 'marked' ? hintOf(deps, standing.session) : undefined
}

const hintOf = (deps: Pick<Deps, 'sealer'>, { user, loginHintSealed }: Session): string | undefined =>
  openFromSession(deps.sealer, 'login_hint', user, loginHintSealed) ?? user.username
