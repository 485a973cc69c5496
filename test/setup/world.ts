import { expect, onTestFinished } from 'vitest'
import { type Entra, startEntra } from '../../demo/entra/entra.ts'
import { APP_CLIENT_ID, APP_CLIENT_SECRET, CONTOSO, FABRIKAM } from '../../demo/entra/users.ts'
import type { Config } from '../../src/config/config.ts'
import { createMicrosoft } from '../../src/microsoft/microsoft.ts'
import { newSetupToken } from '../../src/operations/acts/setup-token.ts'
import { type Browser, browserAt, type Fetch, type Page } from '../browser.ts'
import { createRig, ISSUER, type Rig } from '../rig.ts'

/**
 * A new broker, the simulated Microsoft, and a browser that follows pages and redirects between the
 * broker's two listeners and Microsoft.
 */

export const OPS = 'http://localhost:7401'
export { APP_CLIENT_ID, APP_CLIENT_SECRET, CONTOSO, FABRIKAM }
export const ADAM = 'adam@contoso.example'
export const ALICE = 'alice@contoso.example'

export async function createWorld(changes: Partial<Config> = {}) {
  // The simulator's libraries use the machine's clock, so this one can only be set ahead of it.
  const clock = {
    ahead: 0,
    now: () => Math.floor(clock.nowMs() / 1000),
    nowMs: () => Date.now() + clock.ahead * 1000,
    steadyMs: () => clock.nowMs(),
    elapsedMs: () => clock.nowMs(),
  }
  const entra = await startEntra({
    port: 0,
    apps: [{ redirectUris: [`${ISSUER}/signin/callback`, `${ISSUER}/logout/return`] }],
  })
  onTestFinished(() => entra.close())
  entra.set({ consent: { [CONTOSO.tid]: 'admin', [FABRIKAM.tid]: 'admin' } })
  const config = {
    entra: {
      tenants: [],
      clientId: undefined,
      credential: undefined,
      authority: entra.authority,
      simulated: true,
    },
    operatorTenant: undefined,
    ...changes,
  }
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const connection = () => rig.deps.connection.current()
  const microsoft = createMicrosoft({
    config: { ...config, issuer: ISSUER },
    connection,
    clock,
    log,
  })
  const rig: Rig = await createRig({ config, deps: { clock, microsoft } })
  const browser = createBrowser(rig, entra)
  const token = async (): Promise<string> =>
    (await newSetupToken(rig.deps, clock.now()))?.token ?? 'there is an operator'
  return { rig, entra, clock, browser, token }
}
export type World = Awaited<ReturnType<typeof createWorld>>

/** Returns a browser for both listeners and Microsoft. */
export function createBrowser(rig: Rig, entra: Entra): Browser {
  const apps: Record<string, { request: Fetch }> = {
    [ISSUER]: rig.app,
    [OPS]: rig.opsApp,
    [entra.origin]: { request: fetch },
  }
  const reached = (address: string): { request: Fetch } =>
    apps[new URL(address).origin] ?? expect.fail(`This browser reaches nothing at ${address}`)
  return browserAt(rig, {
    at: OPS,
    fetch: (address, init) => reached(address).request(address, init),
    follows: () => true,
  })
}

/** Enters /setup with a token. */
export async function enter({ browser, token }: World): Promise<Page> {
  return browser.submitTo(await browser.get('/setup'), '/setup/token', { token: await token() })
}

/** Connects the application and the first tenant, with the values of Entra's pages. */
export async function connect(world: World): Promise<Page> {
  await enter(world)
  return world.browser.submitTo(await world.browser.get('/setup/connect'), '/setup/connect', {
    client_id: APP_CLIENT_ID,
    client_secret: APP_CLIENT_SECRET,
    tid: CONTOSO.tid,
  })
}

export const tenantPath = (tid = CONTOSO.tid): string => `/setup/tenants/${tid}`

/** Opens the tenant's page from its page at /setup. */
export const tenantsPage = async ({ browser }: World, tid = CONTOSO.tid): Promise<Page> =>
  browser.press(await browser.get(OPS + tenantPath(tid)), 'Continue as its administrator')

/** Gives consent and confirms it as Contoso's own administrator. */
export async function consented(world: World): Promise<Page> {
  await connect(world)
  world.entra.auto(ADAM)
  return world.browser.press(
    await world.browser.press(await tenantsPage(world), 'Granting consent'),
    'Confirm by signing in',
  )
}

/** Proposes a proof of MFA at the tenant's page of /setup. */
export async function propose({ browser }: World, proof: string, tid = CONTOSO.tid): Promise<Page> {
  const [, kind = '', context = '', strong = ''] =
    /^([a-z_]+)(?::(c\d+))?(?:,phr:(c\d+))?$/.exec(proof) ?? []
  const page = await browser.get(OPS + tenantPath(tid))
  return browser.submitTo(page, `${tenantPath(tid)}/proof`, {
    kind,
    ...(context !== '' && { context }),
    phishing_resistant: strong,
  })
}

export const ASSERT = 'Sign in to assert it'

/** Connects a tenant completely: consent confirmed, the proof proposed and asserted. */
export async function connected(world: World, proof = 'auth_context:c1'): Promise<Page> {
  await consented(world)
  await propose(world, proof)
  const shown = await world.browser.press(await tenantsPage(world), ASSERT)
  return world.browser.submit(shown, { asserted: 'yes' }, 'Assert it')
}

/** Signs in at the console as Contoso's administrator, once the tenant is connected. */
export async function signInAsAdam({ entra, browser }: World): Promise<Page> {
  entra.auto(ADAM)
  const page = await browser.press(await browser.get('/setup'), 'Sign in')
  return browser.press(page, 'Sign in with Microsoft')
}
