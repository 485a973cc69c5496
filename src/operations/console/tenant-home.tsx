import type { Tenant } from '../../../db/types.ts'
import { assertedByTenantSetting } from '../../microsoft/tenants.ts'
import { Facts, LinkButton, Notice } from '../../pages/components.tsx'
import { consolePage, Panel } from './layout.tsx'
import { when } from '../times.ts'
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
  const { tid, name, connectedAt, proofAssertedAt, proofAssertedBy } = tenant
  // The name of an operator who asserted the proof is not shown to the tenant.
  const isTheirs =
    (await deps.store.setting(assertedByTenantSetting(tid))) === String(proofAssertedAt)
  const moment = (seconds: number | undefined) =>
    seconds === undefined ? undefined : when(seconds * 1000, deps.clock.nowMs())
  return consolePage(
    request,
    { title: name ?? 'Your organization', at: '' },
    <Panel title="Your tenant">
      <p class="soft">
        Search above for a user of your organization to see their sessions, sign them out or lock
        them. The page Sessions lists who is signed in now.
      </p>
      <Facts
        items={[
          ['Tenant ID', <code>{tid}</code>],
          ['Connected', moment(connectedAt)],
          ['Proof of MFA asserted by', isTheirs ? proofAssertedBy : undefined],
          ['Asserted', isTheirs ? moment(proofAssertedAt) : undefined],
        ]}
      />
      {isTheirs ? null : (
        <Notice
          kind="warn"
          title="No administrator of your tenant has asserted that a policy demands MFA."
        >
          Operators of Case Manager cannot see the policies of your tenant. So a Global, Conditional
          Access or Security Administrator of the tenant asserts that one of them demands MFA.
        </Notice>
      )}
      <div class="row">
        <LinkButton href={invitation(tid, now)} kind="quiet">
          Consent and proof of MFA
        </LinkButton>
      </div>
    </Panel>,
  )
}
