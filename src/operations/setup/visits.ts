import { type Context, Hono } from 'hono'
import type { Deps } from '../deps.ts'
import { answerOfCallback, rejectionOf } from '../../microsoft/aadsts.ts'
import {
  type Administration,
  consentingRole,
  createAdministration,
  policyRole,
} from '../../microsoft/administration.ts'
import { enteredSince } from '../../microsoft/auth-time.ts'
import { type MicrosoftIdentity, MicrosoftRejection } from '../../microsoft/interface.ts'
import { pageErrors } from '../../pages/errors.tsx'
import { messagePage } from '../../pages/message.tsx'
import { inEnglish, speakEnglish } from '../../pages/texts.ts'
import { sha256 } from '../../runtime/compare.ts'
import { newSecret } from '../../runtime/ids.ts'
import { assertionAddress, assertionPage, assertProofOfOwn } from './assertion.tsx'
import { formLimit, formOf } from './form.ts'
import type { ProvesMfa } from './frame.tsx'
import { invitationPage, settle } from './invitation.tsx'
import {
  type SignInPurpose,
  open,
  type Outcome,
  seal,
  type Trial,
  type SealedPayloads,
} from './sign-in-purpose.ts'
import { bindBrowser, isBoundBrowser } from './visit-cookie.ts'

/**
 * Owns an administrator's visits to Microsoft from /setup. They use the public listener, whose
 * callback is the one registered at Microsoft. A visit opens no session and grants no right; only
 * the signed token counts, not the query. The outcome goes back to /setup.
 */
export function setupVisits(deps: Deps, proves: ProvesMfa): Hono {
  const administration = createAdministration({
    config: deps.config,
    connection: () => deps.connection.current(),
  })
  const endpoints = new Hono()
  endpoints.get('/signin/connect', inEnglish, (c) => invitationPage(deps, c, deps.clock.now()))
  endpoints.get('/signin/assert', inEnglish, (c) =>
    assertionPage({ deps, c, proves, now: deps.clock.now() }),
  )
  endpoints.post('/signin/assert', inEnglish, formLimit, async (c) =>
    assertProofOfOwn({ deps, c, proves, now: deps.clock.now() }, await formOf(c)),
  )
  endpoints.get('/signin/setup', inEnglish, (c) => leave(deps, administration, c, deps.clock.now()))
  // A callback whose visit did not begin at /setup belongs to an ordinary sign-in.
  endpoints.get(
    '/signin/callback',
    async (c, next) => (await setupCallback(deps, administration, c, deps.clock.now())) ?? next(),
  )
  endpoints.onError(
    pageErrors(deps, {
      title: 'Nothing was changed',
      what: 'The answer of Microsoft could not be written down.',
    }),
  )
  return endpoints
}

async function leave(
  deps: Deps,
  administration: Administration,
  c: Context,
  now: number,
): Promise<Response> {
  const opened = open(deps, 'purpose', c.req.query('request'), now)
  if (opened === undefined || opened.late) return stale(deps, c)
  const purpose = opened.value
  const [browser, nonce, verifier] = [
    newSecret(deps.random),
    newSecret(deps.random),
    newSecret(deps.random),
  ]
  const state = seal(
    deps,
    'visit',
    { purpose, nonce, verifier, browser: bindBrowser(c, browser), departedAt: now },
    now,
  )
  c.header('Cache-Control', 'no-store')
  c.header('Referrer-Policy', 'no-referrer')
  try {
    if (purpose.kind === 'consent')
      return c.redirect(administration.adminConsentUrl({ tid: purpose.tid, state }), 303)
    const url = await deps.microsoft.authorizeUrl({
      state,
      nonce,
      codeChallenge: sha256(verifier),
      prompt: purpose.asserts ? 'login' : 'select_account',
      authContext: contextOf(purpose),
      tid: purpose.tid,
    })
    return c.redirect(url, 303)
  } catch (error) {
    return bring(deps, administration, c, rejectedOutcome(purpose, error), now)
  }
}

const contextOf = ({ proof }: SignInPurpose): string | undefined =>
  /^auth_context:(c\d+)$/.exec(proof ?? '')?.[1]

/** Handles the callback. Undefined if its visit did not begin at /setup. */
async function setupCallback(
  deps: Deps,
  administration: Administration,
  c: Context,
  now: number,
): Promise<Response | undefined> {
  const query = new URL(c.req.url).searchParams
  const opened = open(deps, 'visit', query.get('state'), now)
  if (opened === undefined) return undefined
  speakEnglish(c)
  const { purpose, browser } = opened.value
  if (opened.late || !isBoundBrowser(c, browser)) return stale(deps, c)
  const once = {
    purpose: 'setup-visit',
    idHash: sha256(opened.value.nonce),
    expiresAt: opened.until + 60,
    now,
  }
  if (!(await deps.store.consumeOnce(once))) return stale(deps, c)
  const outcome =
    purpose.kind === 'consent'
      ? consentOutcome(purpose, query)
      : await trialOutcome(deps, opened.value, query, now)
  if (purpose.asserts && outcome.kind === 'trial')
    return c.redirect(assertionAddress(deps, { outcome, browser }, now), 303)
  return bring(deps, administration, c, outcome, now)
}

/**
 * Judges the return of a consent. An error counts first, because errors carry `admin_consent=True`
 * too. The query's tenant can be forged; the sealed state has the tenant that was asked.
 */
function consentOutcome(purpose: SignInPurpose, query: URLSearchParams): Outcome {
  const named = query.getAll('tenant')
  if (query.has('error'))
    return rejectedOutcome(purpose, rejectionOf(answerOfCallback(new Map(query))))
  if (named.length !== 1 || named[0]?.toLowerCase() !== purpose.tid)
    return { purpose, kind: 'rejected', guidance: 'another_account' }
  const granted = query.getAll('admin_consent')
  return granted.length === 1 && granted[0]?.toLowerCase() === 'true'
    ? { purpose, kind: 'consent' }
    : { purpose, kind: 'rejected', guidance: 'unknown' }
}

async function trialOutcome(
  deps: Deps,
  { purpose, nonce, verifier, departedAt }: SealedPayloads['visit'],
  query: URLSearchParams,
  now: number,
): Promise<Outcome> {
  try {
    const codes = query.getAll('code')
    const [code] = codes
    if (query.has('error') || code === undefined || codes.length > 1)
      throw rejectionOf(answerOfCallback(new Map(query)))
    const identity = await deps.microsoft.redeemCode({
      code,
      codeVerifier: verifier,
      nonce,
      tid: purpose.tid,
      now,
    })
    if (identity.user.tid !== purpose.tid)
      return { purpose, kind: 'rejected', guidance: 'another_account' }
    if (purpose.asserts && !enteredSince(identity, departedAt))
      return { purpose, kind: 'rejected', guidance: 'freshness_not_proved' }
    return { purpose, kind: 'trial', trial: trialOf(purpose, identity, now) }
  } catch (error) {
    return rejectedOutcome(purpose, error)
  }
}

const trialOf = (purpose: SignInPurpose, identity: MicrosoftIdentity, now: number): Trial => ({
  at: now,
  proof: purpose.proof,
  oid: identity.user.oid,
  who:
    [identity.user.name, identity.user.username].filter(Boolean).join(' · ') || identity.user.oid,
  acrs: identity.acrs.slice(0, 30),
  amr: identity.amr?.slice(0, 30),
  claims: {
    sid: identity.sid !== undefined,
    login_hint: identity.loginHint !== undefined,
    auth_time: identity.authTime !== undefined,
    email: identity.user.email !== undefined,
  },
  directoryRole: consentingRole(identity.directoryRoles),
  policyRole: policyRole(identity.directoryRoles),
  roles: identity.roles.slice(0, 30),
})

function rejectedOutcome(purpose: SignInPurpose, error: unknown): Outcome {
  if (error instanceof MicrosoftRejection)
    return { purpose, kind: 'rejected', guidance: error.guidance, code: error.code }
  throw error
}

async function bring(
  deps: Deps,
  administration: Administration,
  c: Context,
  outcome: Outcome,
  now: number,
): Promise<Response> {
  c.header('Cache-Control', 'no-store')
  c.header('Referrer-Policy', 'no-referrer')
  const { invitedUntil } = outcome.purpose
  if (invitedUntil !== undefined)
    return c.redirect(await settle(deps, administration, outcome, invitedUntil, now), 303)
  return c.redirect(
    `${deps.config.opsOrigin}/setup/returned?${new URLSearchParams({ outcome: seal(deps, 'outcome', outcome, now) })}`,
    303,
  )
}

const stale = (deps: Deps, c: Context): Response =>
  messagePage(c, {
    title: 'This step cannot be continued',
    status: 400,
    what: 'It was begun in another browser, took too long, or was finished already. Nothing was changed.',
    next: 'Go back to /setup at the operators’ address of this broker, and start the step again from there.',
    config: deps.config,
  })
