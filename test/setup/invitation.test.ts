import { expect, test } from 'vitest'
import { disconnectTenant, trialOf } from '../../src/microsoft/tenants.ts'
import { ISSUER, OTHER_TENANT } from '../rig.ts'
import { connect, createBrowser, createWorld, FABRIKAM, OPS } from './world.ts'

/**
 * Contoso operates; Fabrikam's administrator works elsewhere and cannot reach the operators'
 * listener.
 */
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
  const confirmed = async () => (await rig.store.findTenant(FABRIKAM.tid))?.consentConfirmedBy
  return { ...world, link, felix: createBrowser(rig, entra), confirmed }
}

test('the administrator of another tenant consents and confirms by a link, and never comes near the operators’ listener', async () => {
  const { entra, rig, link, felix, confirmed } = await invited()
  felix.follows = ({ origin }) => origin !== OPS
  entra.auto('felix@fabrikam.example')
  const back = await felix.press(await felix.get(link), 'Granting consent')
  expect(back.url.startsWith(`${ISSUER}/signin/connect`)).toBe(true)
  expect(await confirmed()).toBeUndefined()
  const done = await felix.press(back, 'Confirm by signing in')
  expect(done.text).toContain('Consent is confirmed.')
  expect(await confirmed()).toBe('Felix Farrow · felix@fabrikam.example (Global Administrator)')
  expect(rig.deps.connection.current().tenants).toContain(OTHER_TENANT)
  expect((await rig.store.findTenant(FABRIKAM.tid))?.mfaProof).toBe('undecided')
  expect((await rig.store.listAudit({ act: 'consent.confirm', limit: 1 })).at(0)).toMatchObject({
    actor: { kind: 'microsoft', id: FABRIKAM.tid },
    via: 'setup',
  })
})

test('no user without such a role, or of another tenant, confirms anything by it', async () => {
  const { entra, link, felix, confirmed } = await invited()
  entra.auto('felix@fabrikam.example')
  const page = await felix.press(await felix.get(link), 'Granting consent')
  entra.auto('faye@fabrikam.example')
  expect((await felix.press(page, 'Confirm by signing in')).text).toContain(
    'holds no directory role that may consent',
  )
  entra.set({ errorsToApp: true })
  entra.auto('adam@contoso.example')
  expect((await felix.press(page, 'Confirm by signing in')).text).toContain(
    'did not let it through',
  )
  expect(await confirmed()).toBeUndefined()
})

test('a holder of the link without a directory role writes nothing, and no holder fills the audit log', async () => {
  const { entra, rig, link, felix } = await invited()
  const entries = async () => (await rig.store.listAudit({ limit: 100 })).length
  const trial = async () => (await trialOf(rig, FABRIKAM.tid))?.at
  entra.auto('felix@fabrikam.example')
  await felix.press(await felix.get(link), 'Granting consent')
  const returned = await entries()
  const page = await felix.press(await felix.get(link), 'Granting consent')
  entra.auto('faye@fabrikam.example')
  await felix.press(page, 'Confirm by signing in')
  expect([await entries(), await trial()]).toEqual([returned, undefined])
  entra.auto('felix@fabrikam.example')
  expect((await felix.press(page, 'Confirm by signing in')).text).toContain('Consent is confirmed.')
  await felix.press(page, 'Confirm by signing in')
  expect([await entries(), await trial()]).toEqual([returned + 1, expect.any(Number)])
})

test('the link is valid for a week, for that tenant while it is connected, and for nothing else', async () => {
  const { clock, rig, link, felix } = await invited()
  expect((await felix.get(link.replace('invitation=', 'invitation=x'))).status).toBe(400)
  clock.ahead = 7 * 86_400 + 5
  expect((await felix.get(link)).status).toBe(400)
  clock.ahead = 0
  expect((await felix.get(link)).status).toBe(200)
  const actor = { kind: 'operator', id: 'olga' } as const
  await disconnectTenant(rig.deps, { tid: FABRIKAM.tid, actor, now: rig.clock.now() })
  expect(rig.deps.connection.current().tenants).not.toContain(OTHER_TENANT)
  expect((await felix.get(link)).status).toBe(400)
  expect((await felix.get(`${OPS}/setup`)).status).toBe(401)
})
