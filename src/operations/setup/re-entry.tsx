import { previewedAge } from '../acts/revocations.ts'
import { Answer, Button, Facts, HiddenFields, LinkButton } from '../../pages/components.tsx'
import { TextField } from '../../pages/fields.tsx'
import { MAX_AUTHENTICATION, tenantSettings } from '../../microsoft/tenants.ts'
import { changes } from '../../protocol/changes.ts'
import { maxAuthenticationSeconds } from '../../clients/session/lifetimes.ts'
import { Form, redirectTo, nameOf, withSetupAudit, setupPage, type SetupRequest } from './frame.tsx'
import type { Seen } from './seen.ts'
import type { Tenant } from '../../../db/types.ts'

/**
 * The limit after which users of one tenant must authenticate at Microsoft again, whatever
 * Microsoft demands.
 */

const HOUR = 3600
const hours = (seconds: number | undefined): string =>
  seconds === undefined ? '' : String(Number((seconds / HOUR).toFixed(2)))

export function ReEntry({ request, seen: { row } }: { request: SetupRequest; seen: Seen }) {
  const brokers = request.deps.config.sessionRules.maxAuthenticationSeconds
  const counts = maxAuthenticationSeconds(request.deps.config, row)
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
      <details>
        <summary>Change this tenant’s limit</summary>
        <Form request={request} action={`/setup/tenants/${row.tid}/re-entry`}>
          <TextField
            label="Hours"
            name="hours"
            value={hours(row.maxAuthenticationSeconds)}
            maxlength={8}
            hint="At most 2160. Empty: this tenant has no limit of its own."
          />
          <div class="row">
            <Button>Save the limit</Button>
          </div>
        </Form>
      </details>
    </Answer>
  )
}

/** Returns the entered limit in seconds. Undefined if it is not valid. */
function secondsOf(form: URLSearchParams): { seconds: number | undefined } | undefined {
  const typed = (form.get('hours') ?? '').trim().replace(',', '.')
  if (typed === '') return { seconds: undefined }
  const seconds = /^\d{1,4}(\.\d{1,3})?$/.test(typed)
    ? Math.round(Number(typed) * HOUR)
    : Number.NaN
  return seconds >= MAX_AUTHENTICATION.least && seconds <= MAX_AUTHENTICATION.most
    ? { seconds }
    : undefined
}

export async function saveReEntry(
  request: SetupRequest,
  { row }: Seen,
  form: URLSearchParams,
): Promise<Response> {
  const { deps, c, now } = request
  const limit = secondsOf(form)
  if (limit === undefined) return redirectTo(c, `/setup/tenants/${row.tid}?result=no_limit`)
  const end = await previewedAge(deps, { kind: 'tenant', tid: row.tid }, limit.seconds, now)
  const typed = form.get('typed')?.trim()
  if (end.sessions > 0 && typed !== row.tid)
    return checkPage(request, { row, typed, hours: (form.get('hours') ?? '').trim(), ...end })
  const change = { maxAuthenticationSeconds: limit.seconds }
  const changed = changes(tenantSettings(row), tenantSettings({ ...row, ...change }))
  await withSetupAudit(
    request,
    { act: 'tenant.change', target: `tenant ${row.tid}`, details: { changed } },
    () => deps.store.changeTenant({ tid: row.tid, change }),
  )
  return redirectTo(c, `/setup/tenants/${row.tid}?result=saved`)
}

interface Checked {
  row: Tenant
  /** The tenant id that the administrator entered to confirm. Undefined if not asked yet. */
  typed: string | undefined
  hours: string
  sessions: number
  subjects: number
}

/**
 * The dry run of a limit that ends sessions at once. The administrator confirms it with the tenant
 * id.
 */
const checkPage = (
  request: SetupRequest,
  { row, typed, hours: limit, sessions, subjects }: Checked,
): Response =>
  setupPage(
    request,
    {
      title: 'Check before you save the limit',
      ...(typed !== undefined && {
        status: 422,
        result: { kind: 'bad', title: `Nothing was changed: what was typed is not ${row.tid}.` },
      }),
    },
    <>
      <Facts
        items={[
          ['Tenant', nameOf(row)],
          ['New limit', `${limit} h`],
          ['Sessions that end at once', String(sessions)],
          ['Their users', String(subjects)],
        ]}
      />
      <Form request={request} action={`/setup/tenants/${row.tid}/re-entry`}>
        <HiddenFields fields={{ hours: limit }} />
        <TextField
          name="typed"
          label={
            <>
              Type <code>{row.tid}</code> to sign them out
            </>
          }
          literal
          required
        />
        <div class="row">
          <Button kind="danger">Save the limit</Button>
          <LinkButton href={`/setup/tenants/${row.tid}`} kind="quiet">
            Back
          </LinkButton>
        </div>
      </Form>
    </>,
  )
