import { Hono } from 'hono'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { setSessionCookie } from '../../src/session/cookie.ts'
import { ROLE } from '../../src/protocol/names.ts'
import { createRig, OTHER_TENANT, type Rig } from '../rig.ts'
import { fits, launchChromium, type Looks, openWindow, pressAt, tabTo } from './window.ts'

/**
 * The console of one tenant in real Chromium, by its administrator: in light and dark, at 320, 768
 * and 1440 px, and by keyboard alone.
 */

const fabrikam = (last: string, name: string) => ({
  tid: OTHER_TENANT,
  oid: `00000000-0000-4000-8000-0000000000${last}`,
  name,
  username: `${name.split(' ')[0]?.toLowerCase()}@fabrikam.example`,
})
const [TINA, UMA, URS] = [
  fabrikam('c1', 'Tina Tenant'),
  fabrikam('c3', 'Uma User'),
  fabrikam('c4', 'Urs Underwood-Featherstonehaugh'),
]

let browser: Browser
beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser.close())

let rig: Rig
let base: string
/** The session of Uma on her telephone. */
let phone: Awaited<ReturnType<Rig['openSession']>>['session']
let tina: Awaited<ReturnType<Rig['openSession']>>
beforeEach(async () => {
  rig = await createRig()
  await rig.store.changeTenant({
    tid: OTHER_TENANT,
    change: { administrators: 'app_role', name: 'Fabrikam' },
  })
  const clients = [await rig.register('Sydney'), await rig.register('Melbourne')] as const
  phone = (await rig.openSession({ user: UMA, device: 'Safari on iPhone' })).session
  const laptop = (await rig.openSession({ user: UMA, device: 'Edge on Windows' })).session
  for (const client of clients) await rig.signInAt(phone.sid, client)
  await rig.signInAt(laptop.sid, clients[0])
  tina = await rig.openSession({
    user: TINA,
    roles: [ROLE.tenantAdministrator],
    device: 'Firefox on Linux',
  })
  const door = new Hono().get('/test-session', (c) => {
    setSessionCookie(c, tina.cookie)
    return c.text('signed in')
  })
  base = (await rig.serve(door.route('/', rig.app))).replace('127.0.0.1', 'localhost')
  rig.config.issuer = base
})

async function open(path: string, looks: Partial<Looks> = {}) {
  const window = await openWindow(browser, { width: 1280, height: 800, ...looks })
  await window.page.goto(`${base}/test-session`)
  await window.page.goto(base + path)
  return window
}

/**
 * Makes users who are locked by the administrator and by an operator, revocations by both, and acts
 * of the user.
 */
async function haveHistory(): Promise<{ lock: string }> {
  const now = rig.clock.now()
  const operator = { actor: { kind: 'operator', id: 'olga' }, now } as const
  const own = { actor: { kind: 'operator', id: tina.session.sub, tid: OTHER_TENANT }, now } as const
  const said = {
    caseReference: 'FAB-4711',
    comment: 'Telephone lost on the train from Zurich to Winterthur',
  }
  await rig.store.recordOperator({ sub: tina.session.sub, may: 'tenant', now })
  const { session: lost } = await rig.openSession({ user: UMA, device: 'Chrome on Android' })
  await rig.store.reportByUser({
    sub: lost.sub,
    acting: lost.sid,
    what: { sid: lost.sid },
    now,
    everywhere: false,
    atMicrosoft: false,
    freshSince: now,
  })
  await rig.store.recordRejectedSignIn({
    user: URS,
    why: 'mfa_not_proved',
    reference: 'BCDF-GHJK',
    device: 'Edge on Windows',
    now,
    from: { clientId: 'sydney' },
  })
  const { session: tablet } = await rig.openSession({ user: UMA, device: 'Safari on iPad' })
  await rig.store.revoke({
    ...operator,
    selector: { kind: 'session', sid: tablet.sid },
    reason: 'administrator',
  })
  const { session: desktop } = await rig.openSession({ user: URS, device: 'Chrome on Windows' })
  await rig.store.revoke({
    ...own,
    ...said,
    selector: { kind: 'subject', sub: desktop.sub },
    reason: 'administrator',
  })
  const [urs, una] = [URS.oid, '00000000-0000-4000-8000-0000000000c5'].map(
    (oid) => ({ kind: 'user', tid: OTHER_TENANT, oid }) as const,
  )
  const lock = { may: 'administer', operatorTenant: undefined, endsAt: now + 86_400 } as const
  await rig.store.lock({ ...operator, ...lock, target: una ?? expect.unreachable() })
  const locked = await rig.store.lock({
    ...own,
    ...said,
    ...lock,
    target: urs ?? expect.unreachable(),
  })
  return { lock: locked.outcome === 'locked' ? locked.lock.id : expect.unreachable() }
}

test('every page fits at 320, 768 and 1440 px, in light and dark, and axe objects to nothing', async () => {
  const { lock } = await haveHistory()
  await using window = await open('/tenant')
  // The exports make entries for the audit log.
  for (const list of ['sessions', 'revocations'])
    await window.page.request.get(`${base}/tenant/${list}.csv`)
  const pages = [
    ['overview', '/tenant'],
    ['found', '/tenant/search?q=u'],
    ['users', '/tenant/users'],
    ['sign-ins', '/tenant/sign-ins'],
    ['sign-in', '/tenant/sign-ins?reference=BCDF-GHJK'],
    ['user', `/tenant/users/${phone.sub}?session=${phone.sid}`],
    ['user-none', '/tenant/search?q=zzz'],
    ['sessions', '/tenant/sessions'],
    ['revoke', `/tenant/revoke?kind=subject&value=${phone.sub}`],
    ['lock', `/tenant/lock?user=${phone.sub}`],
    ['locks', '/tenant/locks'],
    ['lift', `/tenant/locks/lift?id=${lock}`],
    ['revocations', '/tenant/revocations'],
    ['audit', '/tenant/audit'],
    ['account', '/account'],
    ['unknown', '/tenant/users/u_none'],
  ] as const
  for (const [name, path] of pages) {
    const answer = await window.page.goto(base + path)
    expect([name, answer?.status()]).toEqual([name, name === 'unknown' ? 404 : 200])
    await fits(window.page, `tenant-${name}`)
  }
  await window.page.goto(`${base}/tenant`)
  await window.page.getByRole('button', { name: 'Mark as done' }).click()
  await window.page.getByText('1 report marked as done').click()
  await fits(window.page, 'tenant-report-done')
  // The list looks at one session a page, so that there are more pages.
  const { pageOfSessions } = rig.store
  rig.store.pageOfSessions = (input) => pageOfSessions({ ...input, most: 1 })
  await window.page.goto(`${base}/tenant/sessions`)
  await window.page.getByRole('link', { name: 'Search further back' }).click()
  await window.page.getByRole('link', { name: 'Previous page' }).waitFor()
  await fits(window.page, 'tenant-sessions-further')
  await rig.store.changeTenant({ tid: OTHER_TENANT, change: { name: undefined } })
  await window.page.goto(`${base}/tenant`)
  await window.page.getByRole('heading', { level: 1, name: 'Your organization' }).waitFor()
  await fits(window.page, 'tenant-unnamed')
  await rig.store.changeTenant({ tid: OTHER_TENANT, change: { administrators: undefined } })
  expect((await window.page.goto(`${base}/tenant`))?.status()).toBe(403)
  await fits(window.page, 'tenant-closed')
  expect(window.complaints).toEqual([])
})

test('each time is in the reader’s time zone, beside UTC', async () => {
  await haveHistory()
  await using window = await open('/tenant', { zone: 'Europe/Zurich' })
  const { page } = window
  const timeOf = (heading: string) =>
    page.locator('section', { hasText: heading }).locator('time').first().textContent()
  expect(await timeOf('Reported by your users')).toMatch(/10:00:00 09:00:00\sUTC$/)
  expect(await timeOf('Locked users')).toMatch(/10:00:00 09:00:00\sUTC$/)
  expect(await timeOf('Your tenant')).toMatch(/10:00:00 09:00:00\sUTC$/)
  await page.goto(`${base}/tenant/users/${phone.sub}`)
  expect(await timeOf('Known since')).toMatch(/10:00:00 09:00:00\sUTC$/)
  expect(window.complaints).toEqual([])
})

test('by keyboard alone the administrator finds a user, revokes after a dry run, locks, lifts the lock, and exports', async () => {
  await using window = await open('/tenant')
  const { page } = window
  const said = (words: string) => page.getByRole('status').filter({ hasText: words }).waitFor()
  const findUma = async () => {
    await tabTo(page, /^Search users, sessions/)
    await page.keyboard.type('uma')
    await page.keyboard.press('Enter')
    await page.waitForURL(`**/tenant/users/${phone.sub}`)
  }
  await findUma()
  await pressAt(page, /^End this session: Uma User.*Safari on iPhone/)
  await page.getByText('1 session of 1 user, at 2 instances').waitFor()
  await tabTo(page, /^Case reference/)
  await page.keyboard.type('FAB-7')
  await pressAt(page, /^End this session$/)
  await said('Signed out.')
  expect((await rig.store.statusBySid(phone.sid, rig.clock.now())).state).toBe('ended')
  await findUma()
  await pressAt(page, /^Lock Uma User$/)
  await page.getByText('1 session of 1 user, at 1 instance').waitFor()
  await tabTo(page, /^Until when/)
  await page.keyboard.type('An admin')
  await pressAt(page, /^Lock now$/)
  await said('is locked. 1 session ended.')
  const { user } = phone
  const openLocks = () =>
    rig.store.listLocks({ state: 'open', kind: 'user', key: user.tid, limit: 2 })
  expect(await openLocks()).toMatchObject([{ endsAt: undefined, target: { oid: user.oid } }])
  await page.waitForURL('**/tenant/users/*?done=user&**')
  await pressAt(page, /^Lift/)
  await page.waitForURL('**/tenant/locks/lift?**')
  await pressAt(page, /^Lift the lock$/)
  await said('The lock is lifted.')
  expect(await openLocks()).toEqual([])
  for (const list of ['Sessions', 'Revocations']) {
    await pressAt(page, new RegExp(`^${list}$`))
    await page.getByRole('heading', { level: 1, name: list }).waitFor()
    const download = page.waitForEvent('download')
    await pressAt(page, /^Download as CSV$/)
    expect((await download).suggestedFilename()).toBe(`${list.toLowerCase()}.csv`)
  }
  expect(window.complaints).toEqual([])
})
