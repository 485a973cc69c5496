import type { Tenant } from '../../../db/types.ts'
import { assertedByTenantSetting } from '../../microsoft/tenants.ts'
import { Facts, LinkButton, Notice } from '../../pages/components.tsx'
import { consolePage, Panel } from './layout.tsx'
import { when } from '../times.ts'
import { type ConsoleRequest } from './request.ts'
import { HOME } from './texts/tenant-home.ts'

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
    { title: name ?? HOME.yours, at: '' },
    <Panel title={HOME.title}>
      <p class="soft">{HOME.search}</p>
      <Facts
        items={[
          ['Tenant ID', <code>{tid}</code>],
          ['Connected', moment(connectedAt)],
          [HOME.assertedBy, isTheirs ? proofAssertedBy : undefined],
          ['Asserted', isTheirs ? moment(proofAssertedAt) : undefined],
        ]}
      />
      {isTheirs ? null : (
        <Notice kind="warn" title={HOME.notAsserted}>
          {HOME.whoAsserts}
        </Notice>
      )}
      <div class="row">
        <LinkButton href={invitation(tid, now)} kind="quiet">
          {HOME.consent}
        </LinkButton>
      </div>
    </Panel>,
  )
}
