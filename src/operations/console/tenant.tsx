import { consentSetting, isDecided } from '../../microsoft/tenants.ts'
import { probePause } from '../../microsoft/probe-pause.ts'
import { Facts } from '../../pages/components.tsx'
import { nameOf } from '../checks/check.ts'
import { signInFilter } from '../acts/sign-ins.ts'
import { consolePage, More, nothingHere, Panel } from './layout.tsx'
import { lockList } from './locks.tsx'
import { Items } from './problems.tsx'
import { type ConsoleRequest, isAdministrator, linkOf, type Mounted } from './request.ts'
import { signInCountsPanel } from './sign-ins.tsx'
import { TenantActs, tenantsNow } from './tenants.tsx'
import { TENANT } from './texts/tenants.tsx'
import { Time } from './time.tsx'

/**
 * The page of one tenant: what is wrong with it, its set-up, who is locked, and its sign-ins.
 */

const MOST_LOCKS = 20

/** Shows how the tenant is set up, and who confirmed it. */
function SetUp({
  tenant,
  pause,
  isConsented,
  nowMs,
}: {
  tenant: Awaited<ReturnType<typeof tenantsNow>>[number]
  pause: Awaited<ReturnType<typeof probePause>>
  isConsented: boolean
  nowMs: number
}) {
  const at = (seconds: number | undefined) =>
    seconds === undefined ? undefined : <Time atMs={seconds * 1000} nowMs={nowMs} />
  const by = (who: string | undefined, seconds: number | undefined) =>
    seconds === undefined ? undefined : TENANT.by(who ?? TENANT.unnamed, at(seconds) ?? '')
  const { name, email, telephone, link } = tenant.helpContact ?? {}
  return (
    <Facts
      items={[
        ['Tenant ID', <code>{tenant.tid}</code>],
        ['Connected', at(tenant.connectedAt)],
        ['Operators', tenant.isOperators ? TENANT.operators : undefined],
        [
          'Consent',
          by(tenant.consentConfirmedBy, tenant.consentConfirmedAt) ??
            (isConsented ? TENANT.consented : TENANT.noConsent),
        ],
        ['Proof of MFA', isDecided(tenant) ? tenant.mfaProof : TENANT.noProof],
        ['Asserted', by(tenant.proofAssertedBy, tenant.proofAssertedAt)],
        ['Administrators', tenant.administrators ?? TENANT.noAdministrators],
        [
          'Help contact',
          [name, email, telephone, link].filter(Boolean).join(', ') || TENANT.noContact,
        ],
        [
          'Probe of Microsoft',
          pause === undefined ? TENANT.probes : TENANT.paused(at(pause.at) ?? ''),
        ],
      ]}
    />
  )
}

async function tenantPage(request: ConsoleRequest): Promise<Response> {
  const { deps, c, now } = request
  const { store } = deps
  const tid = c.req.param('tid') ?? ''
  const tenant = (await tenantsNow(request)).find((row) => row.tid === tid)
  if (tenant === undefined) return nothingHere(request, TENANT.unknown, '/tenants')
  const [pause, consented, locks, filter] = await Promise.all([
    probePause(store, tid),
    store.setting(consentSetting(tid)),
    store.listLocks({ state: 'open', kind: 'user', key: tid, limit: MOST_LOCKS }),
    signInFilter(deps, { tid }, now),
  ])
  return consolePage(
    request,
    { title: nameOf(tenant), at: '/tenants' },
    <>
      {tenant.problems.length === 0 ? null : (
        <Panel title={TENANT.wrong}>
          <Items request={request} problems={tenant.problems} />
        </Panel>
      )}
      <Panel>
        <SetUp
          tenant={tenant}
          pause={pause}
          isConsented={consented !== undefined}
          nowMs={deps.clock.nowMs()}
        />
        {isAdministrator(request) ? (
          <div class="row">
            <TenantActs tenant={tenant} />
          </div>
        ) : null}
      </Panel>
      <Panel title={TENANT.locked}>
        {await lockList(request, TENANT.locked, [
          ...(tenant.lock === undefined ? [] : [tenant.lock]),
          ...locks,
        ])}
      </Panel>
      {await signInCountsPanel(request, filter)}
      <More
        links={[
          [linkOf('/ops/sign-ins', { tenant: tid }), TENANT.rejected],
          [linkOf('/ops/audit', { target: `tenant ${tid}` }), TENANT.audit],
        ]}
      />
    </>,
  )
}

export const tenantRoutes: readonly Mounted[] = [
  { path: '/tenants/:tid', at: '/tenants', page: tenantPage },
]
