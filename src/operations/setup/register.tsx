import type { Child } from 'hono/jsx'
import { azureCliScript, registration } from '../../microsoft/registration.ts'
import { Steps } from '../../pages/components.tsx'
import { setupPage, type SetupRequest } from './frame.tsx'
import { Links } from './steps.tsx'
import { REGISTER_STEPS } from './texts/register.ts'

/** The values to register in Entra: to copy, or as a script to download. */

export const REGISTER = '/setup/register'
export const SCRIPT = `${REGISTER}/script`

type Step = keyof typeof REGISTER_STEPS

/** Returns the values of each step, with what each is for. One click selects a whole value. */
const valuesOf = (
  values: ReturnType<typeof registration>,
): Record<Step, readonly (readonly [value: string, words?: string])[]> => ({
  redirectUris: values.redirectUris.map((one) => [one]),
  logoutUrl: [[values.logoutUrl]],
  credential: [],
  optionalClaims: [[values.optionalClaims.join(', ')]],
  delegated: [[values.delegated.map(({ name }) => name).join(', ')]],
  application: values.application.map(({ name, why }) => [name, why]),
  appRoles: values.appRoles.map(({ value, description }) => [value, description]),
  assignment: [],
})

const stepsOf = (values: ReturnType<typeof registration>): Child[] =>
  Object.entries(valuesOf(values)).map(([step, items]) => {
    const [where, words] = REGISTER_STEPS[step as Step]
    return (
      <div class="tight">
        <h2>{where}</h2>
        <p>{words}</p>
        {items.map(([value, of]) => (
          <p>
            <code class="value">{value}</code> {of}
          </p>
        ))}
      </div>
    )
  })

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
