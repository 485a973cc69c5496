import { describe, expect, test } from 'vitest'
import { ISSUER, TENANT } from '../rig.ts'
import {
  ALICE,
  assertion,
  connected,
  consented,
  createWorld,
  enter,
  OPS,
  tenantPath,
} from './world.ts'

const acts = async (world: Awaited<ReturnType<typeof createWorld>>): Promise<string[]> =>
  (await world.rig.store.listAudit({ after: 0, limit: 100 })).map(
    (entry) => `${entry.act} ${entry.ended?.outcome ?? 'unfinished'}`,
  )

describe('proof of MFA', () => {
  test('is tried live, asserted by a recorded user, and admits users from then on', async () => {
    const world = await createWorld()
    const { rig, entra, browser } = world
    const done = await connected(world)
    expect(done.text).toContain('users can sign in now')
    expect(await rig.store.findTenant(TENANT)).toMatchObject({
      mfaProof: 'auth_context:c1',
      proofAssertedBy: 'the holder of the setup token, with Adam Archer · adam@contoso.example',
      proofAssertedAt: expect.any(Number) as number,
    })
    expect(await acts(world)).toEqual(
      expect.arrayContaining(['trial.sign_in done', 'proof.assert done']),
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
    const chosen = await browser.submitTo(
      await browser.get(`${tenantPath()}/proof`),
      `${tenantPath()}/proof`,
      {
        kind: 'auth_context',
        context: 'c7',
      },
    )
    expect(chosen.text).toContain(
      'The trap: where no policy is bound to c7, Entra says c7 all the same',
    )
    const tried = await browser.press(chosen, 'Try it with a sign-in')
    expect(tried.text).toContain('acrs c7')
    expect(tried.text).toContain('whether or not a policy is bound')
  })

  test('what a sign-in did not show cannot be asserted: amr, which v2.0 tokens have not', async () => {
    const world = await createWorld()
    const { rig, browser, entra } = world
    await consented(world)
    const tried = await browser.press(
      await browser.get(`${tenantPath()}/proof?proof=amr`),
      'Try it with a sign-in',
    )
    expect(tried.text).toContain('amr none arrived')
    expect(() => assertion(tried)).toThrow('Nothing can be asserted')
    const token =
      (await browser.get('/setup/connect')).forms.find((form) => form.method === 'POST')?.fields
        .csrf ?? ''
    const forced = await browser.post(
      `${OPS}${tenantPath()}/proof`,
      new URLSearchParams({ csrf: token, proof: 'amr', asserted: 'yes' }),
    )
    expect(forced.status).toBe(400)
    expect((await rig.store.findTenant(TENANT))?.mfaProof).toBe('undecided')
    entra.set({ amr: true })
    const again = await browser.press(
      await browser.get(`${tenantPath()}/proof?proof=amr`),
      'Try it with a sign-in',
    )
    expect(again.text).toContain('amr pwd, mfa')
    expect(
      (await browser.post(`${OPS}${tenantPath()}/proof`, assertion(again, {}))).text,
    ).toContain('tick the box')
    await browser.post(`${OPS}${tenantPath()}/proof`, assertion(again))
    expect((await rig.store.findTenant(TENANT))?.mfaProof).toBe('amr')
  })

  test('a trial of an hour ago shows nothing any more', async () => {
    const world = await createWorld()
    await consented(world)
    const page = await world.browser.get(`${tenantPath()}/proof?proof=conditional_access`)
    const tried = await world.browser.press(page, 'Try it with a sign-in')
    expect(() => assertion(tried)).not.toThrow()
    world.clock.ahead = 3700
    await enter(world)
    const later = await world.browser.get(`${tenantPath()}/proof?proof=conditional_access`)
    expect(later.status).toBe(200)
    expect(() => assertion(later)).toThrow('Nothing can be asserted')
  })
})
