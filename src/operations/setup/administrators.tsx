import type { Tenant } from '../../../db/types.ts'
import { isAnothers, tenantSettings } from '../../microsoft/tenants.ts'
import { TextField } from '../../pages/fields.tsx'
import { changes } from '../../protocol/changes.ts'
import { administratorRole, isAdministratorsSetting } from '../../protocol/tenant-administrators.ts'
import { Form, redirectTo, withSetupAudit, type SetupRequest } from './frame.tsx'
import type { Seen } from './seen.ts'

/**
 * The users of a customer's tenant who administer its users, in the console of that tenant only.
 * The setting is written as `cmb tenants change --administrators` takes it.
 */

export const mayHaveAdministrators = ({ deps }: SetupRequest, row: Tenant): boolean =>
  isAnothers(deps.connection.current(), row)

export function Administrators({ request, row }: { request: SetupRequest; row: Tenant }) {
  const role = administratorRole(row.administrators)
  return (
    <details>
      <summary>Choose who administers its users</summary>
      <p class="soft">
        {role === undefined
          ? 'Only operators see and sign out the users of this tenant.'
          : `Users with the ${role.includes(':') ? 'directory' : 'app'} role ${role.split(':').at(-1)}, at ${request.deps.config.issuer}/tenant.`}
      </p>
      <Form request={request} action={`/setup/tenants/${row.tid}/administrators`} button="Save">
        <TextField
          label="Users of this tenant who see, sign out and lock its users"
          name="administrators"
          value={row.administrators}
          maxlength={60}
          hint="app_role: those with the app role Broker.TenantAdministrator, assigned in their tenant. directory_role: and a template ID, such as directory_role:62e90394-69f5-4237-9190-012177145e10: those with that directory role, here the Global Administrator. Empty: only operators."
          literal
        />
      </Form>
    </details>
  )
}

export async function saveAdministrators(
  request: SetupRequest,
  { row }: Seen,
  form: URLSearchParams,
): Promise<Response> {
  const { deps, c } = request
  const administrators = form.get('administrators')?.trim().toLowerCase() || undefined
  const isValid = administrators === undefined || isAdministratorsSetting(administrators)
  if (!isValid || !mayHaveAdministrators(request, row))
    return redirectTo(c, `/setup/tenants/${row.tid}?result=no_role_id`)
  const changed = changes(tenantSettings(row), tenantSettings({ ...row, administrators }))
  await withSetupAudit(
    request,
    { act: 'tenant.change', target: `tenant ${row.tid}`, details: { changed } },
    () => deps.store.changeTenant({ tid: row.tid, change: { administrators } }),
  )
  return redirectTo(c, `/setup/tenants/${row.tid}?result=saved`)
}
