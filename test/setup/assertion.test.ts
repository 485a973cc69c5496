import { expect, test } from 'vitest'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { ISSUER } from '../rig.ts'
import {
  ASSERT,
  connect,
  createBrowser,
  createWorld,
  FABRIKAM,
  OPS,
  propose,
  tenantPath,
} from './world.ts'

/**
 * Contoso's operator proposes how Fabrikam proves MFA; only an administrator of Fabrikam asserts
 * it, from a browser that never reaches the operators' listener.
 */

const FELIX = 'felix@fabrikam.example'

async function invited() {
  const world = await createWorld()
  const { rig, entra, browser } = world
  await connect(world)
  const added = await browser.submitTo(
    await browser.get('/setup/add-tenant'),
    '/setup/add-tenant',
    {
      tid: FABRIKAM.tid,
      name: 'Fabrikam',
    },
  )
  const link = added.link('Continue as its administrator')
  const felix = createBrowser(rig, entra)
  felix.follows = ({ origin }) => origin !== OPS
  entra.auto(FELIX)
  await felix.press(
    await felix.press(await felix.get(link), 'Granting consent'),
    'Confirm by signing in',
  )
  const row = async () => (await rig.store.findTenant(FABRIKAM.tid)) ?? expect.unreachable()
  const asserted = async () =>
    (
      await rig.store.listAudit({
        act: 'proof.assert',
        target: `tenant ${FABRIKAM.tid}`,
        limit: 10,
      })
    ).length
  const proposed = (proof: string) => propose(world, proof, FABRIKAM.tid)
  return { ...world, link, felix, row, asserted, proposed }
}

test('the operators propose a proof, and users sign in by it once the tenant’s own administrator has asserted it', async () => {
  const { rig, link, felix, row, proposed } = await invited()
  expect((await felix.get(link)).text).toContain('have not proposed a proof of MFA yet')
  const answer = await proposed('auth_context:c1')
  expect(answer.text).toContain('It counts once an administrator of that tenant asserts it')
  expect((await row()).mfaProof).toBe('undecided')

  const asked = await felix.press(await felix.get(link), ASSERT)
  expect(asked.path).toMatch(/^\/signin\/assert\?/)
  expect(asked.text).toContain('Felix Farrow · felix@fabrikam.example (Global Administrator)')
  expect((await row()).mfaProof).toBe('undecided')
  const done = await felix.submit(asked, { asserted: 'yes' }, 'Assert it')
  expect(done.text).toContain('The proof of MFA is set')
  expect(done.text).toContain('Done: asserted by Felix Farrow')
  expect(await row()).toMatchObject({
    mfaProof: 'auth_context:c1',
    proofAssertedBy: 'Felix Farrow · felix@fabrikam.example (Global Administrator)',
    proofAssertedAt: expect.any(Number) as number,
  })
  const [entry] = await rig.store.listAudit({ act: 'proof.assert', limit: 1 })
  expect(entry).toMatchObject({
    actor: { kind: 'microsoft', id: FABRIKAM.tid },
    via: 'setup',
    details: { proof: 'auth_context:c1', before: 'undecided' },
  })
  expect(JSON.stringify(entry)).not.toContain('@fabrikam.example')
  const page = await felix.get(`${ISSUER}/signin/start?return_to=/account`)
  expect((await felix.press(page, 'Sign in with Microsoft')).title).toContain('signed in')
})

test('a tick is needed; and what is asserted is asserted once, in the browser that signed in', async () => {
  const { rig, entra, link, felix, row, asserted, proposed } = await invited()
  await proposed('auth_context:c1')
  const asked = await felix.press(await felix.get(link), ASSERT)
  expect((await felix.submit(asked, {}, 'Assert it')).title).toBe(
    'Proof of MFA of your organization',
  )
  const stranger = createBrowser(rig, entra)
  expect((await stranger.get(asked.url)).status).toBe(400)
  expect((await stranger.submit(asked, { asserted: 'yes' }, 'Assert it')).status).toBe(400)
  expect((await felix.submit(asked, { asserted: 'yes', csrf: 'x' }, 'Assert it')).status).toBe(400)
  expect((await row()).mfaProof).toBe('undecided')
  await Promise.all([
    felix.submit(asked, { asserted: 'yes' }, 'Assert it'),
    felix.submit(asked, { asserted: 'yes' }, 'Assert it'),
  ])
  expect(await asserted()).toBe(1)
})

test('no operator, no user without such a role and no administrator of another tenant asserts it', async () => {
  const { browser, entra, link, felix, row, asserted, proposed } = await invited()
  const page = await proposed('conditional_access')
  const forced = { kind: 'conditional_access', proof: 'conditional_access', asserted: 'yes' }
  const path = `${tenantPath(FABRIKAM.tid)}/proof`
  expect((await browser.submitTo(page, path, forced)).text).toContain('proposed')
  entra.auto('faye@fabrikam.example')
  expect((await felix.press(await felix.get(link), ASSERT)).text).toContain(
    'holds no directory role that sees the policies',
  )
  entra.set({ errorsToApp: true })
  entra.auto('adam@contoso.example')
  expect((await felix.press(await felix.get(link), ASSERT)).text).toContain(
    'did not let it through',
  )
  expect([(await row()).mfaProof, await asserted()]).toEqual(['undecided', 0])
})

test('neither a sign-in that does not show the proof, nor one that Microsoft does not date, nor a proof proposed meanwhile is asserted', async () => {
  const { entra, link, felix, row, proposed } = await invited()
  await proposed('amr')
  expect((await felix.press(await felix.get(link), ASSERT)).text).toContain(
    'did not show that proof of MFA',
  )
  entra.set({ amr: true, authTime: false })
  expect((await felix.press(await felix.get(link), ASSERT)).text).toContain(
    'A fresh sign-in was demanded',
  )
  entra.set({ authTime: true, authTimeSays: 'old' })
  expect((await felix.press(await felix.get(link), ASSERT)).text).toContain(
    'A fresh sign-in was demanded',
  )
  entra.set({ authTimeSays: 'entered' })
  const asked = await felix.press(await felix.get(link), ASSERT)
  await proposed('conditional_access')
  expect((await felix.submit(asked, { asserted: 'yes' }, 'Assert it')).text).toContain(
    'have proposed another proof meanwhile',
  )
  expect((await row()).mfaProof).toBe('undecided')
})

test('what the settings or an operator said of another tenant is a warning until its own administrator asserts it', async () => {
  const { browser, rig, link, felix, row, proposed } = await invited()
  await rig.store.changeTenant({
    tid: FABRIKAM.tid,
    change: {
      mfaProof: 'auth_context:c1',
      proofAssertedBy: 'BROKER_MFA_PROOF',
      proofAssertedAt: 1,
    },
  })
  const check = async () => {
    const findings = await createChecks(rig.deps).look({ which: ({ id }) => id === 'mfa-proof' })
    return findings.find(({ tid }) => tid === FABRIKAM.tid)
  }
  expect(await check()).toMatchObject({
    state: 'warning',
    found: expect.stringContaining('No administrator of that tenant has asserted it') as string,
  })
  expect((await browser.get(tenantPath(FABRIKAM.tid))).text).toContain(
    'Only they can read its policies: send them the link',
  )
  await felix.submit(
    await felix.press(await felix.get(link), ASSERT),
    { asserted: 'yes' },
    'Assert it',
  )
  expect((await check())?.state).toBe('ok')
  expect((await row()).proofAssertedBy).toContain('Felix Farrow')
  // The proof in force goes on until another is asserted.
  await proposed('amr')
  expect((await row()).mfaProof).toBe('auth_context:c1')
})
