import { isAnothers } from '../../microsoft/tenants.ts'
import { TextField } from '../../pages/fields.tsx'
import { administratorRole, isAdministratorsSetting } from '../../protocol/tenant-administrators.ts'
import { ask } from '../contract/ask.ts'
import { callerOf, Form, redirectTo, type SetupRequest } from './frame.tsx'
import type { Seen } from './seen.ts'
import { FIELDS } from './texts/fields.ts'
import { nameIn } from './typed-connection.ts'
import { SETTINGS } from './texts/tenant.ts'

/**
 * The name of a tenant, and the users of a customer's tenant who administer its users in the console
 * of that tenant only. Both are written as `cmb tenants change` takes them.
 */

export function Settings({ request, seen: { row } }: { request: SetupRequest; seen: Seen }) {
  const { connection, config } = request.deps
  const role = administratorRole(row.administrators)
  return (
    <details>
      <summary>{SETTINGS.title}</summary>
      <Form request={request} action={`/setup/tenants/${row.tid}/settings`} button="Save">
        <TextField {...FIELDS.name} name="name" value={row.name} maxlength={100} required />
        {isAnothers(connection.current(), row) ? (
          <>
            <p class="soft">
              {role === undefined
                ? SETTINGS.operatorsOnly
                : SETTINGS.administeredBy(role, config.issuer)}
            </p>
            <TextField
              {...FIELDS.administrators}
              name="administrators"
              value={row.administrators}
              maxlength={60}
              literal
            />
          </>
        ) : null}
      </Form>
    </details>
  )
}

export async function saveSettings(
  request: SetupRequest,
  { row }: Seen,
  form: URLSearchParams,
): Promise<Response> {
  const { deps, c } = request
  const typed = form.get('administrators')?.trim().toLowerCase()
  const page = `/setup/tenants/${row.tid}`
  if (typed && !(isAnothers(deps.connection.current(), row) && isAdministratorsSetting(typed)))
    return redirectTo(c, `${page}?result=no_role_id`)
  await ask(request, callerOf(request), 'PATCH /tenants/:tid', {
    tid: row.tid,
    name: nameIn(form),
    // The page of the operator tenant has no such field.
    ...(typed !== undefined && { administrators: typed || null }),
  })
  return redirectTo(c, `${page}?result=saved`)
}
