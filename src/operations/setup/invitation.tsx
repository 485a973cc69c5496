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
import type { AdministratorLogin, Visiting } from './visit.ts'
import {
  doneBy,
  INVITATION,
  proposed,
  STEP_WORDS,
  TOO_LATE,
  youAdminister,
} from './texts/invitation.tsx'

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
  const href = (step: AdministratorLogin['step']): string =>
    `/signin/setup?${new URLSearchParams({ invitation, step })}`
  const { tid, name, consentConfirmedAt } = seen.row
  const isConfirmed = consentConfirmedAt !== undefined
  const isGranted =
    seen.consentReturnedAt !== undefined || (!isConfirmed && (await consentsAtMicrosoft(deps, tid)))
  return page(
    c,
    { title: INVITATION.title, config: deps.config },
    <>
      <Result result={resultOf(c)} />
      <p>{youAdminister(tid, name)}</p>
      <ConsentStep href={href('consent')} isDone={isConfirmed || isGranted} />
      <ConfirmStep href={href('confirm')} isDone={isConfirmed} mayBegin={isGranted} />
      {isConfirmed ? <ProofStep href={href('assert')} seen={seen} /> : null}
      {isAnothers(deps.connection.current(), seen.row) ? null : (
        <Links links={[[INVITATION.back, `${deps.config.opsOrigin}/setup`]]} />
      )}
    </>,
  )
}

/**
 * Returns whether the tenant has consented for all its users, wherever an administrator of it did
 * so. Only that consent gives the application its permissions, so they prove it.
 */
export async function consentsAtMicrosoft(
  { microsoft }: Pick<Deps, 'microsoft'>,
  tid: string,
): Promise<boolean> {
  const { credential } = await microsoft.examine(tid)
  return credential?.ok === true && credential.graphRoles.length > 0
}

/** The state of a step. One that remains is no fault. */
const stateOf = (isDone: boolean) =>
  ({ is: isDone ? 'yes' : 'off', says: isDone ? INVITATION.done : INVITATION.toDo }) as const

function ConsentStep({ href, isDone }: { href: string; isDone: boolean }) {
  const { question, link, words, asked } = STEP_WORDS.consent
  return (
    <Step question={question} {...stateOf(isDone)} links={[[link, href, !isDone]]}>
      <p class="soft">
        {words} <a href="/signin/granting-consent">{asked}</a>
      </p>
    </Step>
  )
}

function ConfirmStep({
  href,
  isDone,
  mayBegin,
}: {
  href: string
  isDone: boolean
  mayBegin: boolean
}) {
  const { question, link, words } = STEP_WORDS.confirm
  return (
    <Step question={question} {...stateOf(isDone)} links={[[link, href, !isDone && mayBegin]]}>
      <p class="soft">{words}</p>
    </Step>
  )
}

function ProofStep({ href, seen }: { href: string; seen: Seen }) {
  const proof = proofToAssert(seen)
  const { question, link, words: signIn } = STEP_WORDS.assert
  if (proof === undefined)
    return (
      <Answer question={question} is={seen.assertedByTenant ? 'yes' : 'unknown'}>
        <p>{seen.assertedByTenant ? doneBy(seen.row.proofAssertedBy) : INVITATION.notProposed}</p>
      </Answer>
    )
  const { means, assertion } = wordsOf(proof)
  return (
    <Step question={question} {...stateOf(false)} links={[[link, href, true]]}>
      <p>{proposed(proof)}</p>
      <p>“{assertion}”</p>
      <Notice kind="warn" title={INVITATION.takes}>
        {means.map((words) => (
          <p>{words}</p>
        ))}
      </Notice>
      <p class="soft small">{signIn}</p>
    </Step>
  )
}

/** The page for a link or a step that is no longer valid. */
export const tooLate = ({ deps, c }: Visiting): Response =>
  messagePage(c, {
    ...TOO_LATE,
    status: 400,
    config: deps.config,
  })
