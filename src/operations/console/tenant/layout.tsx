import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import type { TenantAdministrator } from '../../../clients/session/tenant-administrator.ts'
import type { Deps } from '../../deps.ts'
import { HiddenFields, LinkButton, PageLinks } from '../../../pages/components.tsx'
import { readAsset, styleSheet } from '../../../pages/assets.ts'
import { CSRF_FIELD, csrfHolds, csrfToken } from '../../../pages/csrf.ts'
import { page } from '../../../pages/layout.tsx'
import { TENANT_CONSOLE } from '../../../pages/places.ts'
import { Panel } from '../layout.tsx'
import { whoIs } from '../format.ts'

/**
 * What the pages for the administrator of a tenant share. They show nothing that is not of that
 * tenant.
 */

export const TENANT_HOME = TENANT_CONSOLE
/** The public listener has an address of its own for it. */
export const TENANT_SHEET = styleSheet(
  `${TENANT_HOME}/assets/console.css`,
  readAsset(import.meta.url, '../console.css'),
)

export interface TenantRequest {
  deps: Deps
  c: Context
  now: number
  administrator: TenantAdministrator
}

const WAYS = [
  [TENANT_HOME, 'Overview'],
  ['/tenant/users', 'Users'],
  ['/tenant/sessions', 'Sessions'],
  ['/tenant/locks', 'Locks'],
  ['/tenant/revocations', 'Revocations'],
  ['/tenant/audit', 'Audit'],
] as const
export type TenantWay = (typeof WAYS)[number][0]

const purpose = ({ session }: TenantAdministrator): string => `tenant ${session.sid}`
const formToken = ({ deps, c, administrator }: TenantRequest): string =>
  csrfToken(deps, c, purpose(administrator))
export const formHolds = (
  { deps, c, administrator }: TenantRequest,
  form: URLSearchParams,
): boolean => csrfHolds(deps, c, purpose(administrator), form.get(CSRF_FIELD) ?? undefined)
/** What each form of these pages has, and its own fields. */
export const Hidden = ({
  request,
  fields = {},
}: {
  request: TenantRequest
  fields?: Record<string, string>
}) => <HiddenFields fields={{ [CSRF_FIELD]: formToken(request), ...fields }} />

function Nav({ request, at }: { request: TenantRequest; at: TenantWay }) {
  const { session, tenant } = request.administrator
  return (
    <>
      <nav aria-label="Console">
        <div class="across">
          <PageLinks links={WAYS} at={at} />
        </div>
        <details class="menu">
          <summary>Menu</summary>
          <PageLinks links={WAYS} at={at} />
        </details>
      </nav>
      <div class="who">
        <span>
          {session.user.name ?? whoIs(session)}
          <small>administrator of {tenant.name ?? 'your organization'}</small>
        </span>
        <LinkButton href="/account" kind="quiet" small>
          Your account
        </LinkButton>
      </div>
    </>
  )
}

export function tenantPage(
  request: TenantRequest,
  { title, at, status }: { title: string; at: TenantWay; status?: 200 | 400 | 403 | 404 | 422 },
  children: Child,
): Response {
  const { deps, c } = request
  return page(
    c,
    {
      title,
      status,
      desk: { nav: <Nav request={request} at={at} />, sheet: TENANT_SHEET.href },
      config: deps.config,
    },
    children,
  )
}

/**
 * Nothing of that name in this tenant, whether or not another tenant has it; or an act that is not
 * done.
 */
export const nothingOfTenant = (
  request: TenantRequest,
  what: string,
  at: TenantWay = TENANT_HOME,
  status: 400 | 403 | 404 | 422 = 404,
): Response =>
  tenantPage(
    request,
    { title: status === 404 ? 'Nothing here' : 'That was not done', at, status },
    <Panel class="narrow">
      <p>{what}</p>
      <div class="row">
        <LinkButton href={at} kind="quiet">
          Back
        </LinkButton>
      </div>
    </Panel>,
  )
