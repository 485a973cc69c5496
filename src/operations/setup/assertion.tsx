import type { Context } from 'hono'
import type { Deps } from '../deps.ts'
import {
  assertedByTenantSetting,
  isAnothers,
  proposedProofSetting,
} from '../../microsoft/tenants.ts'
import { Button, Facts, HiddenFields, Tick } from '../../pages/components.tsx'
import { CSRF_FIELD, csrfHolds, csrfToken } from '../../pages/csrf.ts'
import { page } from '../../pages/layout.tsx'
import { sha256 } from '../../runtime/compare.ts'
import { type SignInPurpose, open, seal, type Signed, type Trial } from './sign-in-purpose.ts'
import { nameOf, type ProvesMfa, withSetupAudit } from './frame.tsx'
import { invitationAddressAgain, invitationTooOld } from './invitation.tsx'
import { assertionOf } from './proof-kinds.ts'
import { proofToAssert, type Seen, seenOf } from './seen.ts'
import { isBoundBrowser } from './visit-cookie.ts'

/**
 * An administrator asserts the proof of MFA of their own tenant, right after a sign-in at
 * Microsoft. Users without a directory role that can read the tenant's policies are rejected.
 */

interface Asserting {
  deps: Deps
  c: Context
  proves: ProvesMfa
  now: number
}

export const assertionAddress = (
  deps: Deps,
  signed: { outcome: Signed; browser: string },
  now: number,
): string =>
  `${deps.config.issuer}/signin/assert?${new URLSearchParams({ assertion: seal(deps, 'assertion', signed, now) })}`

/** Returns the key of the problem's text on the invitation page, or undefined. */
function problemOf(
  { deps, proves }: Asserting,
  seen: Seen,
  { purpose, trial }: Signed,
): string | undefined {
  if (
    !isAnothers(deps.connection.current(), seen.row) ||
    purpose.proof === undefined ||
    purpose.proof !== proofToAssert(seen)
  )
    return 'proof_changed'
  if (trial.policyRole === undefined) return 'no_policy_role'
  return proves(purpose.proof, trial) ? undefined : 'not_proved'
}

/**
 * Opens a sealed assertion. Undefined if it is not the broker's, of another browser, or too old.
 */
async function signedOf({ deps, c, now }: Asserting, sealed: string | null | undefined) {
  const opened = open(deps, 'assertion', sealed, now)
  if (opened === undefined || opened.late || !isBoundBrowser(c, opened.value.browser))
    return undefined
  const { outcome } = opened.value
  const seen = await seenOf(deps.store, outcome.purpose.tid)
  return seen && { outcome, seen, until: opened.until }
}

const formPurpose = ({ id }: SignInPurpose): string => `setup assert ${id}`

export async function assertionPage(asserting: Asserting): Promise<Response> {
  const { deps, c } = asserting
  const sealed = c.req.query('assertion')
  const signed = await signedOf(asserting, sealed)
  if (signed === undefined) return invitationTooOld(deps, c)
  const { outcome, seen } = signed
  const problem = problemOf(asserting, seen, outcome)
  if (problem !== undefined) return back(asserting, outcome, problem)
  return show(asserting, seen, outcome, sealed ?? '')
}

function show(
  { deps, c }: Asserting,
  { row }: Seen,
  { purpose, trial }: Signed,
  sealed: string,
): Response {
  return page(
    c,
    { title: 'Proof of MFA of your organization', config: deps.config },
    <>
      <Facts
        items={[
          ['Tenant', nameOf(row)],
          ['You', `${trial.who} (${trial.policyRole ?? ''})`],
          ['Proof', purpose.proof],
        ]}
      />
      <p>
        Case Manager relies on this proof for every user of your tenant. Its operators cannot see
        your policies; you can.
      </p>
      <form class="stack" method="post" action="/signin/assert">
        <HiddenFields
          fields={{ [CSRF_FIELD]: csrfToken(deps, c, formPurpose(purpose)), assertion: sealed }}
        />
        <Tick
          name="asserted"
          label={assertionOf(purpose.proof ?? '')}
          hint="Case Manager keeps your name, your role and the time with it."
        />
        <div class="row">
          <Button>Assert it</Button>
        </div>
      </form>
    </>,
  )
}

export async function assertProofOfOwn(
  asserting: Asserting,
  form: URLSearchParams,
): Promise<Response> {
  const { deps, c, now } = asserting
  const sealed = form.get('assertion')
  const signed = await signedOf(asserting, sealed)
  if (
    signed === undefined ||
    !csrfHolds(deps, c, formPurpose(signed.outcome.purpose), form.get(CSRF_FIELD) ?? undefined)
  )
    return invitationTooOld(deps, c)
  const { outcome, seen, until } = signed
  const problem = problemOf(asserting, seen, outcome)
  if (problem !== undefined) return back(asserting, outcome, problem)
  if (form.get('asserted') !== 'yes') return show(asserting, seen, outcome, sealed ?? '')
  const once = {
    purpose: 'setup-assertion',
    idHash: sha256(outcome.purpose.id),
    expiresAt: until + 60,
    now,
  }
  if (await deps.store.consumeOnce(once))
    await keepAssertion(asserting, seen, outcome.purpose.proof ?? '', outcome.trial)
  return back(asserting, outcome, 'asserted')
}

async function keepAssertion(
  { deps, now }: Asserting,
  { row }: Seen,
  proof: string,
  trial: Trial,
): Promise<void> {
  const { tid } = row
  const visitor = { actor: { kind: 'microsoft', id: tid } } as const
  const details = { proof, before: row.mfaProof, oid: trial.oid, directoryRole: trial.policyRole }
  await withSetupAudit(
    { deps, visitor },
    { act: 'proof.assert', target: `tenant ${tid}`, details },
    async () => {
      const by = `${trial.who} (${trial.policyRole ?? ''})`
      await deps.store.changeTenant({
        tid,
        change: { mfaProof: proof, proofAssertedBy: by, proofAssertedAt: now },
      })
      await deps.store.setSetting(assertedByTenantSetting(tid), String(now))
      await deps.store.setSetting(proposedProofSetting(tid), undefined)
    },
  )
  deps.log.info('mfa_proof_asserted', { tid, proof, directoryRole: trial.policyRole })
}

const back = ({ deps, c, now }: Asserting, { purpose }: Signed, result: string): Response =>
  c.redirect(
    invitationAddressAgain(
      deps,
      { tid: purpose.tid, until: purpose.invitedUntil ?? now },
      now,
      result,
    ),
    303,
  )
