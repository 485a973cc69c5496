import { openUntil, sealUntil } from '../../keys/sealed-in-browser.ts'
import {
  assertedByTenantSetting,
  keepTrial,
  proposedProofSetting,
  type Trial,
} from '../../microsoft/tenants.ts'
import { Button, Facts, HiddenFields, Notice, Tick } from '../../pages/components.tsx'
import { CSRF_FIELD, csrfHolds, csrfToken } from '../../pages/csrf.ts'
import { page } from '../../pages/layout.tsx'
import { contextFor, parseMfaProof } from '../../protocol/mfa-proof.ts'
import { ROLE } from '../../protocol/names.ts'
import { ACR_PHISHING_RESISTANT } from '../../protocol/strength.ts'
import { sha256 } from '../../runtime/compare.ts'
import { operatorWasHere } from '../acts/setup-token.ts'
import { asTenant, nameOf, recordStep } from './frame.tsx'
import { invited, tenantsAddress, tooLate } from './invitation.tsx'
import { wordsOf } from './proof-kinds.ts'
import { Result } from './results.tsx'
import { proofToAssert, type Seen } from './seen.ts'
import { Links } from './steps.tsx'
import { isBoundBrowser, type AdministratorLogin, type Visiting } from './visit.ts'
import { RESULTS } from './texts/results.ts'
import { ASSERTION } from './texts/assertion.ts'

/**
 * An administrator asserts the proof of MFA of their own tenant, right after a fresh sign-in at
 * Microsoft that showed it. Users without a directory role that can read the tenant's policies are
 * rejected.
 */

const PLACE = 'setup/assertion'
const SECONDS = 600

/** A user of the tenant who has signed in, with what Microsoft's token showed. */
export interface Administrator {
  oid: string
  who: string
  /** The directory role that may consent for the tenant. */
  consents: string | undefined
  /** The directory role that may assert what the tenant's policies demand. */
  asserts: string | undefined
  acrs: string[]
  amr: string[] | undefined
  trial: Trial
}

interface Assertion {
  visit: AdministratorLogin
  by: Administrator
}

export const assertionAddress = ({ deps, now }: Visiting, assertion: Assertion): string =>
  `${deps.config.issuer}/signin/assert?${new URLSearchParams({
    assertion: sealUntil(deps.sealer, PLACE, assertion, now + SECONDS),
  })}`

/** Shows what is asserted. @param form the form of this page, if it was sent */
export async function assertionPage(
  visiting: Visiting,
  sealed: string | undefined,
  form?: URLSearchParams,
): Promise<Response> {
  const { deps, c, now } = visiting
  const assertion = openUntil(deps.sealer, PLACE, sealed, now) as Assertion | undefined
  if (assertion === undefined || !isBoundBrowser(c, assertion.visit)) return tooLate(visiting)
  const { visit } = assertion
  const seen = await invited(visiting, visit.invitation)
  const purpose = `setup assert ${visit.nonce}`
  if (
    seen === undefined ||
    (form !== undefined && !csrfHolds(deps, c, purpose, form.get(CSRF_FIELD) ?? undefined))
  )
    return tooLate(visiting)
  const problem = problemOf(visiting, seen, assertion)
  if (problem === undefined && form?.get('asserted') === 'yes') {
    await keepAssertion(visiting, seen, assertion)
    return c.redirect(tenantsAddress(deps.config, visit.invitation, 'asserted'), 303)
  }
  const fields = { [CSRF_FIELD]: csrfToken(deps, c, purpose), assertion: sealed }
  return page(
    c,
    { title: ASSERTION.title, config: deps.config },
    <>
      <Result result={problem ?? (form === undefined ? undefined : RESULTS.no_tick)} />
      <Arrived seen={seen} assertion={assertion} />
      {problem === undefined ? <AssertForm fields={fields} proof={visit.proof ?? ''} /> : null}
      <Links links={[['All steps', tenantsAddress(deps.config, visit.invitation)]]} />
    </>,
  )
}

/** Returns why the proof cannot be asserted by this sign-in. Undefined if it can. */
function problemOf({ proves }: Visiting, seen: Seen, { visit: { proof }, by }: Assertion) {
  if (proof === undefined || proof !== proofToAssert(seen)) return RESULTS.proof_changed
  if (by.asserts === undefined) return RESULTS.no_policy_role
  return proves(proof, by) ? undefined : RESULTS.not_proved
}

const Arrived = ({ seen, assertion: { visit, by } }: { seen: Seen; assertion: Assertion }) => (
  <Facts
    items={[
      ['Tenant', nameOf(seen.row)],
      ['You', by.asserts === undefined ? by.who : `${by.who} (${by.asserts})`],
      ['Proof', visit.proof],
      ['acrs', by.acrs.join(', ') || ASSERTION.none],
      ['amr', by.amr?.join(', ') ?? ASSERTION.none],
    ]}
  />
)

const AssertForm = ({
  fields,
  proof,
}: {
  fields: Record<string, string | undefined>
  proof: string
}) => (
  <>
    {contextFor(parseMfaProof(proof), ACR_PHISHING_RESISTANT) ? (
      <Notice kind="warn">{ASSERTION.context}</Notice>
    ) : null}
    <p>{ASSERTION.relies}</p>
    <form class="stack" method="post" action="/signin/assert">
      <HiddenFields fields={fields} />
      <Tick name="asserted" label={wordsOf(proof).assertion} hint={ASSERTION.kept} />
      <div class="row">
        <Button>{ASSERTION.button}</Button>
      </div>
    </form>
  </>
)

/** Stores the assertion, once for each sign-in. */
async function keepAssertion(
  { deps, now }: Visiting,
  { row }: Seen,
  { visit: { tid, proof = '', nonce }, by }: Assertion,
): Promise<void> {
  const { store, log } = deps
  const idHash = sha256(nonce)
  if (!(await store.consumeOnce({ purpose: 'setup-assertion', idHash, expiresAt: now + SECONDS })))
    return
  const details = { proof, before: row.mfaProof, oid: by.oid, directoryRole: by.asserts }
  await recordStep(
    asTenant(deps, tid),
    { act: 'proof.assert', target: `tenant ${tid}`, details },
    async () => {
      const proofAssertedBy = `${by.who} (${by.asserts ?? ''})`
      await store.changeTenant({
        tid,
        change: { mfaProof: proof, proofAssertedBy, proofAssertedAt: now },
      })
      await store.setSetting(assertedByTenantSetting(tid), String(now))
      await store.setSetting(proposedProofSetting(tid), undefined)
      await keepTrial(store, tid, by.trial)
    },
  )
  log.info('mfa_proof_asserted', { tid, proof, directoryRole: by.asserts })
  // An administrator can sign in now, so tokens of `cmb setup` are no longer accepted.
  const operates =
    deps.connection.current().operatorTenant === tid && row.consentConfirmedAt !== undefined
  if (operates && by.trial.roles.includes(ROLE.administrator)) await operatorWasHere(store, now)
}
