import { describe, expect, test } from 'vitest'
import { ISSUER, TENANT } from '../rig.ts'
import {
  ALICE,
  ASSERT,
  connected,
  consented,
  createWorld,
  OPS,
  propose,
  tenantPath,
  tenantsPage,
  type World,
} from './world.ts'

const acts = async (world: World): Promise<string[]> =>
  (await world.rig.store.listAudit({ after: 0, limit: 100 })).map(
    (entry) => `${entry.act} ${entry.ended?.outcome ?? 'unfinished'}`,
  )

/** Proposes a proof, and signs in to assert it. */
async function asked(world: World, proof: string) {
  await propose(world, proof)
  return world.browser.press(await tenantsPage(world), ASSERT)
}

describe('proof of MFA', () => {
  test('is shown by a live sign-in, asserted by a recorded user, and admits users from then on', async () => {
    const world = await createWorld()
    const { rig, entra, browser } = world
    const done = await connected(world)
    expect(done.text).toContain('Users of this tenant can sign in now')
    expect(await rig.store.findTenant(TENANT)).toMatchObject({
      mfaProof: 'auth_context:c1',
      proofAssertedBy: 'Adam Archer · adam@contoso.example (Global Administrator)',
      proofAssertedAt: expect.any(Number) as number,
    })
    expect(await acts(world)).toEqual(
      expect.arrayContaining(['proof.propose done', 'proof.assert done']),
    )
    // The audit log holds ids of users only, because nothing can be removed from it.
    expect(
      JSON.stringify(await world.rig.store.listAudit({ act: 'proof.assert', limit: 1 })),
    ).not.toContain('@contoso.example')
    entra.auto(ALICE)
    const page = await browser.get(`${ISSUER}/signin/start?return_to=/account`)
    expect((await browser.press(page, 'Sign in with Microsoft')).title).toContain('signed in')
    expect(await rig.store.liveSessionCount(world.clock.now())).toBe(1)
  })

  test('the trap is explained where it can be fallen into, before and after the context has arrived', async () => {
    const world = await createWorld()
    const { browser, entra } = world
    await consented(world)
    entra.set({ boundContexts: [] })
    await propose(world, 'auth_context:c7')
    const page = await tenantsPage(world)
    expect(page.text).toContain(
      'The trap: where no policy is bound to c7, Entra says c7 all the same',
    )
    const shown = await browser.press(page, ASSERT)
    expect(shown.text).toContain('acrs c7')
    expect(shown.text).toContain('whether or not a policy is bound')
  })

  test('what a sign-in did not show cannot be asserted: amr, which v2.0 tokens have not', async () => {
    const world = await createWorld()
    const { rig, browser, entra } = world
    await consented(world)
    const shown = await asked(world, 'amr')
    expect(shown.text).toContain('amr none arrived')
    expect(shown.forms).toEqual([])
    const forced = await browser.post(`${ISSUER}/signin/assert`, {
      assertion: new URL(shown.url).searchParams.get('assertion') ?? '',
      asserted: 'yes',
    })
    expect(forced.status).toBe(400)
    expect((await rig.store.findTenant(TENANT))?.mfaProof).toBe('undecided')
    entra.set({ amr: true })
    const again = await browser.press(await tenantsPage(world), ASSERT)
    expect(again.text).toContain('amr pwd, mfa')
    expect((await browser.submit(again, {}, 'Assert it')).text).toContain('tick the box')
    await browser.submit(again, { asserted: 'yes' }, 'Assert it')
    expect((await rig.store.findTenant(TENANT))?.mfaProof).toBe('amr')
  })

  test('names the context for phishing-resistant sign-in too, and the administrator’s sign-in has to bring that one', async () => {
    const world = await createWorld()
    const { rig, entra } = world
    await consented(world)
    const proof = 'auth_context:c1,phr:c5'
    entra.set({ omitClaims: ['acrs'] })
    expect((await asked(world, proof)).text).toContain('did not show that proof of MFA')
    entra.set({ omitClaims: [] })
    const page = await tenantsPage(world)
    expect(page.text).toContain('“Require authentication strength: Phishing-resistant MFA”')
    const shown = await world.browser.press(page, ASSERT)
    expect(shown.text).toContain('acrs c5')
    expect(shown.text).toContain('is bound to c5, is On')
    await world.browser.submit(shown, { asserted: 'yes' }, 'Assert it')
    expect((await rig.store.findTenant(TENANT))?.mfaProof).toBe(proof)
  })

  test('a sign-in of ten minutes ago asserts nothing any more', async () => {
    const world = await createWorld()
    await consented(world)
    const shown = await asked(world, 'conditional_access')
    world.clock.ahead = 601
    const late = await world.browser.submit(shown, { asserted: 'yes' }, 'Assert it')
    expect([late.status, (await world.rig.store.findTenant(TENANT))?.mfaProof]).toEqual([
      400,
      'undecided',
    ])
  })

  test('a proof that is none is not proposed', async () => {
    const world = await createWorld()
    await consented(world)
    const page = await world.browser.get(OPS + tenantPath())
    await world.browser.submitTo(page, `${tenantPath()}/proof`, {
      kind: 'auth_context',
      context: 'c99',
    })
    expect((await world.rig.store.listAudit({ act: 'proof.propose', limit: 1 })).length).toBe(0)
  })
})
