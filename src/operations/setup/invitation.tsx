import type { Context } from 'hono'
import type { Deps } from '../deps.ts'
import type { Administration } from '../../microsoft/administration.ts'
import { isAnothers } from '../../microsoft/tenants.ts'
import { Answer, LinkButton, Notice } from '../../pages/components.tsx'
import { page } from '../../pages/layout.tsx'
import { messagePage } from '../../pages/message.tsx'
import { newId } from '../../runtime/ids.ts'
import { type SignInPurpose, open, type Outcome, seal } from './sign-in-purpose.ts'
import { keep, stepResultOf } from './returned.ts'
import { assertionOf, contextOf, KINDS, kindOf } from './proof-kinds.ts'
import { proofToAssert, type Seen, seenOf } from './seen.ts'

/**
 * A link for an administrator of a tenant who has no access to /setup. It lets them consent for
 * that tenant and confirm it. The link itself grants nothing: Microsoft proves the user and their
 * directory role.
 */

const DAYS = 7

/** Returns the link, valid for a week and for one tenant. */
export const invitationAddress = (
  deps: Pick<Deps, 'sealer' | 'config'>,
  tid: string,
  now: number,
): string => invitationAddressAgain(deps, { tid, until: now + DAYS * 86_400 }, now)

/** Returns the link of an existing invitation, with a message for its page. */
export const invitationAddressAgain = (
  deps: Pick<Deps, 'sealer' | 'config'>,
  about: { tid: string; until: number },
  now: number,
  result?: string,
): string =>
  `${deps.config.issuer}/signin/connect?${new URLSearchParams({ invitation: seal(deps, 'invitation', about, now), ...(result !== undefined && { result }) })}`

export async function invitationPage(deps: Deps, c: Context, now: number): Promise<Response> {
  const invited = open(deps, 'invitation', c.req.query('invitation'), now)?.value
  const seen =
    invited === undefined || invited.until < now ? undefined : await seenOf(deps.store, invited.tid)
  if (invited === undefined || seen === undefined) return invitationTooOld(deps, c)
  const purpose = (
    kind: SignInPurpose['kind'],
    more: Pick<SignInPurpose, 'proof' | 'asserts'> = {},
  ): string => {
    const about: SignInPurpose = {
      ...more,
      id: newId(deps.random),
      kind,
      tid: invited.tid,
      key: 'invitation',
      invitedUntil: invited.until,
    }
    return `/signin/setup?${new URLSearchParams({ request: seal(deps, 'purpose', about, now) })}`
  }
  const confirmed = seen.row.consentConfirmedAt !== undefined
  const returned = seen.consentReturnedAt !== undefined
  const result = stepResultOf({ c })
  return page(
    c,
    { title: 'Allow Case Manager for your organization', config: deps.config },
    <>
      {result === undefined ? null : (
        <Notice kind={result.kind} title={result.title}>
          {result.words}
        </Notice>
      )}
      <p>
        You administer the Microsoft tenant <code>{seen.row.tid}</code>, and its users are to sign
        in to Case Manager with their Microsoft accounts. The steps, all at Microsoft:
      </p>
      <ConsentStep href={purpose('consent')} done={confirmed || returned} />
      <ConfirmStep href={purpose('trial')} confirmed={confirmed} returned={returned} />
      {confirmed && isAnothers(deps.connection.current(), seen.row) ? (
        <ProofStep seen={seen} href={(proof) => purpose('trial', { proof, asserts: true })} />
      ) : null}
    </>,
  )
}

function ProofStep({ seen, href }: { seen: Seen; href: (proof: string) => string }) {
  const proof = proofToAssert(seen)
  const question = '3. Is MFA proved?'
  if (proof === undefined)
    return (
      <Answer question={question} is={seen.assertedByTenant ? 'yes' : 'no'}>
        <p>
          {seen.assertedByTenant
            ? `Done: asserted by ${seen.row.proofAssertedBy ?? 'an administrator'}.`
            : 'The operators of Case Manager have not proposed a proof of MFA yet. Open this link again when they tell you.'}
        </p>
      </Answer>
    )
  return (
    <Answer question={question} is="no">
      <p>
        The operators of Case Manager propose <code>{proof}</code>, and cannot see your policies. An
        administrator of your tenant asserts it:
      </p>
      <p>“{assertionOf(proof)}”</p>
      {KINDS[kindOf(proof)].means(contextOf(proof)).map((words) => (
        <p class="soft">{words}</p>
      ))}
      <div class="row">
        <LinkButton href={href(proof)} kind="primary">
          Sign in to assert it
        </LinkButton>
      </div>
      <p class="soft small">
        Sign in as a Global, Conditional Access or Security Administrator. You confirm the words
        above on the next page.
      </p>
    </Answer>
  )
}

const ConfirmStep = ({
  href,
  confirmed,
  returned,
}: {
  href: string
  confirmed: boolean
  returned: boolean
}) => (
  <Answer question="2. Confirm that it was you" is={confirmed ? 'yes' : 'no'}>
    <p class="soft">
      Sign in once as an administrator of your tenant. The broker stores only your name and your
      confirmation.
    </p>
    {confirmed ? (
      <p>Done. Inform the operator who sent you this link.</p>
    ) : (
      <div class="row">
        <LinkButton href={href} kind={returned ? 'primary' : 'quiet'}>
          Confirm by signing in
        </LinkButton>
      </div>
    )}
  </Answer>
)

const ConsentStep = ({ href, done }: { href: string; done: boolean }) => (
  <Answer question="1. Consent" is={done ? 'yes' : 'no'}>
    <p class="soft">
      Microsoft shows what Case Manager may read. You need to be a Global Administrator or a
      Privileged Role Administrator.
    </p>
    <div class="row">
      <LinkButton href={href} kind={done ? 'quiet' : 'primary'}>
        Granting consent
      </LinkButton>
    </div>
  </Answer>
)

/**
 * Stores an outcome at once, because the invited administrator cannot reach the operators'
 * listener.
 * @returns the next address
 */
export async function settle(
  deps: Deps,
  administration: Administration,
  outcome: Outcome,
  invitedUntil: number,
  now: number,
): Promise<string> {
  const { tid } = outcome.purpose
  const actor = { kind: 'microsoft', id: tid } as const
  const result = await keep({ deps, administration, now, visitor: { actor } }, outcome)
  return invitationAddressAgain(deps, { tid, until: invitedUntil }, now, result)
}

export const invitationTooOld = (deps: Deps, c: Context): Response =>
  messagePage(c, {
    title: 'This link is no longer valid',
    status: 400,
    what: 'It was sent more than a week ago, is incomplete, or its tenant is no longer connected.',
    next: 'Ask the operator who sent it for a new one.',
    config: deps.config,
  })
