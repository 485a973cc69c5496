import type { Child } from 'hono/jsx'
import { appManifest, azureCliScript, registration } from '../../microsoft/registration.ts'
import { readAsset } from '../../pages/assets.ts'
import { LinkButton, Steps } from '../../pages/components.tsx'
import { setupPage, type SetupRequest } from './frame.tsx'

/** The values to register in Entra, to copy or as a script. */

const COPY = readAsset(import.meta.url, './copy.js')

const Value = ({ name, children }: { name: string; children: string }) => (
  <div class="row" data-copy={name}>
    <code>{children}</code>
  </div>
)

const Block = ({ name, children }: { name: string; children: string }) => (
  <div class="tight" data-copy={name}>
    <pre tabindex={0} role="region" aria-label={name}>
      <code>{children}</code>
    </pre>
  </div>
)

const Step = ({ title, children }: { title: string; children: Child }) => (
  <div class="tight">
    <h2>{title}</h2>
    {children}
  </div>
)

type Registration = ReturnType<typeof registration>

const connectionSteps = (values: Registration): Child[] => [
  <Step title="Entra ID, App registrations, New registration">
    <p>
      Name: <strong>Case Manager</strong>. Supported account types: “Accounts in this organizational
      directory only”, or, where several tenants will use this broker, “Accounts in any
      organizational directory”. Redirect URI: platform <strong>Web</strong>, and the first of
      these; add the second under Authentication.
    </p>
    {values.redirectUris.map((uri) => (
      <Value name={uri}>{uri}</Value>
    ))}
  </Step>,
  <Step title="Authentication, Front-channel logout URL">
    <Value name="the front-channel logout URL">{values.logoutUrl}</Value>
    <p class="soft">Do not tick the boxes for the implicit grant.</p>
  </Step>,
  <Step title="Certificates & secrets">
    <p>
      Add a certificate, or a client secret. The secret’s value is shown once: keep it for the next
      step of this set-up.
    </p>
  </Step>,
  <Step title="Token configuration, Add optional claim, token type ID">
    <Value name="the optional claims">{values.optionalClaims.join(', ')}</Value>
  </Step>,
]

const permissionSteps = (values: Registration): Child[] => [
  <Step title="API permissions, Microsoft Graph">
    <p>Delegated permissions:</p>
    <Value name="the delegated permissions">
      {values.delegated.map((one) => one.name).join(', ')}
    </Value>
    <p>Application permissions:</p>
    <ul class="bullets">
      {values.application.map((one) => (
        <li>
          <code>{one.name}</code> {one.why}
        </li>
      ))}
    </ul>
  </Step>,
  <Step title="App roles, Create app role">
    <p>Allowed member types: Users/Groups. Use exactly these values; choose the names yourself.</p>
    <ul class="bullets">
      {values.appRoles.map((role) => (
        <li>
          <code>{role.value}</code> {role.description}
        </li>
      ))}
    </ul>
  </Step>,
  <Step title="Enterprise applications, Case Manager">
    <p>
      Properties: “Assignment required?” Yes. Users and groups: assign every user of Case Manager
      with the role CaseManager.User, and yourself with Broker.Administrator too.
    </p>
  </Step>,
]

function ByScript({ request, several }: { request: SetupRequest; several: boolean }) {
  const { issuer, entra } = request.deps.config
  return (
    <>
      <h2>Or all of it with the Azure CLI</h2>
      <p>
        Signed in with <code>az login</code> to the tenant, in a shell (Azure Cloud Shell has both).
        It makes you an administrator of the broker and prints the three values that the next step
        asks for. For{' '}
        {several ? (
          <>
            several tenants. <a href="/setup/register">For one tenant</a>
          </>
        ) : (
          <>
            one tenant. <a href="/setup/register?tenants=several">For several</a>
          </>
        )}
        .
      </p>
      <Block name="the script">{azureCliScript(issuer, entra.authority, { several })}</Block>
      <details>
        <summary>The manifest alone</summary>
        <p class="soft">
          For the manifest editor, or for Microsoft Graph. `cmb entra manifest` prints it.
        </p>
        <Block name="the manifest">
          {JSON.stringify(appManifest(issuer, { several }), null, 2)}
        </Block>
      </details>
    </>
  )
}

export function registerPage(request: SetupRequest): Response {
  const { deps, c } = request
  const several = c.req.query('tenants') === 'several'
  const values = registration(deps.config.issuer)
  return setupPage(
    request,
    { title: 'Registering Case Manager in Microsoft Entra', script: COPY },
    <>
      <p>
        Do this in the Microsoft Entra admin center, as an Application Administrator or a Global
        Administrator: by hand, or with the script further below, which does all of it.
      </p>
      <Steps items={[...connectionSteps(values), ...permissionSteps(values)]} />
      <ByScript request={request} several={several} />
      <div class="row">
        <LinkButton href="/setup/connect">Enter what Entra gave you</LinkButton>
      </div>
    </>,
  )
}
