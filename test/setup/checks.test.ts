import { describe, expect, test } from 'vitest'
import { TENANT } from '../rig.ts'
import {
  ADAM,
  APP_CLIENT_ID,
  connect,
  connected,
  createWorld,
  signInAsAdam,
  tenantsPage,
} from './world.ts'

describe('the checks', () => {
  test('all is well: every answer, with what it rests on', async () => {
    const world = await createWorld()
    await connected(world, 'conditional_access')
    await signInAsAdam(world)
    const text = (await world.browser.get('/setup/checks')).text
    for (const words of [
      'One thing needs you.',
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

  test('what is wrong is red, with how to fix it: credential, claims, permission, consent, proof', async () => {
    const world = await createWorld()
    const { entra, browser, rig } = world
    await connect(world)
    expect((await browser.get('/setup/checks')).text).toMatch(
      /Has the tenant consented\? Not known yet\..*Is MFA proved\? Not fully\..*Do the optional claims arrive\? Not known yet\./,
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
    const text = (await browser.get('/setup/checks')).text
    expect(text).toContain('Missing: sid')
    expect(text).toContain('no administrator has confirmed that a policy is bound to c1')
    expect(text).toContain('does not hold User.Read.All')
    rig.config.signals.risk = [TENANT]
    expect((await browser.get('/setup/checks')).text).toContain(
      'does not hold IdentityRiskyUser.Read.All',
    )
    entra.set({ credentialExpired: true })
    expect((await browser.get('/setup/checks')).text).toMatch(
      /Does Entra accept the broker’s credential\? No\..*AADSTS7000222/,
    )
    entra.set({ outage: ['metadata'] })
    expect((await browser.get('/setup/checks')).text).toMatch(/Can Microsoft be reached\? No\./)
  })

  test('a clock that is off by minutes', async () => {
    const world = await createWorld()
    await connect(world)
    world.clock.ahead = 120
    expect((await world.browser.get('/setup/checks')).text).toMatch(
      /This machine’s clock is \d+ s ahead of Microsoft’s/,
    )
  })
})
