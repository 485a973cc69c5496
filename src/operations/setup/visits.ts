import { type Context, Hono } from 'hono'
import type { Deps } from '../deps.ts'
import { answerOfCallback, rejectionOf } from '../../microsoft/aadsts.ts'
import { adminConsentUrl, consentingRole, policyRole } from '../../microsoft/administration.ts'
import { enteredSince } from '../../microsoft/auth-time.ts'
import { type MicrosoftIdentity, MicrosoftRejection } from '../../microsoft/interface.ts'
import { consentSetting, keepTrial } from '../../microsoft/tenants.ts'
import { openSealed, sealUntil } from '../../keys/sealed-in-browser.ts'
import { pageErrors } from '../../pages/errors.tsx'
import { inEnglish, speakEnglish } from '../../pages/texts.ts'
import { contextFor, parseMfaProof } from '../../protocol/mfa-proof.ts'
import { ACR_PHISHING_RESISTANT } from '../../protocol/strength.ts'
import { sha256 } from '../../runtime/compare.ts'
import { newSecret } from '../../runtime/ids.ts'
import { type Administrator, assertionAddress, assertionPage } from './assertion.tsx'
import { formLimit, formOf } from './form.ts'
import { asTenant, recordStep } from './frame.tsx'
import {
  consentsAtMicrosoft,
  invited,
  tenantsAddress,
  tenantsPage,
  tooLate,
} from './invitation.tsx'
import { proofToAssert, type Seen, seenOf } from './seen.ts'
import {
  bindBrowser,
  isBoundBrowser,
  type ProvesMfa,
  STEPS,
  type AdministratorLogin,
  type Visiting,
} from './visit.ts'
import { NOT_WRITTEN } from './texts/frame.ts'

/**
 * Owns the tenant's page and its visits to Microsoft. They are on the public listener, whose
 * callback is registered at Microsoft, and which administrators of other tenants reach too. Only the
 * signed token counts, not the query.
 */

const PLACE = 'setup/visit'
const SECONDS = 900

export function setupVisits(deps: Deps, proves: ProvesMfa): Hono {
  const visiting = (c: Context): Visiting => ({ deps, c, proves, now: deps.clock.now() })
  const endpoints = new Hono()
  endpoints.get('/signin/connect', inEnglish, (c) => tenantsPage(visiting(c)))
  endpoints.get('/signin/setup', inEnglish, (c) => leave(visiting(c)))
  endpoints.get('/signin/assert', inEnglish, (c) =>
    assertionPage(visiting(c), c.req.query('assertion')),
  )
  endpoints.post('/signin/assert', inEnglish, formLimit, async (c) => {
    const form = await formOf(c)
    return assertionPage(visiting(c), form.get('assertion') ?? undefined, form)
  })
  // A callback whose visit did not begin at the tenant's page belongs to an ordinary sign-in.
  endpoints.get('/signin/callback', async (c, next) => (await returned(visiting(c))) ?? next())
  endpoints.onError(pageErrors(deps, NOT_WRITTEN.answer))
  return endpoints
}

async function leave(visiting: Visiting): Promise<Response> {
  const { deps, c, now } = visiting
  const invitation = c.req.query('invitation') ?? ''
  const seen = await invited(visiting, invitation)
  if (seen === undefined) return tooLate(visiting)
  const step = STEPS.find((candidate) => candidate === c.req.query('step'))
  const proof = step === 'assert' ? proofToAssert(seen) : undefined
  if (step === undefined || (step === 'assert' && proof === undefined))
    return c.redirect(tenantsAddress(deps.config, invitation), 303)
  const visit: AdministratorLogin = {
    invitation,
    tid: seen.row.tid,
    step,
    proof,
    nonce: newSecret(deps.random),
    verifier: newSecret(deps.random),
    browser: bindBrowser(c, newSecret(deps.random)),
    departedAt: now,
  }
  return answering(visiting, visit, () => addressAtMicrosoft(visiting, visit))
}

async function addressAtMicrosoft(
  { deps, now }: Visiting,
  visit: AdministratorLogin,
): Promise<string> {
  const { tid, step, proof, nonce, verifier } = visit
  const state = sealUntil(deps.sealer, PLACE, visit, now + SECONDS)
  if (step === 'consent')
    return adminConsentUrl(deps.config, deps.connection.current(), { tid, state })
  return deps.microsoft.authorizeUrl({
    state,
    nonce,
    codeChallenge: sha256(verifier),
    prompt: step === 'assert' ? 'login' : 'select_account',
    authContext: contextFor(parseMfaProof(proof ?? ''), ACR_PHISHING_RESISTANT),
    tid,
  })
}

/** Redirects to the next address. A rejection by Microsoft leads to the tenant's page. */
async function answering(
  { deps, c }: Visiting,
  { invitation, tid, step }: AdministratorLogin,
  next: () => Promise<string>,
): Promise<Response> {
  c.header('Cache-Control', 'no-store')
  c.header('Referrer-Policy', 'no-referrer')
  try {
    return c.redirect(await next(), 303)
  } catch (error) {
    if (!(error instanceof MicrosoftRejection)) throw error
    const { guidance, code } = error
    deps.log.warn('setup_rejected', { tid, purpose: step, guidance, code })
    const result = code === undefined ? guidance : `${guidance}.${code}`
    return c.redirect(tenantsAddress(deps.config, invitation, result), 303)
  }
}

/** Handles the callback. Undefined if its visit did not begin at the tenant's page. */
async function returned(visiting: Visiting): Promise<Response | undefined> {
  const { deps, c, now } = visiting
  const query = new URL(c.req.url).searchParams
  const opened = openSealed(deps.sealer, PLACE, query.get('state') ?? undefined)
  if (opened === undefined) return undefined
  speakEnglish(c)
  const visit = opened.value as AdministratorLogin
  if (opened.until < now || !isBoundBrowser(c, visit)) return tooLate(visiting)
  const idHash = sha256(visit.nonce)
  const once = { purpose: 'setup-visit', idHash, expiresAt: opened.until + 60, now }
  const seen = await seenOf(deps.store, visit.tid)
  if (seen === undefined || !(await deps.store.consumeOnce(once))) return tooLate(visiting)
  return answering(visiting, visit, async () => {
    if (visit.step === 'assert')
      return assertionAddress(visiting, { visit, by: await signedIn(visiting, visit, query) })
    const result =
      visit.step === 'consent'
        ? await consented(visiting, visit, seen, query)
        : await confirmed(visiting, seen, await signedIn(visiting, visit, query))
    return tenantsAddress(deps.config, visit.invitation, result)
  })
}

/**
 * Records that consent came back. An error counts first, because errors carry `admin_consent=True`
 * too. The query's tenant can be forged; the sealed state has the tenant that was asked.
 * @returns the key of the result for the tenant's page
 * @throws MicrosoftRejection
 */
async function consented(
  { deps, now }: Visiting,
  { tid }: AdministratorLogin,
  { row, consentReturnedAt }: Seen,
  query: URLSearchParams,
): Promise<string> {
  if (query.has('error')) throw rejectionOf(answerOfCallback(new Map(query)))
  const given = (name: string): string => query.getAll(name).join().toLowerCase()
  if (given('tenant') !== tid) throw new MicrosoftRejection('another_account', {})
  if (given('admin_consent') !== 'true') throw new MicrosoftRejection('unknown', {})
  // The holder of the link may return repeatedly. The first result is kept.
  if (consentReturnedAt === undefined && row.consentConfirmedAt === undefined)
    await recordStep(
      asTenant(deps, tid),
      { act: 'consent.returned', target: `tenant ${tid}`, details: { before: null } },
      () => deps.store.setSetting(consentSetting(tid), String(now)),
    )
  return 'consented'
}

/**
 * Redeems the code of a visit.
 * @throws MicrosoftRejection
 */
async function signedIn(
  { deps, now }: Visiting,
  { tid, step, nonce, verifier, departedAt }: AdministratorLogin,
  query: URLSearchParams,
): Promise<Administrator> {
  const [code, ...more] = query.getAll('code')
  if (query.has('error') || code === undefined || more.length > 0)
    throw rejectionOf(answerOfCallback(new Map(query)))
  const codeVerifier = verifier
  const identity = await deps.microsoft.redeemCode({ code, codeVerifier, nonce, tid, now })
  if (identity.user.tid !== tid) throw new MicrosoftRejection('another_account', {})
  if (step === 'assert' && !enteredSince(identity, departedAt))
    throw new MicrosoftRejection('freshness_not_proved', {})
  return administratorOf(identity, now)
}

function administratorOf(identity: MicrosoftIdentity, now: number): Administrator {
  const { user, acrs, amr, directoryRoles, roles, sid, loginHint, authTime } = identity
  return {
    oid: user.oid,
    who: [user.name, user.username].filter(Boolean).join(' · ') || user.oid,
    consents: consentingRole(directoryRoles),
    asserts: policyRole(directoryRoles),
    acrs: acrs.slice(0, 30),
    amr: amr?.slice(0, 30),
    trial: {
      at: now,
      claims: {
        sid: sid !== undefined,
        login_hint: loginHint !== undefined,
        auth_time: authTime !== undefined,
        email: user.email !== undefined,
      },
      roles: roles.slice(0, 30),
    },
  }
}

/**
 * Confirms consent if the signed-in user of the tenant may grant it. This proves that no attacker
 * forged the return.
 * @returns the key of the result for the tenant's page
 */
async function confirmed(
  { deps, now }: Visiting,
  { row: { tid, consentConfirmedAt }, consentReturnedAt }: Seen,
  { oid, who, consents, trial }: Administrator,
): Promise<string> {
  if (consents === undefined) return 'no_role'
  // The consent may have been given in the admin center.
  const isAskedFor = consentConfirmedAt === undefined && consentReturnedAt === undefined
  if (isAskedFor && !(await consentsAtMicrosoft(deps, tid))) return 'not_consented'
  await keepTrial(deps.store, tid, trial)
  if (consentConfirmedAt !== undefined) return 'confirmed'
  const details = { oid, directoryRole: consents }
  const change = { consentConfirmedBy: `${who} (${consents})`, consentConfirmedAt: now }
  await recordStep(
    asTenant(deps, tid),
    { act: 'consent.confirm', target: `tenant ${tid}`, details },
    () => deps.store.changeTenant({ tid, change }),
  )
  deps.log.info('consent_confirmed', { tid, directoryRole: consents })
  return 'confirmed'
}
