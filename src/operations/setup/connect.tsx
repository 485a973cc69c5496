import { connectTenant, readTenantId, tenantState } from '../../microsoft/tenants.ts'
import { Button, Choices, Facts, Notice, Tick } from '../../pages/components.tsx'
import { changes } from '../../protocol/changes.ts'
import { dropDraft, draftOf, keepDraft } from './draft.ts'
import { TextField } from '../../pages/fields.tsx'
import {
  Form,
  redirectTo,
  operatorsBefore,
  withSetupAudit,
  setupPage,
  type SetupRequest,
} from './frame.tsx'
import { readConnection, tried } from './typed-connection.ts'

/**
 * The form of the application's id and credential, and of tenants. Secrets are never shown again.
 * It does not replace a working credential by one that Entra rejects, and keeps a draft until it is
 * saved.
 */

type Problem = string | undefined

const TYPED = ['client_id', 'kind', 'client_secret', 'certificate', 'tid', 'name'] as const

/** Keeps the draft of a rejected form: it had an error, or the sign-in was too old. */
export const keepConnection = (request: SetupRequest, form: URLSearchParams): Promise<void> =>
  keepDraft(request, form, TYPED)

export async function connectPage(request: SetupRequest, problem?: Problem): Promise<Response> {
  const draft = await draftOf(request)
  const current = request.deps.connection.current()
  return setupPage(
    request,
    {
      title: 'The application in Entra',
      status: problem === undefined ? 200 : 400,
      result: wrong(problem),
    },
    <>
      <Present current={current} />
      <Form request={request} action="/setup/connect">
        <TextField
          label="Application (client) id"
          name="client_id"
          literal
          value={draft?.client_id ?? current.clientId}
          hint="App registrations, Case Manager, Overview."
          required
        />
        <CredentialFields current={current} draft={draft} />
        {current.tenants.length > 0 ? null : <FirstTenantFields draft={draft} />}
        <div class="row">
          <Button>Save</Button>
        </div>
      </Form>
    </>,
  )
}

type Current = ReturnType<SetupRequest['deps']['connection']['current']>
type Draft = Awaited<ReturnType<typeof draftOf>>

function Present({
  current: { clientId, credential, credentialFrom, tenants },
}: {
  current: Current
}) {
  if (clientId === undefined && credential === undefined) return null
  return (
    <Facts
      items={[
        ['Application', clientId],
        [
          'Credential',
          credential === undefined
            ? 'none yet'
            : `${KIND[credential.kind]}, ${credentialFrom === 'environment' ? 'from the settings' : 'entered here'}`,
        ],
        ['Tenants', String(tenants.length)],
      ]}
    />
  )
}

function CredentialFields({
  current: { credential, credentialFrom },
  draft,
}: {
  current: Current
  draft: Draft
}) {
  if (credentialFrom === 'environment')
    return (
      <Notice title="The credential comes from the broker’s settings.">
        Change it there, then restart the broker.
      </Notice>
    )
  return (
    <>
      <Choices
        legend="How the broker authenticates"
        name="kind"
        chosen={draft?.kind ?? (credential === undefined ? 'secret' : 'keep')}
        options={[
          ...(credential === undefined
            ? []
            : [{ value: 'keep', label: 'What was entered before' }]),
          {
            value: 'secret',
            label: 'A client secret',
            hint: 'It expires after two years at most. Entra shows it once.',
          },
          {
            value: 'pem',
            label: 'A certificate',
            hint: 'The private key never leaves the broker: you upload the certificate to Entra.',
          },
        ]}
      />
      <TextField
        label="Client secret, its value"
        name="client_secret"
        literal
        secret
        hint={draft?.client_secret === undefined ? 'Not the “Secret ID”.' : TYPED_BEFORE}
      />
      <TextField
        label="Or private key and certificate, in PEM"
        name="certificate"
        literal
        lines={4}
        hint={draft?.certificate === undefined ? undefined : TYPED_BEFORE}
      />
    </>
  )
}

function FirstTenantFields({ draft }: { draft: Draft }) {
  return (
    <>
      <TextField
        label="Directory (tenant) id"
        name="tid"
        literal
        value={draft?.tid}
        hint="Entra ID, Overview. The users of this tenant will sign in."
        required
      />
      <TextField
        label="What you call the tenant"
        name="name"
        value={draft?.name}
        hint="For you and other operators, “Contoso” for instance."
      />
      <p class="soft small">
        The first tenant is also the operator tenant: its app roles Broker.Operator and
        Broker.Administrator count.
      </p>
    </>
  )
}

const TYPED_BEFORE = 'What you typed is kept for 15 minutes. Leave this empty to use it.'
const KIND = {
  secret: 'a client secret',
  pem: 'a certificate',
  certificate: 'a certificate file',
  federated: 'a federated token file',
} as const
const wrong = (problem: Problem) =>
  problem === undefined ? undefined : ({ kind: 'bad', title: problem } as const)

/** Returns the former connection for the audit log: of the credential only its kind. */
function before({ deps }: SetupRequest): Record<string, string | null> {
  const { clientId, credential } = deps.connection.current()
  return { clientId: clientId ?? null, credential: credential?.kind ?? null }
}

export async function saveConnection(
  request: SetupRequest,
  sent: URLSearchParams,
): Promise<Response> {
  const { deps, c } = request
  await keepConnection(request, sent)
  const form = new URLSearchParams(await draftOf(request))
  const read = readConnection(request, form)
  const problem = 'problem' in read ? read.problem : await tried(request, read)
  if ('problem' in read || problem !== undefined) return connectPage(request, problem)
  const { clientId, kept, first } = read
  await withSetupAudit(
    request,
    {
      act: 'connection.change',
      details: { clientId, credential: kept?.kind ?? 'unchanged', before: before(request) },
    },
    () => deps.connection.change({ clientId, ...(kept && { credential: kept }) }),
  )
  await dropDraft(request)
  deps.log.info('connection_changed', {
    microsoft_client_id: clientId,
    actor: request.visitor.actor.id,
  })
  if (first === undefined) return redirectTo(c, '/setup')
  await addTenant(request, {
    tid: first,
    name: nameIn(form),
    operators: await noOperatorTenant(request),
  })
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

const nameIn = (form: URLSearchParams): string | undefined =>
  (form.get('name') ?? '').trim().slice(0, 100) || undefined

async function addTenant(
  request: SetupRequest,
  { tid, name, operators }: { tid: string; name?: string | undefined; operators: boolean },
): Promise<'connected' | 'already'> {
  const { deps, visitor, now } = request
  const before = tenantState(await deps.store.findTenant(tid))
  const { answer } = await withSetupAudit(
    request,
    { act: 'tenant.add', target: `tenant ${tid}`, details: { name, operators } },
    async () => ({
      answer: await connectTenant(deps, { tid, name, actor: visitor.actor, now }),
      row: await deps.store.findTenant(tid),
    }),
    ({ row }) => ({ changed: changes(before, tenantState(row)) }),
  )
  if (operators)
    await withSetupAudit(
      request,
      { act: 'connection.operators', target: `tenant ${tid}`, details: operatorsBefore(request) },
      () => deps.connection.change({ operatorTenant: tid }),
    )
  return answer
}

export function addTenantPage(
  request: SetupRequest,
  problem?: Problem,
  typed?: URLSearchParams,
): Response {
  const { operatorTenant } = request.deps.connection.current()
  return setupPage(
    request,
    { title: 'Another tenant', status: problem === undefined ? 200 : 400, result: wrong(problem) },
    <>
      <p>
        For several tenants the app registration has to be “Accounts in any organizational
        directory”. Users of the new tenant cannot sign in before its administrator has consented
        and its proof of MFA is chosen.
      </p>
      <Form request={request} action="/setup/tenants">
        <TextField
          label="Directory (tenant) id"
          name="tid"
          literal
          value={typed?.get('tid') ?? undefined}
          hint="Its administrator finds it under Entra ID, Overview."
          required
        />
        <TextField
          label="What you call it"
          name="name"
          value={typed?.get('name') ?? undefined}
          hint="For you and other operators."
        />
        {operatorTenant === undefined ? (
          <Tick name="operators" label="This tenant’s users operate the broker" checked />
        ) : null}
        <div class="row">
          <Button>Connect</Button>
        </div>
      </Form>
    </>,
  )
}

export async function saveTenant(request: SetupRequest, form: URLSearchParams): Promise<Response> {
  const read = readTenantId(form.get('tid') ?? '')
  if ('problem' in read) return addTenantPage(request, read.problem, form)
  const operators =
    request.deps.connection.current().operatorTenant === undefined &&
    form.get('operators') === 'yes'
  const answer = await addTenant(request, { tid: read.tid, name: nameIn(form), operators })
  if (answer === 'already') return addTenantPage(request, 'That tenant is connected already.', form)
  return redirectTo(request.c, `/setup/tenants/${read.tid}`)
}
