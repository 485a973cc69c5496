import type { Tenant } from '../../../db/types.ts'
import { assertedByTenantSetting } from '../../microsoft/tenants.ts'
import { Facts, LinkButton, Notice } from '../../pages/components.tsx'
import { consolePage, Panel } from './layout.tsx'
import { when } from './format.ts'
import { type ConsoleRequest } from './request.ts'

/** The first page of a tenant's administrator: the tenant, and its proof of MFA. */

/**
 * Returns the address of the page on which an administrator of the tenant asserts its proof of MFA.
 */
export type InvitationAddress = (tid: string, now: number) => string

export async function tenantHome(
  request: ConsoleRequest,
  tenant: Tenant,
  invitation: InvitationAddress,
): Promise<Response> {
  const { deps, now } = request
  const { tid, name, connectedAt, proofAssertedAt } = tenant
  // The name of an operator who asserted the proof is not shown to the tenant.
  const isTheirs =
    (await deps.store.setting(assertedByTenantSetting(tid))) === String(proofAssertedAt)
  return consolePage(
    request,
    { title: name ?? 'Your organization', at: '' },
    <>
      <Panel title="Your tenant">
        <p class="soft">
          Search above for a user of your organization to see their sessions, sign them out or lock
          them. The page Sessions lists who is signed in now.
        </p>
        <Facts
          items={[
            ['Tenant ID', <code>{tid}</code>],
            ['Connected', momentOf(request, connectedAt)],
          ]}
        />
      </Panel>
      <ProofOfMfa
        request={request}
        tenant={tenant}
        isTheirs={isTheirs}
        href={invitation(tid, now)}
      />
    </>,
  )
}

const momentOf = ({ deps }: ConsoleRequest, seconds: number | undefined) =>
  seconds === undefined ? undefined : when(seconds * 1000, deps.clock.nowMs())

/**
 * The tenant's proof of MFA, with who asserted it.
 * @param isTheirs true if an administrator of the tenant asserted it
 */
function ProofOfMfa({
  request,
  tenant: { mfaProof, proofAssertedBy, proofAssertedAt },
  isTheirs,
  href,
}: {
  request: ConsoleRequest
  tenant: Tenant
  isTheirs: boolean
  href: string
}) {
  return (
    <Panel title="Proof of MFA">
      <Facts
        items={[
          ['Proof', proofWords(mfaProof)],
          [
            'Asserted by',
            proofAssertedAt === undefined ? undefined : isTheirs ? proofAssertedBy : 'An operator',
          ],
          ['Asserted', momentOf(request, proofAssertedAt)],
        ]}
      />
      {!isTheirs ? (
        <Notice
          kind="warn"
          title="No administrator of your tenant has asserted that a policy demands MFA."
        />
      ) : null}
      <p class="soft">
        Operators of Case Manager cannot see the policies of your tenant. So a Global, Conditional
        Access or Security Administrator of the tenant asserts that one of them demands MFA.
      </p>
      <div class="row">
        <LinkButton href={href} kind="quiet">
          Assert the proof of MFA
        </LinkButton>
      </div>
    </Panel>
  )
}

const PROOF: Readonly<Record<string, string>> = {
  amr: 'Microsoft’s tokens name MFA (amr)',
  conditional_access: 'A Conditional Access policy on the application',
}
const proofWords = (proof: string): string =>
  PROOF[proof] ?? `Authentication context ${proof.replace('auth_context:', '')}, bound to a policy`
