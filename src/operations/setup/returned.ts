import { sha256 } from '../../runtime/compare.ts'
import { guidanceFor } from '../../microsoft/guidance.ts'
import { type SignInPurpose, open, type Outcome, type Trial } from './sign-in-purpose.ts'
import {
  type Acting,
  redirectTo,
  withSetupAudit,
  type SetupRequest,
  type StepResult,
} from './frame.tsx'
import { keepConsent, keepTrial, seenOf } from './seen.ts'

/**
 * Stores the outcome of a visit to Microsoft: only for the visitor who began it, once, and for a
 * connected tenant.
 */

export async function returned(request: SetupRequest): Promise<Response> {
  const { deps, c, visitor, now } = request
  const opened = open(deps, 'outcome', c.req.query('outcome'), now)
  if (opened === undefined || opened.late || opened.value.purpose.key !== visitor.key)
    return redirectTo(c, '/setup?result=foreign')
  const outcome = opened.value
  const { purpose } = outcome
  const back =
    purpose.proof === undefined
      ? `/setup/tenants/${purpose.tid}`
      : `/setup/tenants/${purpose.tid}/proof?${new URLSearchParams({ proof: purpose.proof })}`
  const first = await deps.store.consumeOnce({
    purpose: 'setup-outcome',
    idHash: sha256(purpose.id),
    expiresAt: opened.until + 60,
  })
  if (!first) return redirectTo(c, back)
  return redirectTo(
    c,
    `${back}${back.includes('?') ? '&' : '?'}result=${await keep(request, outcome)}`,
  )
}

/** Stores an outcome. @returns the key of the result for the page */
export async function keep(request: Acting, outcome: Outcome): Promise<string> {
  const { deps, now } = request
  const { purpose } = outcome
  const seen = await seenOf(deps.store, purpose.tid)
  if (seen === undefined) return 'foreign'
  if (outcome.kind === 'rejected') {
    deps.log.warn('setup_rejected', {
      tid: purpose.tid,
      purpose: purpose.kind,
      guidance: outcome.guidance,
      code: outcome.code,
    })
    return outcome.code === undefined ? outcome.guidance : `${outcome.guidance}.${outcome.code}`
  }
  const target = `tenant ${purpose.tid}`
  const confirmed = seen.row.consentConfirmedAt !== undefined
  const consentReturned = seen.consentReturnedAt !== undefined
  // An invited administrator may return repeatedly. The first result is kept, and it does not
  // replace the operators' own trials.
  const invited = purpose.invitedUntil !== undefined
  if (outcome.kind === 'consent') {
    if (invited && (consentReturned || confirmed)) return 'consented'
    await withSetupAudit(
      request,
      { act: 'consent.returned', target, details: { before: seen.consentReturnedAt ?? null } },
      () => keepConsent(deps.store, purpose.tid, now),
    )
    return 'consented'
  }
  const { trial } = outcome
  if (invited) return confirmed ? 'confirmed' : confirm(request, purpose, trial, consentReturned)
  const details = {
    oid: trial.oid,
    proof: trial.proof,
    acrs: trial.acrs,
    amr: trial.amr,
    directoryRole: trial.directoryRole,
  }
  await withSetupAudit(request, { act: 'trial.sign_in', target, details }, () =>
    keepTrial(deps.store, purpose.tid, trial, request.visitor.actor.id),
  )
  return confirmed ? 'tried' : confirm(request, purpose, trial, consentReturned)
}

/**
 * Confirms consent if the signed-in user of the tenant may grant it. This proves that no attacker
 * forged the return.
 */
async function confirm(
  request: Acting,
  { tid }: SignInPurpose,
  trial: Trial,
  consentReturned: boolean,
): Promise<string> {
  const { deps, now } = request
  if (trial.directoryRole === undefined) return 'no_role'
  // The consent may have been given in the admin center. Only consent for all users gives the
  // application its permissions, so they prove it.
  if (!consentReturned) {
    const { credential } = await deps.microsoft.examine(tid)
    if (!credential?.ok || credential.graphRoles.length === 0) return 'not_consented'
  }
  const by = `${trial.who} (${trial.directoryRole})`
  await withSetupAudit(
    request,
    {
      act: 'consent.confirm',
      target: `tenant ${tid}`,
      details: { oid: trial.oid, directoryRole: trial.directoryRole },
    },
    () =>
      deps.store.changeTenant({ tid, change: { consentConfirmedBy: by, consentConfirmedAt: now } }),
  )
  deps.log.info('consent_confirmed', { tid, directoryRole: trial.directoryRole })
  return 'confirmed'
}

const STEP_RESULTS: Readonly<Record<string, StepResult>> = {
  consented: {
    kind: 'good',
    title: 'Microsoft says that consent was given.',
    words: 'Now confirm it: an administrator of the tenant signs in once.',
  },
  confirmed: { kind: 'good', title: 'Consent is confirmed.' },
  tried: { kind: 'good', title: 'The sign-in went through. See below what arrived.' },
  no_role: {
    kind: 'warn',
    title: 'The sign-in went through, and it confirms no consent.',
    words:
      'That account holds no directory role that may consent for the tenant (Global Administrator, for instance). Sign in with one that does.',
  },
  not_consented: {
    kind: 'warn',
    title: 'The sign-in worked, but no administrator has consented for the whole tenant yet.',
    words: 'Press “Granting consent” first, then sign in again.',
  },
  nobody_operates: {
    kind: 'bad',
    title: 'The broker has seen no administrator of that tenant yet.',
    words:
      'Nothing was changed. Choose the tenant’s proof of MFA first, and try it with a user who has the app role Broker.Administrator in that tenant. Otherwise no administrator could sign in here again.',
  },
  proposed: {
    kind: 'good',
    title: 'The proof of MFA is proposed.',
    words: 'It counts once an administrator of that tenant asserts it. Send them the link below.',
  },
  no_policy_role: {
    kind: 'bad',
    title: 'The sign-in went through, and asserts nothing.',
    words:
      'That account holds no directory role that sees the policies of your tenant: Global Administrator, Conditional Access Administrator or Security Administrator. Nothing was changed.',
  },
  not_proved: {
    kind: 'bad',
    title: 'The sign-in went through, and did not show that proof of MFA.',
    words:
      'Nothing was changed. Look at the Conditional Access policy of your tenant, then try again.',
  },
  proof_changed: {
    kind: 'warn',
    title: 'The operators of Case Manager have proposed another proof meanwhile.',
    words: 'Nothing was changed. Read what is proposed now, then sign in again.',
  },
  asserted: {
    kind: 'good',
    title: 'The proof of MFA is set. Users of this tenant can sign in now.',
  },
  no_role_id: {
    kind: 'bad',
    title: 'This role cannot administer the tenant.',
    words:
      'Nothing was changed. Give the template ID (a GUID) of a directory role that is assigned to users; the broker rejects roles that every user has. Operators administer the users of the operator tenant.',
  },
  no_limit: {
    kind: 'bad',
    title: 'The limit is not valid.',
    words: 'Nothing was changed. Type hours from 0.1 to 2160, or leave the field empty.',
  },
  saved: { kind: 'good', title: 'Saved.' },
  foreign: {
    kind: 'bad',
    title: 'The step was started in another browser, or took too long.',
    words: 'Nothing was changed. Start the step again.',
  },
}

/**
 * Returns the result of a step, which the URL's key selects. The URL cannot contain the text itself.
 */
export function stepResultOf({ c }: Pick<SetupRequest, 'c'>): StepResult | undefined {
  const result = c.req.query('result')
  if (result === undefined) return undefined
  if (Object.hasOwn(STEP_RESULTS, result)) return STEP_RESULTS[result]
  const [key = '', code] = result.split('.')
  const guidance = guidanceFor(key)
  const number = code !== undefined && /^\d{4,8}$/.test(code) ? ` Microsoft’s code is ${code}.` : ''
  return {
    kind: 'bad',
    title: 'Microsoft did not let it through.',
    words: `${guidance.operator}${number}`,
  }
}
