import type { Tenant } from '../../../db/types.ts'
import { maxAuthenticationSeconds } from '../../clients/session/lifetimes.ts'
import { isAnothers, MAX_AUTHENTICATION, tenantSettings } from '../../microsoft/tenants.ts'
import { Answer, Button, Facts, HiddenFields, LinkButton } from '../../pages/components.tsx'
import { TextField } from '../../pages/fields.tsx'
import { changes } from '../../protocol/changes.ts'
import { administratorRole, isAdministratorsSetting } from '../../protocol/tenant-administrators.ts'
import { previewedAge } from '../acts/revocations.ts'
import { Form, nameOf, redirectTo, setupPage, withSetupAudit, type SetupRequest } from './frame.tsx'
import type { Seen } from './seen.ts'

/**
 * The settings of one tenant, as `cmb tenants change` has them: the age at which its users must
 * authenticate at Microsoft again, and who administers its users in the console of that tenant.
 */

const HOUR = 3600
const hours = (seconds: number | undefined): string =>
  seconds === undefined ? '' : String(Number((seconds / HOUR).toFixed(2)))

export function Settings({ request, row }: { request: SetupRequest; row: Tenant }) {
  const { connection, config } = request.deps
  const hasAdministrators = isAnothers(connection.current(), row)
  const role = administratorRole(row.administrators)
  return (
    <>
      <Limit request={request} row={row} />
      {hasAdministrators ? (
        <Answer
          question="Do its own administrators manage its users?"
          is={role === undefined ? 'off' : 'yes'}
        >
          <p class="soft">
            {role === undefined
              ? 'Only operators see and sign out the users of this tenant.'
              : `Users with the ${role.includes(':') ? 'directory' : 'app'} role ${role.split(':').at(-1)}, at ${config.issuer}/tenant.`}
          </p>
        </Answer>
      ) : null}
      <details>
        <summary>Change these settings</summary>
        <Form request={request} action={`/setup/tenants/${row.tid}/settings`}>
          <TextField
            label="Hours until its users must sign in at Microsoft again"
            name="hours"
            value={hours(row.maxAuthenticationSeconds)}
            maxlength={8}
            hint="At most 2160. Empty: this tenant has no limit of its own."
          />
          {hasAdministrators ? (
            <TextField
              label="Its own administrators"
              name="administrators"
              value={row.administrators}
              maxlength={60}
              hint="Users who see, sign out and lock its users: app_role for the app role Broker.TenantAdministrator, assigned in their tenant; or directory_role: and the template ID of a directory role, such as directory_role:62e90394-69f5-4237-9190-012177145e10, the Global Administrator. Empty: only operators."
              literal
            />
          ) : null}
          <div class="row">
            <Button>Save</Button>
          </div>
        </Form>
      </details>
    </>
  )
}

function Limit({ request: { deps }, row }: { request: SetupRequest; row: Tenant }) {
  const brokers = deps.config.sessionRules.maxAuthenticationSeconds
  const counts = maxAuthenticationSeconds(deps.config, row)
  return (
    <Answer
      question="Does the broker demand periodic re-entry?"
      is={counts === undefined ? 'off' : 'yes'}
    >
      <p class="soft">
        {counts === undefined
          ? 'Only Microsoft’s own policies make users sign in there again.'
          : `A session ends when the user’s authentication at Microsoft is ${hours(counts)} h old, and the next sign-in needs a newer one.`}
        {brokers === undefined
          ? null
          : ` The broker’s own limit is ${hours(brokers)} h (BROKER_MAX_AUTHENTICATION_AGE); the lower one counts.`}
      </p>
    </Answer>
  )
}

/** Returns the entered limit in seconds; NaN if it is not valid. */
function limitIn(form: URLSearchParams, { maxAuthenticationSeconds: set }: Tenant) {
  const typed = (form.get('hours') ?? '').trim().replace(',', '.')
  // The field shows two digits of the limit. Saving it unchanged must not round the limit.
  if (typed === hours(set)) return set
  return /^\d{1,4}(\.\d{1,3})?$/.test(typed)
    ? Math.round(Number(typed) * HOUR)
    : typed === ''
      ? undefined
      : Number.NaN
}

export async function saveSettings(
  request: SetupRequest,
  { row }: Seen,
  form: URLSearchParams,
): Promise<Response> {
  const { deps, c, now } = request
  const { tid } = row
  const back = (result: string) => redirectTo(c, `/setup/tenants/${tid}?result=${result}`)
  const limit = limitIn(form, row)
  const { least, most } = MAX_AUTHENTICATION
  if (limit !== undefined && !(limit >= least && limit <= most)) return back('no_limit')
  const administrators = isAnothers(deps.connection.current(), row)
    ? form.get('administrators')?.trim().toLowerCase() || undefined
    : row.administrators
  if (administrators !== undefined && !isAdministratorsSetting(administrators))
    return back('no_role_id')
  const change = { maxAuthenticationSeconds: limit, administrators }
  const changed = changes(tenantSettings(row), tenantSettings({ ...row, ...change }))
  const end =
    limit === row.maxAuthenticationSeconds
      ? undefined
      : await previewedAge(deps, { kind: 'tenant', tid }, limit, now)
  if (end !== undefined && end.sessions > 0 && form.get('typed')?.trim() !== tid)
    return checkPage(request, row, form, end)
  await withSetupAudit(
    request,
    { act: 'tenant.change', target: `tenant ${tid}`, details: { changed } },
    () => deps.store.changeTenant({ tid, change }),
  )
  return back('saved')
}

/**
 * The dry run of a limit that ends sessions at once. The administrator confirms it with the tenant
 * id.
 */
function checkPage(
  request: SetupRequest,
  row: Tenant,
  form: URLSearchParams,
  end: { sessions: number; subjects: number },
): Response {
  const { tid } = row
  const isWrong = form.has('typed')
  const entered = {
    hours: form.get('hours') ?? '',
    administrators: form.get('administrators') ?? '',
  }
  return setupPage(
    request,
    {
      title: 'Check before you save the limit',
      ...(isWrong && {
        status: 422,
        result: { kind: 'bad', title: `Nothing was changed: what was typed is not ${tid}.` },
      }),
    },
    <>
      <Facts
        items={[
          ['Tenant', nameOf(row)],
          ['New limit', `${entered.hours} h`],
          ['Sessions that end at once', String(end.sessions)],
          ['Their users', String(end.subjects)],
        ]}
      />
      <Form request={request} action={`/setup/tenants/${tid}/settings`}>
        <HiddenFields fields={entered} />
        <TextField
          name="typed"
          label={
            <>
              Type <code>{tid}</code> to sign them out
            </>
          }
          literal
          required
        />
        <div class="row">
          <Button kind="danger">Save</Button>
          <LinkButton href={`/setup/tenants/${tid}`} kind="quiet">
            Back
          </LinkButton>
        </div>
      </Form>
    </>,
  )
}
