import { describe, expect, test } from 'vitest'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { isOfMicrosoft } from '../../src/operations/checks/list.ts'
import { TENANT } from '../rig.ts'
import {
  ADAM,
  APP_CLIENT_ID,
  connect,
  connected,
  createWorld,
  signInAsAdam,
  tenantsPage,
  type World,
} from './world.ts'

/** Returns the findings about the connection, each with its id and state. */
async function found({ rig }: World): Promise<string> {
  const findings = await createChecks(rig.deps).look({ fresh: true, which: isOfMicrosoft })
  return findings.map(({ check, state, found: words }) => `${check} ${state}: ${words}`).join('\n')
}

describe('the checks of the connection to Microsoft', () => {
  test('all is well: every answer, with what it rests on', async () => {
    const world = await createWorld()
    await connected(world, 'conditional_access')
    await signInAsAdam(world)
    const text = await found(world)
    for (const words of [
      'The metadata, the sign-in page and the token endpoint answered just now.',
      'Entra gave the application a token just now.',
      'Confirmed by Adam Archer',
      'MFA is proved by conditional_access, asserted by Adam Archer · adam@contoso.example (Global Administrator)',
      'sid, login_hint, auth_time, email arrived',
      'User.Read.All, User.RevokeSessions.All.',
      'Graph is not used for this tenant',
    ])
      expect(text).toContain(words)
  })

  test('each says what is wrong: credential, claims, permission, consent, proof', async () => {
    const world = await createWorld()
    const { entra, browser, rig } = world
    await connect(world)
    expect(await found(world)).toMatch(
      /^consent unknown: [^]*^mfa-proof warning: [^]*^optional-claims unknown: /m,
    )
    entra.set({ omitClaims: ['sid', 'auth_time'] })
    entra.auto(ADAM)
    await browser.press(
      await browser.press(await tenantsPage(world), 'Granting consent'),
      'Confirm by signing in',
    )
    await rig.store.changeTenant({ tid: TENANT, change: { mfaProof: 'auth_context:c1' } })
    const app = entra.world.apps.get(APP_CLIENT_ID) ?? expect.unreachable()
    app.graphRoles = []
    const text = await found(world)
    expect(text).toContain('Missing: sid')
    expect(text).toContain('no administrator has confirmed that a policy is bound to c1')
    expect(text).toContain('does not hold User.Read.All')
    rig.config.signals.risk = [TENANT]
    expect(await found(world)).toContain('does not hold IdentityRiskyUser.Read.All')
    entra.set({ credentialExpired: true })
    expect(await found(world)).toMatch(/^credential failed: .*AADSTS7000222/m)
    entra.set({ outage: ['metadata'] })
    expect(await found(world)).toMatch(/^microsoft failed: /m)
  })

  test('a clock that is off by minutes', async () => {
    const world = await createWorld()
    await connect(world)
    world.clock.ahead = 120
    expect(await found(world)).toMatch(/This machine’s clock is \d+ s ahead of Microsoft’s/)
  })
})
