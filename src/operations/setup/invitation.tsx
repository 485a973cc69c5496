import { openUntil, sealUntil } from '../../keys/sealed-in-browser.ts'
import { isAnothers } from '../../microsoft/tenants.ts'
import { Answer, Notice } from '../../pages/components.tsx'
import { page } from '../../pages/layout.tsx'
import { messagePage } from '../../pages/message.tsx'
import type { Deps } from '../deps.ts'
import { wordsOf } from './proof-kinds.ts'
import { Result, resultOf } from './results.tsx'
import { proofToAssert, type Seen, seenOf } from './seen.ts'
import { Links, Step } from './steps.tsx'
import type { Visit, Visiting } from './visit.ts'

/**
 * The tenant's page: an administrator of the tenant consents there, confirms it and asserts the
 * proof of MFA. The link to it grants nothing: Microsoft proves the user and their directory role.
 */

const PLACE = 'setup/invitation'
const SECONDS = 7 * 86_400

/** Returns the link to the tenant's page, valid for a week and for one tenant. */
export const invitationAddress = (
  { sealer, config }: Pick<Deps, 'sealer' | 'config'>,
  tid: string,
  now: number,
): string => tenantsAddress(config, sealUntil(sealer, PLACE, tid, now + SECONDS))

/** Returns the link of an existing invitation, with the result of a step. */
export const tenantsAddress = (
  { issuer }: Deps['config'],
  invitation: string,
  result?: string,
): string =>
  `${issuer}/signin/connect?${new URLSearchParams({ invitation, ...(result !== undefined && { result }) })}`

/** Returns the state of the tenant that an invitation is for. Undefined if it is not valid. */
export async function invited(
  { deps, now }: Visiting,
  invitation: string,
): Promise<Seen | undefined> {
  const tid = openUntil(deps.sealer, PLACE, invitation, now)
  return typeof tid === 'string' ? seenOf(deps.store, tid) : undefined
}

export async function tenantsPage(visiting: Visiting): Promise<Response> {
  const { deps, c } = visiting
  const invitation = c.req.query('invitation') ?? ''
  const seen = await invited(visiting, invitation)
  if (seen === undefined) return tooLate(visiting)
  const href = (step: Visit['step']): string =>
    `/signin/setup?${new URLSearchParams({ invitation, step })}`
  const { tid, consentConfirmedAt } = seen.row
  return page(
    c,
    { title: 'Allow Case Manager for your organization', config: deps.config },
    <>
      <Result result={resultOf(c)} />
      <p>
        You administer the Microsoft tenant <code>{tid}</code>, and its users are to sign in to Case
        Manager with their Microsoft accounts. The steps, all at Microsoft:
      </p>
      <ConsentStep href={href('consent')} seen={seen} />
      <ConfirmStep href={href('confirm')} seen={seen} />
      {consentConfirmedAt === undefined ? null : <ProofStep href={href('assert')} seen={seen} />}
      {isAnothers(deps.connection.current(), seen.row) ? null : (
        <Links links={[['Back to the set-up', `${deps.config.opsOrigin}/setup`]]} />
      )}
    </>,
  )
}

interface StepProps {
  href: string
  seen: Seen
}

function ConsentStep({ href, seen: { row, consentReturnedAt } }: StepProps) {
  const done = row.consentConfirmedAt !== undefined || consentReturnedAt !== undefined
  return (
    <Step
      question="1. Consent"
      is={done ? 'yes' : 'no'}
      links={[['Granting consent', href, !done]]}
    >
      <p class="soft">
        Microsoft shows what Case Manager may read. You need to be a Global Administrator or a
        Privileged Role Administrator.
      </p>
    </Step>
  )
}

function ConfirmStep({ href, seen: { row, consentReturnedAt } }: StepProps) {
  const done = row.consentConfirmedAt !== undefined
  return (
    <Step
      question="2. Confirm that it was you"
      is={done ? 'yes' : 'no'}
      links={[['Confirm by signing in', href, !done && consentReturnedAt !== undefined]]}
    >
      <p class="soft">
        An attacker could have sent the answer to your consent, so it counts only when an
        administrator of the tenant has signed in. The broker stores only your name and your
        confirmation.
      </p>
    </Step>
  )
}

function ProofStep({ href, seen }: StepProps) {
  const proof = proofToAssert(seen)
  const question = '3. Is MFA proved?'
  if (proof === undefined)
    return (
      <Answer question={question} is={seen.assertedByTenant ? 'yes' : 'no'}>
        <p>
          {seen.assertedByTenant
            ? `Done: asserted by ${seen.row.proofAssertedBy ?? 'an administrator'}. Inform the operator who sent you this link.`
            : 'The operators of Case Manager have not proposed a proof of MFA yet. Open this link again when they tell you.'}
        </p>
      </Answer>
    )
  const { means, assertion } = wordsOf(proof)
  return (
    <Step question={question} is="no" links={[['Sign in to assert it', href, true]]}>
      <p>
        The operators of Case Manager propose <code>{proof}</code>, and cannot see your policies. An
        administrator of your tenant asserts it:
      </p>
      <p>“{assertion}”</p>
      <Notice kind="warn" title="What it takes">
        {means.map((words) => (
          <p>{words}</p>
        ))}
      </Notice>
      <p class="soft small">
        Sign in as a Global, Conditional Access or Security Administrator. The next page shows what
        Microsoft’s token holds; you confirm the words above there.
      </p>
    </Step>
  )
}

/** The page for a link or a step that is no longer valid. */
export const tooLate = ({ deps, c }: Visiting): Response =>
  messagePage(c, {
    title: 'This link is no longer valid',
    status: 400,
    what: 'The link was sent more than a week ago or is incomplete, its tenant is no longer connected, or the step was begun in another browser, took too long or was finished already. Nothing was changed.',
    next: 'Open the link again as you got it, or ask the operator who sent it for a new one.',
    config: deps.config,
  })
