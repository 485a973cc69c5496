import type { Tenant } from '../../../db/types.ts'
import type { Tenants } from '../../config/config.ts'
import { probePause } from '../../microsoft/probe-pause.ts'
import { guidanceFor } from '../../microsoft/guidance.ts'
import { registration, RISK_PERMISSION, signInReturn } from '../../microsoft/registration.ts'
import { assertedByTenantSetting, isAnothers, isDecided, trialOf } from '../../microsoft/tenants.ts'
import { contextFor, parseMfaProof } from '../../protocol/mfa-proof.ts'
import { ACR_PHISHING_RESISTANT } from '../../protocol/strength.ts'
import { type Check, eachTenant, type Looked, type CheckContext } from './check.ts'
import { at, failed, type Found, ok, unknown, warning } from './finding.ts'
import { federatedDomains, freshSignIn, reEntry } from './sign-in-demands.ts'
import { NEEDED_FOR, REMEDY } from './texts/fixes.ts'
import { FOUND } from './texts/found.ts'

/**
 * Checks of the connection to Microsoft, and for each tenant whether users can sign in and what
 * they prove.
 */

/** Microsoft is asked at most every 20 s, so that an outage shows within a minute. */
const ASKED = { everySeconds: 20 }
const MOST_SKEW_SECONDS = 30
const DAY = 86_400
const EARLY_DAYS = 30

export const microsoftChecks: readonly Check[] = [
  {
    id: 'connection',
    severity: 'page',
    part: 'microsoft',
    look: connection,
  },
  {
    id: 'credential-expiry',
    cost: { everySeconds: 60 },
    severity: 'ticket',
    warnsByTicket: true,
    look: credentialExpiry,
  },
  {
    id: 'microsoft',
    cost: ASKED,
    severity: 'page',
    part: 'microsoft',
    look: allReached,
  },
  {
    id: 'clock',
    cost: ASKED,
    severity: 'page',
    look: clocks,
  },
  {
    id: 'credential',
    cost: ASKED,
    severity: 'page',
    part: 'microsoft',
    ofTenant: credential,
  },
  {
    id: 'registration',
    cost: ASKED,
    severity: 'page',
    part: 'microsoft',
    ofTenant: registered,
  },
  {
    id: 'sign-ins',
    severity: 'page',
    warnsByTicket: true,
    ofTenant: signIns,
  },
  {
    id: 'consent',
    ofTenant: consent,
  },
  {
    id: 'mfa-proof',
    look: mfaProofs,
  },
  {
    id: 're-entry',
    severity: 'page',
    ofTenant: reEntry,
  },
  {
    id: 'fresh-sign-in',
    ofTenant: freshSignIn,
  },
  {
    id: 'federated-domains',
    cost: { everySeconds: 3600, background: true },
    ofTenant: federatedDomains,
  },
  {
    id: 'optional-claims',
    ofTenant: claims,
  },
  {
    id: 'graph-permission',
    cost: ASKED,
    ofTenant: permission,
  },
  {
    id: 'graph-subscription',
    severity: 'ticket',
    ofTenant: subscription,
  },
  {
    id: 'probe',
    severity: 'page',
    part: 'microsoft',
    ofTenant: probe,
  },
]

const tenantPage = ({ deps }: CheckContext, { tid }: Tenant): string =>
  `${deps.config.opsOrigin}/setup/tenants/${tid}`

function connection({ deps }: CheckContext): Found {
  const readiness = deps.microsoft.readiness()
  if (readiness.connected) return ok('Tenants, application and credential are set.')
  const missing = readiness.missing.map((part) => part.replace(/\.$/, '')).join('; ')
  return failed(FOUND.not_connected(missing), REMEDY.connection)
}

async function credentialExpiry({ deps, now }: CheckContext): Promise<Looked> {
  const { credential } = deps.connection.current()
  if (credential === undefined) return undefined
  const end = await deps.microsoft.credentialEnd()
  if (end === undefined)
    return credential.kind === 'federated'
      ? unknown(FOUND.federated)
      : unknown(FOUND.no_expiry, REMEDY.credential_end)
  const days = Math.floor((end - now) / DAY)
  if (days < 0) return failed(`The credential expired at ${at(end)}.`, REMEDY.credential_expiry)
  const found = `The credential expires at ${at(end)}, in ${days} days.`
  return days < EARLY_DAYS ? warning(found, REMEDY.credential_expiry) : ok(found)
}

async function allReached(context: CheckContext): Promise<Found[]> {
  const { operatorTenant } = context.deps.connection.current()
  const all = await eachTenant(context, reached)
  const down = all.filter(({ state }) => state === 'failed')
  return all.map((found) =>
    down.includes(found)
      ? { ...found, found: FOUND.not_reached(found, down, operatorTenant) }
      : found,
  )
}

async function reached({ examine }: CheckContext, { tid }: Tenant): Promise<Found> {
  const { metadata, authorize, credential: tried } = await examine(tid)
  const problems = [
    ...(metadata.ok ? [] : [metadata.problem]),
    ...(authorize === undefined || authorize.ok ? [] : [`The sign-in page: ${authorize.problem}`]),
    ...(tried === undefined || tried.ok || !tried.outage
      ? []
      : [`The token endpoint: ${tried.problem}`]),
  ]
  return problems.length === 0 ? ok(FOUND.reached) : failed(problems.join(' '), REMEDY.microsoft)
}

async function clocks(context: CheckContext): Promise<Found[]> {
  const found = await eachTenant(context, clock)
  const { clockWatch } = context.deps
  const ahead = clockWatch.aheadSeconds()
  if (!clockWatch.disagrees() || found.some(({ state }) => state === 'failed')) return found
  // Microsoft has not answered since the clock was set, so the answers above do not show the
  // problem.
  return [...found, failed(FOUND.clock_set(Math.abs(ahead), side(ahead)), REMEDY.clock)]
}

const side = (ahead: number): string => (ahead > 0 ? 'ahead of' : 'behind')

async function clock(
  { examine, deps: { clockWatch } }: CheckContext,
  { tid }: Tenant,
): Promise<Found> {
  const compared = clockWatch.comparison()
  const { metadata } = await examine(tid)
  if (!metadata.ok || metadata.skewSeconds === undefined)
    return unknown('Microsoft did not send its time.')
  compared(metadata.skewSeconds)
  const skew = Math.abs(metadata.skewSeconds)
  if (skew <= MOST_SKEW_SECONDS) return ok(`They agree within ${Math.max(1, skew)} s.`)
  return failed(
    `This machine’s clock is ${skew} s ${side(-metadata.skewSeconds)} Microsoft’s.${clockWatch.disagrees() ? ` ${FOUND.clocks_stopped}` : ''}`,
    REMEDY.clock,
  )
}

async function credential({ examine }: CheckContext, row: Tenant): Promise<Found> {
  const { credential: tried } = await examine(row.tid)
  if (tried === undefined || (!tried.ok && tried.outage)) return unknown(FOUND.not_asked)
  if (tried.ok) return ok(FOUND.token_given)
  return unlessUndecided(
    row,
    tried.guidance,
    `${tried.problem}${tried.code === undefined ? '' : ` (AADSTS${tried.code})`}`,
    tried.guidance === 'app_missing' ? REMEDY.app_missing : REMEDY.credential,
  )
}

/** Before its consent, a tenant that is being connected does not have the application yet. */
const unlessUndecided = (row: Tenant, guidance: string, found: string, fix: string): Found =>
  isDecided(row) || guidance !== 'app_missing'
    ? failed(`${found} Users of this tenant cannot sign in.`, fix)
    : warning(found, fix)

async function registered({ examine, deps }: CheckContext, row: Tenant): Promise<Found> {
  const { authorize } = await examine(row.tid)
  if (authorize === undefined || !authorize.ok) return unknown(FOUND.page_not_reached)
  if (authorize.shown === undefined) return ok(FOUND.request_taken)
  const { guidance, code } = authorize.shown
  return unlessUndecided(
    row,
    guidance,
    `${guidanceFor(guidance).operator} (AADSTS${code})`,
    guidance === 'redirect_mismatch'
      ? REMEDY.redirect(signInReturn(deps.config.issuer))
      : REMEDY.app_missing,
  )
}

/**
 * Users of one tenant whose failed sign-ins fail the check, if no user of it has signed in
 * meanwhile.
 */
const MANY_USERS = 3

function signIns(context: CheckContext, row: Tenant): Found {
  const { users, returned, causes } = context.deps.signInWatch.failing(row.tid)
  if (users === 0) return ok(FOUND.all_sign_in)
  const away = users - returned
  const found = [
    `${users} ${users === 1 ? 'user' : 'users'} tried to sign in and no user of the tenant got through since.`,
    ...causes.map((cause) => guidanceFor(cause).operator),
    ...(away === 0 ? [] : [FOUND.stayed_away(away)]),
  ].join(' ')
  const fix = REMEDY.sign_ins(tenantPage(context, row))
  if (users >= MANY_USERS) return failed(found, fix)
  // A user who leaves Microsoft's page may have changed their mind.
  return returned > 0 ? warning(found, fix) : unknown(found)
}

function consent(context: CheckContext, row: Tenant): Found {
  if (row.consentConfirmedAt === undefined)
    return unknown('Consent is not confirmed here.', REMEDY.consent(tenantPage(context, row)))
  return ok(
    `Confirmed by ${row.consentConfirmedBy ?? 'an administrator'}, ${at(row.consentConfirmedAt)}.`,
  )
}

async function mfaProofs(context: CheckContext): Promise<Found[]> {
  const rows = await context.tenants()
  const { operatorTenant: tid } = context.deps.connection.current()
  const found = await eachTenant(context, (_, row) =>
    byItsTenant(context, row, mfaProof(row, tenantPage(context, row))),
  )
  if (tid === undefined || rows.length === 0 || rows.some((row) => row.tid === tid)) return found
  return [
    ...found,
    warning(
      FOUND.operator_tenant,
      `cmb tenants add ${tid}, then choose its proof of MFA at /setup.`,
      { about: `tenant ${tid}` },
    ),
  ]
}

/**
 * Warns if the proof was not asserted by the tenant itself: only its own administrators see its
 * policies.
 */
async function byItsTenant(context: CheckContext, row: Tenant, found: Found): Promise<Found> {
  const { connection, store } = context.deps
  if (
    found.state !== 'ok' ||
    row.proofAssertedAt === undefined ||
    !isAnothers(connection.current(), row) ||
    (await store.setting(assertedByTenantSetting(row.tid))) === String(row.proofAssertedAt)
  )
    return found
  return warning(FOUND.proof_unasserted(found.found), REMEDY.assert(tenantPage(context, row)))
}

function mfaProof(row: Tenant, page: string): Found {
  if (!isDecided(row)) return warning(FOUND.no_proof, `Choose it at ${page}`)
  const asserted =
    row.proofAssertedAt === undefined
      ? ''
      : `, asserted by ${row.proofAssertedBy ?? 'an administrator'}, ${at(row.proofAssertedAt)}`
  const proof = parseMfaProof(row.mfaProof)
  if (proof?.kind === 'conditional_access')
    return warning(
      `MFA is proved by conditional_access${asserted || ', as the settings or a command set it'}: no token shows it.`,
      REMEDY.bind_context(page),
    )
  const context = contextFor(proof, ACR_PHISHING_RESISTANT)
  if (context !== undefined && row.proofAssertedAt === undefined)
    return warning(FOUND.proof_unbound(row.mfaProof, context), REMEDY.assert_context(page))
  return ok(`MFA is proved by ${row.mfaProof}${asserted}.`)
}

async function claims({ deps }: CheckContext, { tid }: Tenant): Promise<Found> {
  const trial = await trialOf(deps, tid)
  if (trial === undefined) return unknown(FOUND.claims_unseen, REMEDY.claims_unseen)
  const missing = Object.entries(trial.claims).flatMap(([name, there]) => (there ? [] : [name]))
  if (missing.length === 0)
    return ok(`${Object.keys(trial.claims).join(', ')} arrived, ${at(trial.at)}.`)
  const found = `Missing: ${missing.map((name) => `${name} (${NEEDED_FOR[name] ?? ''})`).join('; ')}.`
  const fix = REMEDY.optional_claims
  // An account without a mailbox never has an email claim.
  return missing.some((name) => name !== 'email') ? warning(found, fix) : unknown(found, fix)
}

async function permission({ deps, examine }: CheckContext, { tid }: Tenant): Promise<Found> {
  const tried = (await examine(tid)).credential
  if (!tried?.ok) return unknown('Not known: Entra gives no token at the moment.')
  const has = registration('')
    .application.filter(({ name }) => tried.graphRoles.includes(name))
    .map(({ name }) => name)
  const fix = REMEDY.graph_permission
  const { risk, graph } = deps.config.signals
  if (names(risk, tid) && !tried.graphRoles.includes(RISK_PERMISSION))
    return warning(FOUND.no_risk_permission(RISK_PERMISSION), fix)
  if (has.includes('User.Read.All')) return ok(`${has.join(', ')}.`)
  const found = FOUND.no_user_permission
  return names(graph.tenants, tid) ? warning(found, fix) : unknown(found, fix)
}

const names = (tenants: Tenants, tid: string): boolean => tenants === 'all' || tenants.includes(tid)

async function subscription({ deps, now }: CheckContext, { tid }: Tenant): Promise<Found> {
  if (!names(deps.config.signals.graph.tenants, tid))
    return unknown(FOUND.graph_unused, REMEDY.graph_unused)
  const kept = await deps.store.setting(`graph/${tid}/subscription`)
  const until = kept === undefined ? undefined : (JSON.parse(kept) as { until?: number }).until
  if (until === undefined) return warning('There is no subscription yet.', REMEDY.no_subscription)
  if (until > now) return ok(FOUND.subscribed(at(until)))
  return failed(`The subscription ended at ${at(until)}.`, REMEDY.subscription_ended)
}

async function probe({ deps }: CheckContext, { tid }: Tenant): Promise<Looked> {
  const pause = await probePause(deps.store, tid)
  if (pause === undefined) return undefined
  const { address, assignment } = pause.since
  const code = pause.code === undefined || assignment !== undefined ? '' : ` (AADSTS${pause.code})`
  const found = [
    ...(address === undefined ? [] : [FOUND.not_watched(at(address), code)]),
    ...(assignment === undefined ? [] : [FOUND.assignments_held(at(assignment))]),
  ]
  return failed(found.join(' '), REMEDY.resume_probe(tid, assignment !== undefined))
}
