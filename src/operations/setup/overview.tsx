import { Answer, LinkButton, Notice } from '../../pages/components.tsx'
import { operatorExists } from '../acts/setup-token.ts'
import { nameOf, setupPage, type SetupRequest } from './frame.tsx'
import { resultOf } from './results.tsx'
import { allSeen, type Seen } from './seen.ts'

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
      <Answer
        question="1. Is Case Manager registered in Entra?"
        is={application ? 'yes' : 'unknown'}
      >
        <div class="row">
          <LinkButton href="/setup/register" kind={application ? 'quiet' : 'primary'}>
            What to register
          </LinkButton>
        </div>
      </Answer>
      <Answer
        question="2. Does the broker know the application?"
        is={application && tenants.length > 0 ? 'yes' : 'no'}
      >
        <div class="row">
          <LinkButton href="/setup/connect" kind="quiet">
            {application ? 'Change the application or its credential' : 'Enter what Entra gave you'}
          </LinkButton>
        </div>
      </Answer>
      {tenants.map((seen) => (
        <TenantReady seen={seen} />
      ))}
      {application && tenants.length > 0 ? <CheckEverything connected={connected} /> : null}
      {connected ? <FirstSignIn request={request} operator={operator} /> : null}
      <Branding hasLogo={deps.config.look.logo !== undefined} />
    </>,
  )
}

const Branding = ({ hasLogo }: { hasLogo: boolean }) => (
  <Answer question="Do pages show your name and logo?" is={hasLogo ? 'yes' : 'off'}>
    <div class="row">
      <LinkButton href="/setup/branding" kind="quiet">
        Names, logo and color
      </LinkButton>
    </div>
  </Answer>
)

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
  return (
    <Answer question={`3. Is the tenant ready: ${nameOf(seen.row)}?`} is={is}>
      <p>{words}</p>
      <div class="row">
        <LinkButton
          href={`/setup/tenants/${seen.row.tid}`}
          kind={is === 'yes' ? 'quiet' : 'primary'}
          label={`Open ${nameOf(seen.row)}`}
        >
          Open
        </LinkButton>
      </div>
    </Answer>
  )
}

const CheckEverything = ({ connected }: { connected: boolean }) => (
  <Answer question="4. Does everything work?" is="unknown">
    <div class="row">
      <LinkButton href="/setup/checks" kind={connected ? 'primary' : 'quiet'}>
        Check everything
      </LinkButton>
      <LinkButton href="/setup/add-tenant" kind="quiet">
        Connect another tenant
      </LinkButton>
    </div>
  </Answer>
)

const FirstSignIn = ({ request, operator }: { request: SetupRequest; operator: boolean }) => (
  <Answer question="5. Has an administrator signed in?" is={operator ? 'yes' : 'no'}>
    <p>
      {operator
        ? 'An administrator has. Other users check their own readiness at the address below.'
        : 'Sign in as the first administrator of the broker: your account needs the app role Broker.Administrator (Enterprise applications, Case Manager, Users and groups). From then on this page requires that role, and setup tokens no longer work.'}
    </p>
    <div class="row">
      {operator ? null : (
        <LinkButton href="/ops/sign-in?return_to=/setup">Sign in as an administrator</LinkButton>
      )}
      <LinkButton href={`${request.deps.config.issuer}/account/ready`} kind="quiet">
        Check your own account
      </LinkButton>
    </div>
  </Answer>
)
