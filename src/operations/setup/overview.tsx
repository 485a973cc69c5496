import { Notice } from '../../pages/components.tsx'
import { operatorExists } from '../acts/setup-token.ts'
import { BRANDING } from './branding.tsx'
import { ADD_TENANT, CONNECT } from './connect.tsx'
import { nameOf, setupPage, type SetupRequest } from './frame.tsx'
import { REGISTER } from './register.tsx'
import { resultOf } from './results.tsx'
import { allSeen, type Seen } from './seen.ts'
import { Step } from './steps.tsx'

/** The overview of the setup steps, their state and the next one. */

const stateOf = (seen: Seen): { is: 'yes' | 'no'; words: string } => {
  if (seen.proposedProof !== undefined)
    return { is: 'no', words: 'Its administrator must assert the proof of MFA.' }
  if (!seen.decided)
    return {
      is: 'no',
      words:
        seen.row.consentConfirmedAt === undefined
          ? 'Consent and proof of MFA remain.'
          : 'The proof of MFA remains.',
    }
  return { is: 'yes', words: `Its users can sign in; MFA is proved by ${seen.row.mfaProof}.` }
}

export async function overviewPage(request: SetupRequest): Promise<Response> {
  const { deps } = request
  const { clientId, credential } = deps.connection.current()
  const [tenants, operator] = await Promise.all([allSeen(deps.store), operatorExists(deps.store)])
  const application = clientId !== undefined && credential !== undefined
  const connected = tenants.length > 0 && tenants.every((one) => one.decided)
  return setupPage(
    request,
    { title: 'Setting up the connection to Microsoft', result: resultOf(request.c), home: true },
    <>
      <Differences differences={deps.connection.differences()} />
      <Step
        question="1. Is Case Manager registered in Entra?"
        is={application ? 'yes' : 'unknown'}
        links={[['What to register', REGISTER, !application]]}
      />
      <Step
        question="2. Does the broker know the application?"
        is={application && tenants.length > 0 ? 'yes' : 'no'}
        links={[
          [
            application ? 'Change the application or its credential' : 'Enter what Entra gave you',
            CONNECT,
          ],
        ]}
      />
      {tenants.map((seen) => (
        <TenantReady seen={seen} />
      ))}
      {application && tenants.length > 0 ? (
        <Step
          question="4. Does everything work?"
          is="unknown"
          links={[
            ['Check everything', '/setup/checks', connected],
            ['Connect another tenant', ADD_TENANT],
          ]}
        />
      ) : null}
      {connected ? <FirstSignIn issuer={deps.config.issuer} operator={operator} /> : null}
      <Step
        question="Do pages show your name and logo?"
        is={deps.config.look.logo === undefined ? 'off' : 'yes'}
        links={[['Names, logo and color', BRANDING]]}
      />
    </>,
  )
}

const Differences = ({ differences }: { differences: readonly string[] }) =>
  differences.length === 0 ? null : (
    <Notice kind="warn" title="The settings differ from the connection in use">
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
      question={`3. Is the tenant ready: ${name}?`}
      is={is}
      links={[[`Open ${name}`, `/setup/tenants/${seen.row.tid}`, is === 'no']]}
    >
      <p>{words}</p>
    </Step>
  )
}

const FirstSignIn = ({ issuer, operator }: { issuer: string; operator: boolean }) => (
  <Step
    question="5. Has an administrator signed in?"
    is={operator ? 'yes' : 'no'}
    links={[
      ...(operator
        ? []
        : [['Sign in as an administrator', '/ops/sign-in?return_to=/setup', true] as const]),
      ['Check your own account', `${issuer}/account/ready`],
    ]}
  >
    <p>
      {operator
        ? 'An administrator has. Other users check their own readiness at the address below.'
        : 'Sign in as the first administrator of the broker: your account needs the app role Broker.Administrator (Enterprise applications, Case Manager, Users and groups). From then on this page requires that role, and setup tokens no longer work.'}
    </p>
  </Step>
)
