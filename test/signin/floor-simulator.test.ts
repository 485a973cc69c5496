import { describe, expect, test } from 'vitest'
import type { Switches } from '../../demo/entra/switches.ts'
import { CONTOSO, FABRIKAM } from '../../demo/entra/users.ts'
import type { FreshContext } from '../../src/protocol/mfa-proof.ts'
import type { Browser, Page } from '../browser.ts'
import { Browser as MicrosoftBrowser } from '../demo-entra/relying-party.ts'
import { OTHER_TENANT, TENANT } from '../rig.ts'
import { ageSessions, atSimulator } from './at-simulator.ts'
import { authorizePath, createBrowser, linkOf, location } from './browser.ts'

/**
 * The floor with msal-node and the simulated Microsoft on sockets, which is as inconvenient as
 * Entra is.
 */

const ALICE = 'alice@contoso.example'
const OPERATOR = { kind: 'operator', id: 'u_operator' } as const

/** A device: its browser here and at Microsoft. */
interface Device {
  ours: Browser
  microsoft: MicrosoftBrowser
}

interface Way {
  upn?: string
  thief?: boolean
  keepsPrompt?: boolean
  dropsClaims?: boolean
}

async function world(freshContext?: FreshContext) {
  const { rig, entra, clock, sydney } = await atSimulator({
    tenants: [TENANT, OTHER_TENANT],
    freshContext,
  })
  const device = (): Device => ({ ours: createBrowser(rig), microsoft: new MicrosoftBrowser() })
  /**
   * Makes all visits of one sign-in. A thief removes prompt=login from each address, and taps the
   * account.
   */
  const signIn = async (
    { ours, microsoft }: Device,
    { upn = ALICE, thief = false, keepsPrompt = false, dropsClaims = false }: Way = {},
  ) => {
    const asked: (string | null)[] = []
    const page = await ours.get(authorizePath(sydney))
    let answer: Page =
      page.status === 200 ? await ours.get(linkOf(page.html, 'Sign in with Microsoft')) : page
    while (answer.left?.origin === entra.origin) {
      const to = location(answer)
      asked.push(to.searchParams.get('prompt'))
      if (dropsClaims && to.searchParams.get('claims')?.includes('c2'))
        to.searchParams.delete('claims')
      if (thief) {
        if (!keepsPrompt) to.searchParams.delete('prompt')
        to.searchParams.set('login_hint', upn)
      }
      const { left, title } = thief
        ? await microsoft.get(to.href)
        : await microsoft.signIn(to.href, upn)
      if (left === undefined) return { asked, stoppedAt: title, in: false, status: 0 }
      answer = await ours.get(left.pathname + left.search)
    }
    return {
      asked,
      stoppedAt: undefined,
      in:
        answer.left?.host === 'sydney.case-manager.example' && answer.left.searchParams.has('code'),
      status: answer.status,
    }
  }
  const revoke = async (upn = ALICE) => {
    const { tid, oid } = entra.world.userOf(upn) ?? expect.unreachable()
    const { sub } = (await rig.store.findSubjectByUser(tid, oid)) ?? expect.unreachable()
    expect(
      (
        await rig.store.revoke({
          selector: { kind: 'subject', sub },
          reason: 'administrator',
          actor: OPERATOR,
          now: clock.now(),
        })
      ).outcome,
    ).toBe('revoked')
  }
  return { rig, entra, device, signIn, revoke }
}

/**
 * Alice has signed in on a phone, some minutes ago at Microsoft, and her sessions were revoked
 * since.
 */
async function revoked(switches: Partial<Switches> = {}, freshContext?: FreshContext) {
  const all = await world(freshContext)
  const phone = all.device()
  expect(await all.signIn(phone)).toMatchObject({ in: true })
  ageSessions(all.entra, phone.microsoft, 600)
  await all.revoke()
  all.entra.set(switches)
  return { ...all, phone }
}

describe('a phone with a session at Microsoft, after a revocation', () => {
  test('is sent to Microsoft with prompt=login; without that word the old sign-in does not suffice, the password does', async () => {
    const { signIn, phone } = await revoked()
    expect(await signIn(phone, { thief: true })).toMatchObject({
      asked: ['login'],
      in: false,
      status: 403,
    })
    expect(await signIn(phone)).toMatchObject({ asked: ['login'], in: true })
  })

  const fresh: [what: string, switches: Partial<Switches>][] = [
    ['max_age is ignored', { ignoreMaxAge: true }],
    ['iat is five minutes early', { iatBackSeconds: 300 }],
    ['the second factor is remembered', { rememberMfa: true }],
    ['its clock is 50 s ahead', { clockSkewSeconds: 50 }],
    ['its clock is 50 s behind', { clockSkewSeconds: -50 }],
    ['its clock is 120 s behind', { clockSkewSeconds: -120 }],
  ]
  test.each(fresh)(
    'where %s: an old sign-in is not a fresh one, and the password entered now is',
    async (_what, switches) => {
      const { signIn, phone } = await revoked(switches)
      expect(await signIn(phone, { thief: true })).toMatchObject({ in: false })
      expect(await signIn(phone)).toMatchObject({ in: true })
    },
  )

  const closed: [what: string, switches: Partial<Switches>][] = [
    ['auth_time is not sent any more', { authTime: false }],
    ['auth_time is old whatever was entered', { authTimeSays: 'old' }],
    ['its clock is 120 s ahead', { clockSkewSeconds: 120 }],
  ]
  test.each(closed)('where %s, no user gets in', async (_what, switches) => {
    const { signIn, phone } = await revoked(switches)
    expect(await signIn(phone, { thief: true })).toMatchObject({ in: false })
    expect(await signIn(phone)).toMatchObject({ in: false, status: 403 })
  })

  test('where the domain’s own identity provider answers prompt=login without a page, the old sign-in is not a fresh one', async () => {
    const { signIn, phone } = await revoked({ silentDomains: [CONTOSO.domain] })
    expect(await signIn(phone, { thief: true, keepsPrompt: true })).toMatchObject({
      in: false,
      status: 403,
    })
  })

  test('where the tenant demands an authentication context, it is let in with it, and not where the demand was taken out of the address', async () => {
    const { signIn, phone, device } = await revoked({ boundContexts: ['c1', 'c2'] }, { all: 'c2' })
    expect(await signIn(phone, { dropsClaims: true })).toMatchObject({ in: false, status: 403 })
    expect(await signIn(device(), { dropsClaims: true })).toMatchObject({ in: false, status: 403 })
    expect(await signIn(phone)).toMatchObject({ in: true })
    expect(await signIn(device())).toMatchObject({ asked: ['select_account', 'login'], in: true })
  })

  test('what Microsoft signs is believed: where it moves auth_time without asking, the broker cannot notice (SECURITY.md)', async () => {
    const { signIn, phone } = await revoked({ authTimeSays: 'issued' })
    expect(await signIn(phone, { thief: true })).toMatchObject({ in: true })
  })
})

test('on a shared computer, the next user does not get in by the account that is still signed in at Microsoft', async () => {
  const { rig, entra, device, signIn } = await world()
  Object.assign(rig.config.sessionRules, { sharedComputer: 'always' })
  const desk = device()
  expect(await signIn(desk)).toMatchObject({ asked: ['login'], in: true })
  ageSessions(entra, desk.microsoft, 600)
  const next = { ours: createBrowser(rig), microsoft: desk.microsoft }
  expect(await signIn(next, { thief: true })).toMatchObject({
    asked: ['login'],
    in: false,
    status: 403,
  })
  expect(await signIn(next)).toMatchObject({ in: true })
})

test('one human in two tenants: an operator who revokes the account at home demands a fresh sign-in of the guest account too', async () => {
  const { rig, entra, device, signIn, revoke } = await world()
  const home = entra.world.userOf(ALICE) ?? expect.unreachable()
  const upn = `alice.guest@${FABRIKAM.domain}`
  const guest = {
    upn,
    name: 'Alice Adams (guest)',
    tid: FABRIKAM.tid,
    oid: '00000000-0000-4000-8000-0000000009e5',
    roles: ['CaseManager.User'],
  }
  entra.world.addUser({ ...guest, home: { tid: home.tid, oid: home.oid } })
  const [phone, laptop] = [device(), device()]
  expect(await signIn(phone, { upn })).toMatchObject({ in: true })
  expect(await signIn(laptop)).toMatchObject({ in: true })
  expect(await rig.store.findSubjectByUser(guest.tid, guest.oid)).toMatchObject({ oid: guest.oid })
  await revoke()
  const stolen = { ours: createBrowser(rig), microsoft: phone.microsoft }
  ageSessions(entra, phone.microsoft, 600)
  expect(await signIn(stolen, { upn, thief: true })).toMatchObject({ in: false, status: 403 })
  expect(await signIn(stolen, { upn })).toMatchObject({ in: true })
})
