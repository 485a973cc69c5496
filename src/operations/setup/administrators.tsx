import { isAnothers, tenantSettings } from '../../microsoft/tenants.ts'
import { Answer, Button, Choices } from '../../pages/components.tsx'
import { TextField } from '../../pages/fields.tsx'
import { changes } from '../../protocol/changes.ts'
import { ROLE } from '../../protocol/names.ts'
import { APP_ROLE, isAdministratorsSetting } from '../../protocol/tenant-administrators.ts'
import { Form, redirectTo, withSetupAudit, type SetupRequest } from './frame.tsx'
import type { Seen } from './seen.ts'

/**
 * The users of a customer's tenant who administer its users, in the console of that tenant only.
 */

const DIRECTORY_ROLE = 'directory_role:'

export function Administrators({ request, seen: { row } }: { request: SetupRequest; seen: Seen }) {
  const { administrators: set } = row
  const id = set?.startsWith(DIRECTORY_ROLE) ? set.slice(DIRECTORY_ROLE.length) : undefined
  return (
    <Answer
      question="Do its own administrators manage its users?"
      is={set === undefined ? 'off' : 'yes'}
    >
      <p class="soft">
        {set === undefined
          ? 'Only operators see and sign out the users of this tenant.'
          : `Users with ${id === undefined ? `the app role ${ROLE.tenantAdministrator}` : `the directory role ${id}`}, at ${request.deps.config.issuer}/tenant.`}
      </p>
      <ChangeForm request={request} tid={row.tid} set={set} id={id} />
    </Answer>
  )
}

interface Chosen {
  request: SetupRequest
  tid: string
  set: string | undefined
  /** The id of the directory role that is set. */
  id: string | undefined
}

const ChangeForm = ({ request, tid, set, id }: Chosen) => (
  <details>
    <summary>Change who administers this tenant</summary>
    <Form request={request} action={`/setup/tenants/${tid}/administrators`}>
      <Choices
        legend="Users of this tenant see, sign out and lock its users if they have"
        name="who"
        options={[
          {
            value: '',
            label: 'No role: only operators do',
            hint: 'The console of this tenant is closed.',
          },
          {
            value: APP_ROLE,
            label: `The app role ${ROLE.tenantAdministrator}`,
            hint: 'Assigned in their tenant, under Enterprise applications.',
          },
          {
            value: DIRECTORY_ROLE,
            label: 'A directory role of their tenant',
            hint: 'Covers every user who has it. Enter its template ID below.',
          },
        ]}
        chosen={id === undefined ? (set ?? '') : DIRECTORY_ROLE}
      />
      <TextField
        label="Template ID of the directory role"
        name="role"
        value={id}
        maxlength={36}
        hint="For example 62e90394-69f5-4237-9190-012177145e10, the Global Administrator."
        literal
      />
      <div class="row">
        <Button>Save</Button>
      </div>
    </Form>
  </details>
)

/** Returns the chosen setting. Undefined if the form has no valid one. */
function settingOf(form: URLSearchParams): { administrators: string | undefined } | undefined {
  const who = form.get('who') ?? ''
  const administrators =
    who === DIRECTORY_ROLE ? who + (form.get('role') ?? '').trim().toLowerCase() : who
  if (administrators === '') return { administrators: undefined }
  return isAdministratorsSetting(administrators) ? { administrators } : undefined
}

export async function saveAdministrators(
  request: SetupRequest,
  { row }: Seen,
  form: URLSearchParams,
): Promise<Response> {
  const { deps, c } = request
  const change = settingOf(form)
  const isOpen = isAnothers(deps.connection.current(), row)
  if (change === undefined || !isOpen)
    return redirectTo(c, `/setup/tenants/${row.tid}?result=no_role_id`)
  const changed = changes(tenantSettings(row), tenantSettings({ ...row, ...change }))
  await withSetupAudit(
    request,
    { act: 'tenant.change', target: `tenant ${row.tid}`, details: { changed } },
    () => deps.store.changeTenant({ tid: row.tid, change }),
  )
  return redirectTo(c, `/setup/tenants/${row.tid}?result=saved`)
}
