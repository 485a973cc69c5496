import { Problem } from '../../audit/problem.ts'
import { readTenantId } from '../../microsoft/tenants.ts'
import { Choices, Notice } from '../../pages/components.tsx'
import { TextField } from '../../pages/fields.tsx'
import { ask } from '../contract/ask.ts'
import {
  callerOf,
  Form,
  makeOperatorTenant,
  redirectTo,
  setupPage,
  recordStep,
  type SetupRequest,
} from './frame.tsx'
import { CREDENTIALS, FIELDS, TYPED_BEFORE } from './texts/fields.ts'
import { nameIn, readConnection, tried } from './typed-connection.ts'
import { CONNECTION } from './texts/connect.ts'

/**
 * The form of the application's id and credential, and of tenants. It does not replace a working
 * credential by one that Entra rejects. A rejected form is shown again with what was typed; secrets
 * are kept sealed and never shown.
 */

/** A form that was rejected, and why. */
interface Rejected {
  problem: string
  form: URLSearchParams
}

type Typed = (name: string) => string | undefined
const typedIn =
  (rejected: Rejected | undefined): Typed =>
  (name) =>
    rejected?.form.get(name) || undefined

const about = (title: string, rejected: Rejected | undefined) =>
  rejected === undefined
    ? { title }
    : ({ title, status: 400, result: { kind: 'bad', title: rejected.problem } } as const)

export function connectPage(request: SetupRequest, rejected?: Rejected): Response {
  const current = request.deps.connection.current()
  const typed = typedIn(rejected)
  const secrets = Object.fromEntries(SECRETS.map((name) => [name, typed(name) ?? '']))
  return setupPage(
    request,
    about(CONNECTION.title, rejected),
    <>
      <Form request={request} action={CONNECT} typed={secrets} button="Save">
        <TextField
          {...FIELDS.client_id}
          name="client_id"
          literal
          value={typed('client_id') ?? current.clientId}
          required
        />
        <CredentialFields current={current} typed={typed} />
        {current.tenants.length > 0 ? null : (
          <>
            <TenantFields typed={typed} />
            <p class="soft small">{CONNECTION.first}</p>
          </>
        )}
      </Form>
    </>,
  )
}

export const CONNECT = '/setup/connect'
const SECRETS = ['client_secret', 'certificate'] as const

type Current = ReturnType<SetupRequest['deps']['connection']['current']>

function CredentialFields({
  current: { credential, credentialFrom },
  typed,
}: {
  current: Current
  typed: Typed
}) {
  if (credentialFrom === 'environment')
    return <Notice title={CONNECTION.fromSettings}>{CONNECTION.changeThere}</Notice>
  return (
    <>
      <Choices
        legend={CONNECTION.how}
        name="kind"
        chosen={typed('kind') ?? (credential === undefined ? 'secret' : 'keep')}
        options={[
          ...(credential === undefined
            ? []
            : [
                {
                  value: 'keep',
                  label: CONNECTION.before[credential.kind === 'pem' ? 'pem' : 'secret'],
                  hint: expiryOf(credential),
                },
              ]),
          ...CREDENTIALS,
        ]}
      />
      <TextField
        {...FIELDS.client_secret}
        {...(typed('client_secret') && { hint: TYPED_BEFORE })}
        name="client_secret"
        literal
        secret
      />
      <TextField
        {...FIELDS.secret_expires}
        name="secret_expires"
        literal
        value={typed('secret_expires')}
      />
      <TextField
        {...FIELDS.certificate}
        {...(typed('certificate') && { hint: TYPED_BEFORE })}
        name="certificate"
        literal
        lines={4}
      />
    </>
  )
}

const expiryOf = (credential: NonNullable<Current['credential']>): string | undefined =>
  credential.kind === 'secret' && credential.expiresAt !== undefined
    ? CONNECTION.expires(new Date(credential.expiresAt * 1000).toISOString().slice(0, 10))
    : undefined

const TenantFields = ({ typed }: { typed: Typed }) => (
  <>
    <TextField {...FIELDS.tid} name="tid" literal value={typed('tid')} required />
    <TextField {...FIELDS.name} name="name" value={typed('name')} />
  </>
)

/** Returns the former connection for the audit log: of the credential only its kind. */
function before({ deps }: SetupRequest): Record<string, string | null> {
  const { clientId, credential } = deps.connection.current()
  return { clientId: clientId ?? null, credential: credential?.kind ?? null }
}

export async function saveConnection(
  request: SetupRequest,
  form: URLSearchParams,
): Promise<Response> {
  const { deps, c } = request
  const read = readConnection(request, form)
  if ('problem' in read) return connectPage(request, { problem: read.problem, form })
  const problem = await tried(request, read)
  if (problem !== undefined) return connectPage(request, { problem, form })
  const { clientId, kept, first } = read
  await recordStep(
    request,
    {
      act: 'connection.change',
      details: { clientId, credential: kept?.kind ?? 'unchanged', before: before(request) },
    },
    () => deps.connection.change({ clientId, ...(kept && { credential: kept }) }),
  )
  deps.log.info('connection_changed', {
    microsoft_client_id: clientId,
    actor: request.caller.actor.id,
  })
  if (first === undefined) return redirectTo(c, '/setup')
  const operates = await noOperatorTenant(request)
  // A form that is sent twice finds the tenant connected.
  await addTenant(request, first, form)
  if (operates) await makeOperatorTenant(request, first)
  return redirectTo(c, `/setup/tenants/${first}`)
}

/**
 * Returns whether there is no operator tenant. A removed one counts as none, because its id may
 * have been mistyped.
 */
async function noOperatorTenant({ deps }: SetupRequest): Promise<boolean> {
  const { operatorTenant } = deps.connection.current()
  return (
    operatorTenant === undefined ||
    (await deps.store.findTenant(operatorTenant))?.removedAt !== undefined
  )
}

/** Connects a tenant. Returns the problem, or undefined. */
async function addTenant(
  request: SetupRequest,
  tid: string,
  form: URLSearchParams,
): Promise<string | undefined> {
  try {
    await ask(request, callerOf(request), 'POST /tenants', { tid, name: nameIn(form) })
    return undefined
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return error.message
  }
}

export const ADD_TENANT = '/setup/add-tenant'

export const addTenantPage = (request: SetupRequest, rejected?: Rejected): Response =>
  setupPage(
    request,
    about(CONNECTION.another, rejected),
    <>
      <p>{CONNECTION.several}</p>
      <Form request={request} action={ADD_TENANT} button="Connect">
        <TenantFields typed={typedIn(rejected)} />
      </Form>
    </>,
  )

export async function saveTenant(request: SetupRequest, form: URLSearchParams): Promise<Response> {
  const read = readTenantId(form.get('tid') ?? '')
  if ('problem' in read) return addTenantPage(request, { problem: read.problem, form })
  const problem = await addTenant(request, read.tid, form)
  return problem === undefined
    ? redirectTo(request.c, `/setup/tenants/${read.tid}`)
    : addTenantPage(request, { problem, form })
}
