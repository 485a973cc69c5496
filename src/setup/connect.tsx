import { problemOfPem } from '../microsoft/administration.ts'
import { connectTenant, readTenantId } from '../microsoft/tenants.ts'
import { isGuid } from '../protocol/guid.ts'
import { Button, Choices, Facts, Notice, Tick } from '../page/components.tsx'
import { Field, Form, goOn, recorded, setupPage, type Visit } from './frame.tsx'

/** The application's id and credential, and tenants. Secrets go in and never come out again. */

type Problem = string | undefined

export function connectPage(visit: Visit, problem?: Problem): Response {
  const { connection } = visit.deps
  const { clientId, credential, credentialFrom, tenants } = connection.current()
  return setupPage(
    visit,
    { title: 'The application in Entra', status: problem === undefined ? 200 : 400, said: wrong(problem) },
    <>
      {clientId === undefined && credential === undefined ? null : (
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
      )}
      <Form visit={visit} action="/setup/connect">
        <Field label="Application (client) id" name="client_id" value={clientId} hint="App registrations, Case Manager, Overview." required />
        {credentialFrom === 'environment' ? (
          <Notice title="The credential comes from the broker’s settings.">It is changed there, and the broker is started again.</Notice>
        ) : (
          <>
            <Choices
              legend="What the broker proves itself with"
              name="kind"
              chosen={credential === undefined ? 'secret' : 'keep'}
              options={[
                ...(credential === undefined ? [] : [{ value: 'keep', label: 'What was entered before' }]),
                { value: 'secret', label: 'A client secret', hint: 'It ends after two years at most. Entra shows it once.' },
                { value: 'pem', label: 'A certificate', hint: 'Nothing secret was ever at Entra: its public half is uploaded there.' },
              ]}
            />
            <Field label="Client secret, its value" name="client_secret" secret hint="Not the “Secret ID”." />
            <Field label="Or private key and certificate, in PEM" name="certificate" lines={4} />
          </>
        )}
        {tenants.length > 0 ? null : (
          <>
            <Field label="Directory (tenant) id" name="tid" hint="Entra ID, Overview. The users of this tenant will sign in." required />
            <Field label="What you call the tenant" name="name" hint="For you and other operators, “Contoso” for instance." />
            <p class="soft small">The first tenant is also the operators’: its app roles Broker.Operator and Broker.Administrator count.</p>
          </>
        )}
        <div class="row">
          <Button>Save</Button>
        </div>
      </Form>
    </>,
  )
}

const KIND = { secret: 'a client secret', pem: 'a certificate', certificate: 'a certificate file', federated: 'a federated token file' } as const
const wrong = (problem: Problem) => (problem === undefined ? undefined : ({ kind: 'bad', title: problem } as const))

export async function saveConnection(visit: Visit, form: URLSearchParams): Promise<Response> {
  const { deps, c } = visit
  const clientId = (form.get('client_id') ?? '').trim().toLowerCase()
  if (!isGuid(clientId)) return connectPage(visit, 'The application (client) id is a GUID: App registrations, Case Manager, Overview.')
  const first = deps.connection.current().tenants.length === 0 ? readTenantId(form.get('tid') ?? '') : undefined
  if (first !== undefined && 'problem' in first) return connectPage(visit, first.problem)
  const credential = readCredential(visit, form)
  if ('problem' in credential) return connectPage(visit, credential.problem)
  await recorded(visit, { act: 'connection.change', details: { clientId, credential: credential.kept?.kind ?? 'unchanged' } }, () =>
    deps.connection.change({ clientId, ...(credential.kept && { credential: credential.kept }) }),
  )
  deps.log.info('connection_changed', { microsoft_client_id: clientId, actor: visit.visitor.actor.id })
  if (first === undefined) return goOn(c, '/setup')
  await addTenant(visit, { tid: first.tid, name: nameIn(form), operators: deps.connection.current().operatorTenant === undefined })
  return goOn(c, `/setup/tenants/${first.tid}`)
}

const nameIn = (form: URLSearchParams): string | undefined => (form.get('name') ?? '').trim().slice(0, 100) || undefined

type Kept = { kind: 'secret'; secret: string } | { kind: 'pem'; pem: string }

function readCredential({ deps, now }: Visit, form: URLSearchParams): { kept: Kept | undefined } | { problem: string } {
  const { credential, credentialFrom } = deps.connection.current()
  if (credentialFrom === 'environment') return { kept: undefined }
  const kind = form.get('kind')
  if (kind === 'keep' && credential !== undefined) return { kept: undefined }
  if (kind === 'pem') {
    const pem = (form.get('certificate') ?? '').trim()
    const problem = problemOfPem(pem, now * 1000)
    return problem === undefined ? { kept: { kind, pem } } : { problem }
  }
  const secret = (form.get('client_secret') ?? '').trim()
  if (secret === '') return { problem: 'Enter the value of the client secret, or a certificate.' }
  // Entra shows both, and the wrong one is a GUID.
  if (isGuid(secret.toLowerCase())) return { problem: 'That is the “Secret ID”. Enter the “Value” that Entra showed once beside it.' }
  return { kept: { kind: 'secret', secret } }
}

async function addTenant(
  visit: Visit,
  { tid, name, operators }: { tid: string; name?: string | undefined; operators: boolean },
): Promise<'connected' | 'already'> {
  const { deps, visitor, now } = visit
  const answer = await recorded(visit, { act: 'tenant.add', target: `tenant ${tid}`, details: { name, operators } }, () =>
    connectTenant(deps, { tid, name, actor: visitor.actor, now }),
  )
  if (operators)
    await recorded(visit, { act: 'connection.operators', target: `tenant ${tid}` }, () => deps.connection.change({ operatorTenant: tid }))
  return answer
}

export function addTenantPage(visit: Visit, problem?: Problem): Response {
  const { operatorTenant } = visit.deps.connection.current()
  return setupPage(
    visit,
    { title: 'Another tenant', status: problem === undefined ? 200 : 400, said: wrong(problem) },
    <>
      <p>
        For several tenants the app registration has to be “Accounts in any organizational directory”. Nobody of the new tenant gets in before its
        administrator has consented and its proof of MFA is chosen.
      </p>
      <Form visit={visit} action="/setup/tenants">
        <Field label="Directory (tenant) id" name="tid" hint="Its administrator finds it under Entra ID, Overview." required />
        <Field label="What you call it" name="name" hint="For you and other operators." />
        {operatorTenant === undefined ? <Tick name="operators" label="This tenant’s users operate the broker" checked /> : null}
        <div class="row">
          <Button>Connect</Button>
        </div>
      </Form>
    </>,
  )
}

export async function saveTenant(visit: Visit, form: URLSearchParams): Promise<Response> {
  const read = readTenantId(form.get('tid') ?? '')
  if ('problem' in read) return addTenantPage(visit, read.problem)
  const operators = visit.deps.connection.current().operatorTenant === undefined && form.get('operators') === 'yes'
  const answer = await addTenant(visit, { tid: read.tid, name: nameIn(form), operators })
  if (answer === 'already') return addTenantPage(visit, 'That tenant is connected already.')
  return goOn(visit.c, `/setup/tenants/${read.tid}`)
}
