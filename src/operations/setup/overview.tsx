import { Notice } from '../../pages/components.tsx'
import { operatorExists } from '../acts/setup-token.ts'
import { BRANDING } from './branding.tsx'
import { ADD_TENANT, CONNECT } from './connect.tsx'
import { nameOf, setupPage, type SetupRequest } from './frame.tsx'
import { REGISTER } from './register.tsx'
import { resultOf } from './results.tsx'
import { allSeen, type Seen } from './seen.ts'
import { Step } from './steps.tsx'
import { ADMINISTRATOR, HERE, READY, STEPS } from './texts/overview.ts'

/** The overview of the setup steps, their state and the next one. */

const stateOf = (seen: Seen): { is: 'yes' | 'no'; words: string } => {
  if (seen.proposedProof !== undefined) return { is: 'no', words: READY.mustAssert }
  if (!seen.decided)
    return {
      is: 'no',
      words: seen.row.consentConfirmedAt === undefined ? READY.both : READY.proof,
    }
  return { is: 'yes', words: READY.yes(seen.row.mfaProof) }
}

export async function overviewPage(request: SetupRequest): Promise<Response> {
  const { deps } = request
  const { clientId, credential } = deps.connection.current()
  const [tenants, operator] = await Promise.all([allSeen(deps.store), operatorExists(deps.store)])
  const application = clientId !== undefined && credential !== undefined
  const connected = tenants.length > 0 && tenants.every((tenant) => tenant.decided)
  return setupPage(
    request,
    { title: 'Setting up the connection to Microsoft', result: resultOf(request.c), home: true },
    <>
      <Differences differences={deps.connection.differences()} />
      <Step
        question={STEPS.registered}
        is={application ? 'yes' : 'unknown'}
        links={[[HERE.register, REGISTER, !application]]}
      />
      <Step
        question={STEPS.known}
        is={application && tenants.length > 0 ? 'yes' : 'no'}
        links={[[application ? HERE.change : HERE.enter, CONNECT]]}
      />
      {tenants.map((seen) => (
        <TenantReady seen={seen} />
      ))}
      {application && tenants.length > 0 ? (
        <Step question={STEPS.works} is="unknown" links={[[HERE.another, ADD_TENANT]]}>
          <p>{HERE.check}</p>
        </Step>
      ) : null}
      {connected ? <FirstSignIn issuer={deps.config.issuer} operator={operator} /> : null}
      <Step
        question={STEPS.brand}
        is={deps.config.look.logo === undefined ? 'off' : 'yes'}
        links={[[HERE.brand, BRANDING]]}
      />
    </>,
  )
}

const Differences = ({ differences }: { differences: readonly string[] }) =>
  differences.length === 0 ? null : (
    <Notice kind="warn" title={HERE.differ}>
      <ul class="bullets">
        {differences.map((words) => (
          <li>{words}</li>
        ))}
      </ul>
    </Notice>
  )

function TenantReady({ seen }: { seen: Seen }) {
  const { is, words } = stateOf(seen)
  const name = nameOf(seen.row)
  return (
    <Step
      question={STEPS.ready(name)}
      is={is}
      links={[[`Open ${name}`, `/setup/tenants/${seen.row.tid}`, is === 'no']]}
    >
      <p>{words}</p>
    </Step>
  )
}

const FirstSignIn = ({ issuer, operator }: { issuer: string; operator: boolean }) => (
  <Step
    question={STEPS.administrator}
    is={operator ? 'yes' : 'no'}
    links={[
      ...(operator ? [] : [[ADMINISTRATOR.signIn, '/ops/sign-in?return_to=/setup', true] as const]),
      [ADMINISTRATOR.check, `${issuer}/account/ready`],
    ]}
  >
    <p>{operator ? ADMINISTRATOR.yes : ADMINISTRATOR.no}</p>
  </Step>
)
