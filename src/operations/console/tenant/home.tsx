import { assertedByTenantSetting } from '../../../microsoft/tenants.ts'
import { Facts, LinkButton, Notice } from '../../../pages/components.tsx'
import { FRESH_SECONDS } from '../../../clients/session/lifetimes.ts'
import { Panel } from '../layout.tsx'
import { when } from '../format.ts'
import { TENANT_HOME, tenantPage, type TenantRequest } from './layout.tsx'
import { FindUser } from './users.tsx'

/** Where the administrator of a tenant begins: which tenant it is, and what proves MFA there. */

/** The page on which an administrator of that tenant asserts its proof of MFA. */
export type InvitationAddress = (tid: string, now: number) => string

export async function homePage(
  request: TenantRequest,
  invitation: InvitationAddress,
): Promise<Response> {
  const { deps, administrator, now } = request
  const { tid, name, connectedAt, proofAssertedAt } = administrator.tenant
  // Which operator asserted it is the operators' own.
  const isTheirs =
    (await deps.store.setting(assertedByTenantSetting(tid))) === String(proofAssertedAt)
  return tenantPage(
    request,
    { title: name ?? 'Your organization', at: TENANT_HOME },
    <>
      {name === undefined ? (
        <p class="soft">
          <code>{tid}</code>
        </p>
      ) : null}
      <Panel title="Find a user">
        <FindUser />
      </Panel>
      <Panel title="Your tenant">
        <Facts
          items={[
            ['Tenant ID', <code>{tid}</code>],
            ['Connected', momentOf(request, connectedAt)],
          ]}
        />
      </Panel>
      <ProofOfMfa request={request} isTheirs={isTheirs} href={invitation(tid, now)} />
    </>,
  )
}

const momentOf = ({ deps }: TenantRequest, seconds: number | undefined) =>
  seconds === undefined ? undefined : when(seconds * 1000, deps.clock.nowMs())

/** @param isTheirs an administrator of the tenant asserted it */
function ProofOfMfa({
  request,
  isTheirs,
  href,
}: {
  request: TenantRequest
  isTheirs: boolean
  href: string
}) {
  const { mfaProof, proofAssertedBy, proofAssertedAt } = request.administrator.tenant
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
        Operators cannot see your policies. A Global, Conditional Access or Security Administrator
        of your tenant asserts the proof for it.
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

/** Where the other tab ends, in which the administrator signed in again. */
export const freshPage = (request: TenantRequest): Response =>
  tenantPage(
    request,
    { title: 'You have signed in again', at: TENANT_HOME },
    <Panel class="narrow">
      <p>Close this tab and continue in the other tab. You have {FRESH_SECONDS / 60} minutes.</p>
    </Panel>,
  )
