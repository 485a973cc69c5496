import type { Child } from 'hono/jsx'
import { azureCliScript, registration } from '../../microsoft/registration.ts'
import { Steps } from '../../pages/components.tsx'
import { setupPage, type SetupRequest } from './frame.tsx'
import { Links } from './steps.tsx'
import { REGISTER_STEPS } from './texts/register.ts'
import { howTo, REGISTRATION } from './texts/registration.tsx'

/** The values to register in Entra: to copy, or as a script to download. */

export const REGISTER = '/setup/register'
export const SCRIPT = `${REGISTER}/script`

type Step = keyof typeof REGISTER_STEPS

/** Returns the values of each step, with what each is for. One click selects a whole value. */
const valuesOf = (
  values: ReturnType<typeof registration>,
): Record<Step, readonly (readonly [value: string, words?: string])[]> => ({
  redirectUris: values.redirectUris.map((uri) => [uri]),
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
    { title: REGISTRATION.title },
    <>
      <p>{howTo}</p>
      <Links
        links={[
          [REGISTRATION.one, SCRIPT],
          [REGISTRATION.several, `${SCRIPT}?tenants=several`],
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
