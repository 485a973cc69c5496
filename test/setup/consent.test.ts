import { describe, expect, test } from 'vitest'
import { OTHER_TENANT, TENANT } from '../rig.ts'
import {
  ADAM,
  ALICE,
  connect,
  createBrowser,
  createWorld,
  OPS,
  tenantPath,
  tenantsPage,
} from './world.ts'

const acts = async (world: Awaited<ReturnType<typeof createWorld>>): Promise<string[]> =>
  (await world.rig.store.listAudit({ after: 0, limit: 100 })).map(
    (entry) => `${entry.act} ${entry.ended?.outcome ?? 'unfinished'}`,
  )

describe('granting consent', () => {
  test('comes back unproved, and counts once an administrator of that tenant has signed in', async () => {
    const world = await createWorld()
    const { rig, entra, browser } = world
    await connect(world)
    const page = await tenantsPage(world)
    entra.auto(ADAM)
    const back = await browser.press(page, 'Granting consent')
    expect(back.text).toContain('An attacker could have sent the answer to your consent')
    expect((await rig.store.findTenant(TENANT))?.consentConfirmedAt).toBeUndefined()
    entra.auto(ALICE)
    const tried = await browser.press(back, 'Confirm by signing in')
    expect(tried.text).toContain('holds no directory role that may consent')
    expect((await rig.store.findTenant(TENANT))?.consentConfirmedAt).toBeUndefined()
    entra.auto(ADAM)
    const confirmed = await browser.press(tried, 'Confirm by signing in')
    expect(confirmed.text).toContain('Consent is confirmed.')
    expect((await browser.get(OPS + tenantPath())).text).toContain(
      'Confirmed by Adam Archer · adam@contoso.example (Global Administrator)',
    )
    expect(await acts(world)).toEqual(
      expect.arrayContaining(['consent.returned done', 'consent.confirm done']),
    )
    expect(await rig.store.liveSessionCount(world.clock.now())).toBe(0)
  })

  test('an error counts before admin_consent=True, which it carries too', async () => {
    const world = await createWorld()
    const { rig, entra, browser } = world
    await connect(world)
    const page = await tenantsPage(world)
    entra.auto(ALICE)
    const rejected = await browser.press(page, 'Granting consent')
    expect(rejected.text).toContain('Microsoft did not let it through.')
    expect(rejected.text).toContain('90094')
    expect(await rig.store.setting(`setup/consent/${TENANT}`)).toBeUndefined()
  })

  test('the tenant that the answer names is not believed: a tenant other than the one that was asked has not consented, and is not added to the allow-list', async () => {
    const world = await createWorld()
    const { rig, entra, browser } = world
    await connect(world)
    const page = await tenantsPage(world)
    entra.auto(ADAM)
    browser.follows = ({ pathname }) => pathname !== '/signin/callback'
    const left = (await browser.press(page, 'Granting consent')).left ?? expect.unreachable()
    browser.follows = () => true
    left.searchParams.set('tenant', OTHER_TENANT)
    expect((await browser.get(left.href)).text).toContain('did not let it through')
    expect(await rig.store.setting(`setup/consent/${TENANT}`)).toBeUndefined()
    expect(rig.deps.connection.current().tenants).toEqual([TENANT])
    // The answer is accepted once, even with another tenant in it.
    left.searchParams.set('tenant', TENANT)
    expect((await browser.get(left.href)).status).toBe(400)
  })

  test('a visit that was begun in one browser is not finished in another', async () => {
    const world = await createWorld()
    const { rig, entra, browser } = world
    await connect(world)
    const page = await tenantsPage(world)
    entra.auto(ADAM)
    browser.follows = ({ pathname }) => pathname !== '/signin/callback'
    const left = (await browser.press(page, 'Granting consent')).left ?? expect.unreachable()
    const thief = createBrowser(rig, entra)
    expect((await thief.get(left.href)).status).toBe(400)
    expect(await rig.store.setting(`setup/consent/${TENANT}`)).toBeUndefined()
    browser.follows = () => true
    expect((await browser.get(left.href)).text).toContain('Microsoft says that consent was given')
  })

  test('consent given in the admin center is found by what the application holds', async () => {
    const world = await createWorld()
    const { entra, browser } = world
    await connect(world)
    const page = await tenantsPage(world)
    expect(page.text).toMatch(/1\. Consent\s+To do\./)
    entra.auto(ADAM)
    expect((await browser.press(page, 'Confirm by signing in')).text).toContain(
      'no administrator has consented for the whole tenant',
    )
    entra.set({ consent: {} })
    const granted = await tenantsPage(world)
    expect(granted.text).toMatch(/1\. Consent\s+Done\./)
    expect(granted.text).toMatch(/2\. Confirm that it was you\s+To do\./)
    expect((await browser.press(granted, 'Confirm by signing in')).text).toContain(
      'Consent is confirmed.',
    )
  })

  test('a sign-in that Microsoft rejects says what it is about', async () => {
    const world = await createWorld()
    await connect(world)
    const page = await tenantsPage(world)
    world.entra.set({ errorsToApp: true })
    world.entra.auto('una@contoso.example')
    expect((await world.browser.press(page, 'Confirm by signing in')).text).toContain(
      'not assigned to the enterprise application',
    )
  })
})
