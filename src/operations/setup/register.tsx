import type { Child } from 'hono/jsx'
import { azureCliScript, registration } from '../../microsoft/registration.ts'
import { Steps } from '../../pages/components.tsx'
import { setupPage, type SetupRequest } from './frame.tsx'
import { Links } from './steps.tsx'

/** The values to register in Entra: to copy, or as a script to download. */

export const REGISTER = '/setup/register'
export const SCRIPT = `${REGISTER}/script`

const Step = ({ title, children }: { title: string; children: Child }) => (
  <div class="tight">
    <h2>{title}</h2>
    {children}
  </div>
)

/** Values to copy. One click selects a whole value. */
const Values = ({ values }: { values: readonly string[] }) => (
  <>
    {values.map((value) => (
      <p>
        <code class="value">{value}</code>
      </p>
    ))}
  </>
)

const Explained = ({ items }: { items: readonly (readonly [value: string, words: string])[] }) => (
  <ul class="bullets">
    {items.map(([value, words]) => (
      <li>
        <code class="value">{value}</code> {words}
      </li>
    ))}
  </ul>
)

function stepsOf(values: ReturnType<typeof registration>): Child[] {
  return [
    <Step title="Entra ID, App registrations, New registration">
      <p>
        Name: <strong>Case Manager</strong>. Supported account types: “Accounts in this
        organizational directory only”, or, where several tenants will use this broker, “Accounts in
        any organizational directory”. Redirect URI: platform <strong>Web</strong>, and the first of
        these; add the second under Authentication.
      </p>
      <Values values={values.redirectUris} />
    </Step>,
    <Step title="Authentication, Front-channel logout URL">
      <Values values={[values.logoutUrl]} />
      <p class="soft">Do not tick the boxes for the implicit grant.</p>
    </Step>,
    <Step title="Certificates & secrets">
      <p>
        Add a certificate, or a client secret. The secret’s value is shown once: keep it for the
        next step of this set-up.
      </p>
    </Step>,
    <Step title="Token configuration, Add optional claim, token type ID">
      <Values values={[values.optionalClaims.join(', ')]} />
    </Step>,
    <Step title="API permissions, Microsoft Graph">
      <p>Delegated permissions:</p>
      <Values values={[values.delegated.map(({ name }) => name).join(', ')]} />
      <p>Application permissions:</p>
      <Explained items={values.application.map(({ name, why }) => [name, why])} />
    </Step>,
    <Step title="App roles, Create app role">
      <p>
        Allowed member types: Users/Groups. Use exactly these values; choose the names yourself.
      </p>
      <Explained items={values.appRoles.map((role) => [role.value, role.description])} />
    </Step>,
    <Step title="Enterprise applications, Case Manager">
      <p>
        Properties: “Assignment required?” Yes. Users and groups: assign every user of Case Manager
        with the role CaseManager.User, and yourself with Broker.Administrator too.
      </p>
    </Step>,
  ]
}

export const registerPage = (request: SetupRequest): Response =>
  setupPage(
    request,
    { title: 'Registering Case Manager in Microsoft Entra' },
    <>
      <p>
        Do this as an Application Administrator or a Global Administrator. Download the script for
        the Azure CLI and run it with <code>sh</code> where <code>az login</code> has signed you in
        (Azure Cloud Shell has both): it does every step below, makes you an administrator of the
        broker, and prints the three values that the next page asks for. Or follow the steps in the
        Microsoft Entra admin center.
      </p>
      <Links
        links={[
          ['Script for one tenant', SCRIPT],
          ['Script for several tenants', `${SCRIPT}?tenants=several`],
        ]}
      />
      <Steps items={stepsOf(registration(request.deps.config.issuer))} />
      <Links links={[['Enter what Entra gave you', '/setup/connect', true]]} />
    </>,
  )

export function scriptFile({ deps: { config }, c }: SetupRequest): Response {
  const several = c.req.query('tenants') === 'several'
  c.header('Content-Disposition', 'attachment; filename="register-case-manager.sh"')
  c.header('Cache-Control', 'no-store')
  return c.text(azureCliScript(config.issuer, config.entra.authority, { several }))
}
