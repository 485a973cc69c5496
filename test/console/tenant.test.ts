import { Hono } from 'hono'
import { beforeEach, describe, expect, test } from 'vitest'
import type { SecurityEvent } from '../../db/types.ts'
import { assertedByTenantSetting } from '../../src/microsoft/tenants.ts'
import { download } from '../../src/pages/download.ts'
import {
  administratorRole,
  isAdministratorsSetting,
  sessionRoles,
} from '../../src/protocol/tenant-administrators.ts'
import { reportId } from '../../src/operations/acts/reports.ts'
import { ROLE } from '../../src/protocol/names.ts'
import { startCmb } from '../command/cmb.ts'
import { type Browser, browserAt } from '../browser.ts'
import { createRig, ISSUER, OTHER_TENANT, type Rig, TENANT } from '../rig.ts'
import { OPS } from './console.ts'

/**
 * The administrator of a customer's tenant: their tenant's console on the public listener, and
 * nothing else of the broker.
 */

const GLOBAL_ADMINISTRATOR = '62e90394-69f5-4237-9190-012177145e10'
const TINA = {
  tid: OTHER_TENANT,
  oid: '00000000-0000-4000-8000-0000000000c1',
  name: 'Tina Tenant',
  username: 'tina@fabrikam.example',
}
/** A user of another tenant, of whom nothing may ever be shown. */
const CAROL = {
  tid: TENANT,
  oid: '00000000-0000-4000-8000-0000000000c2',
  name: 'Carol Contoso',
  username: 'carol@contoso.example',
}

let rig: Rig
beforeEach(async () => {
  rig = await createRig()
})

const administered = (administrators: string | undefined) =>
  rig.store.changeTenant({ tid: OTHER_TENANT, change: { administrators } })

async function signedIn(
  user: typeof TINA,
  roles: readonly string[],
  at = ISSUER,
): Promise<Browser & { sid: string; sub: string; cookieHeader: string }> {
  const { session, cookieHeader } = await rig.openSession({
    user,
    roles: [...roles],
    device: 'Firefox on Linux',
  })
  return Object.assign(browserAt(rig, { at, cookies: cookieHeader }), {
    sid: session.sid,
    sub: session.sub,
  })
}
const tina = () => signedIn(TINA, [ROLE.tenantAdministrator])

test('the administrator says whom users of the tenant ask for help, and changes nothing else of it', async () => {
  await administered('app_role')
  const browser = await tina()
  const home = await browser.get('/tenant')
  const save = (fields: Record<string, string>) =>
    browser.submitTo(home, '/tenant/help-contact', fields)
  const contact = { name: 'IT desk', email: 'it@fabrikam.example' }
  const saved = await save({ ...contact, telephone: '', link: '' })
  expect(saved.text).toContain('The contact is saved.')
  const row = async () => rig.store.findTenant(OTHER_TENANT)
  expect(await row()).toMatchObject({ helpContact: contact, administrators: 'app_role' })
  const [entry] = await rig.store.listAudit({ act: 'tenant.change', limit: 1 })
  expect(entry).toMatchObject({
    target: `tenant ${OTHER_TENANT}`,
    details: { changed: { help_contact: { before: null, after: contact } } },
  })
  const rejected = await save({ link: 'javascript:alert(1)' })
  expect([rejected.status, rejected.text.includes('only https is accepted')]).toEqual([422, true])
  expect(await row()).toMatchObject({ helpContact: contact })
  await save({ name: '', email: '', telephone: '', link: '' })
  expect((await row())?.helpContact).toBeUndefined()
})

test('the first page begins with what to do: reports, who is locked, rejected sign-ins by reason, who is signed in; nothing of another tenant', async () => {
  await administered('app_role')
  const browser = await tina()
  const quiet = await browser.get('/tenant')
  expect(quiet.text).toContain('There is nothing to do.')
  const UMA = { ...TINA, oid: '00000000-0000-4000-8000-0000000000c3', name: 'Uma User' }
  const { now } = { now: rig.clock.now() }
  for (const user of [UMA, CAROL]) {
    const { session } = await rig.openSession({ user, device: `Phone of ${user.name}` })
    await rig.store.reportByUser({
      sub: session.sub,
      acting: session.sid,
      what: { sid: session.sid },
      now,
      everywhere: false,
      atMicrosoft: false,
      freshSince: now,
    })
    for (const at of [1, 2])
      await rig.store.recordRejectedSignIn({
        user,
        why: 'mfa_not_proved',
        device: 'Firefox',
        now: now + at,
        reference: `BCDF-${user.oid.slice(-2)}${at}`,
      })
  }
  expect((await browser.get('/tenant')).html).toContain('Lock Uma User')
  await rig.store.lock({
    target: { kind: 'user', tid: OTHER_TENANT, oid: UMA.oid },
    endsAt: now + 3600,
    now,
    actor: { kind: 'operator', id: 'olga' },
    may: 'administer',
    operatorTenant: undefined,
  })
  const page = await browser.get('/tenant')
  expect(page.text).toContain('Phone of Uma User')
  expect(page.html).not.toContain('Lock Uma User')
  expect(page.text).toContain('MFA was not proved: 2 sign-ins')
  expect(page.text).toContain('BCDF-c32')
  expect(page.text).toContain('Only the operator of Case Manager can lift a lock')
  expect(page.text).toContain('Check that the user has set up a second factor')
  expect(page.text).toContain('Sign-ins that Microsoft stopped are not in this list.')
  expect(page.html).not.toMatch(/Carol|BCDF-c22|olga/)
  const order = ['Reported by your users', 'Locked users', 'Rejected sign-ins', 'Signed in now']
  const places = order.map((title) => page.html.indexOf(`<h2>${title}`))
  expect(places).toEqual(places.toSorted((a, b) => a - b))
  expect(places.every((place) => place > 0)).toBe(true)
})

test('a report that an administrator marks as done leaves the list, at the broker’s operators too; who and when is kept and audited', async () => {
  await administered('app_role')
  const browser = await tina()
  const reports: Record<string, SecurityEvent> = {}
  const now = rig.clock.now()
  for (const user of [TINA, CAROL]) {
    const { session } = await rig.openSession({ user, device: `Phone of ${user.name}` })
    const acting = (await rig.openSession({ user })).session.sid
    await rig.store.reportByUser({
      sub: session.sub,
      acting,
      what: { sid: session.sid },
      everywhere: false,
      atMicrosoft: false,
      freshSince: 0,
      now,
    })
    const [report] = await rig.store.userReports({ tid: user.tid, since: 0, limit: 1 })
    if (report !== undefined) reports[user.tid] = report
  }
  const home = await browser.get('/tenant')
  const done = await browser.submitTo(home, '/tenant/reports/done')
  expect(done.text).toMatch(/Marked as done\. .* There is nothing to do\. 1 report marked as done/)
  expect(done.text).toMatch(/Phone of Tina Tenant .*, by Tina Tenant/)
  const id = reportId(reports[OTHER_TENANT] as SecurityEvent)
  const [entry] = await rig.store.listAudit({ act: 'report.done', limit: 1 })
  expect(entry).toMatchObject({
    target: `subject ${browser.sub}`,
    actor: { kind: 'operator', id: browser.sub },
    ended: { outcome: 'done', result: { outcome: 'done' } },
  })
  expect(await rig.store.userReports({ tid: OTHER_TENANT, since: 0, limit: 9 })).toEqual([])

  // Another press, and the report of another tenant's user.
  const again = await browser.submitTo(home, '/tenant/reports/done')
  expect(again.text).toContain('had marked the report as done before')
  const other = await browser.submitTo(home, '/tenant/reports/done', {
    id: reportId(reports[TENANT] as SecurityEvent),
  })
  expect([other.status, other.html.includes('Carol')]).toEqual([404, false])
  expect((await rig.store.userReports({ since: 0, limit: 9 })).length).toBe(1)

  const { type } = await startCmb(rig)
  const list = await type(['reports', 'list', '--state', 'done', '--json'])
  expect(JSON.parse(list.out)).toMatchObject({
    reports: [{ id, sub: browser.sub, done: { at: now, actor: { id: browser.sub } } }],
  })
  const carols = reportId(reports[TENANT] as SecurityEvent)
  expect((await type(['reports', 'done', carols])).out).toMatch(/^Done: the report by Carol/)
  expect((await type(['reports', 'done', 'u_none.1.x'])).code).toBe(1)
})

describe('who administers a tenant', () => {
  test('a user with the role that is set for their tenant, and no user while none is set', async () => {
    const browser = await tina()
    expect((await browser.get('/tenant')).status).toBe(403)
    await administered('app_role')
    const page = await browser.get('/tenant')
    expect([page.status, page.title]).toEqual([200, 'Your organization'])
    expect(page.html).toContain(`<code>${OTHER_TENANT}</code>`)
    expect(page.html).toContain('Tina Tenant<small>administrator of your organization</small>')
    await rig.store.changeTenant({ tid: OTHER_TENANT, change: { name: 'Fabrikam' } })
    const named = await browser.get('/tenant')
    expect([
      named.title,
      named.html.includes('Tina Tenant<small>administrator of Fabrikam</small>'),
    ]).toEqual(['Fabrikam', true])
  })

  test('each request asks again: the role taken, the setting changed, the session revoked, the tenant removed', async () => {
    await administered('app_role')
    const browser = await tina()
    expect((await browser.get('/tenant')).status).toBe(200)
    await administered(`directory_role:${GLOBAL_ADMINISTRATOR}`)
    expect((await browser.get('/tenant')).status).toBe(403)
    await administered(undefined)
    expect((await browser.get('/tenant')).status).toBe(403)
    await administered('app_role')
    await rig.store.revoke({
      selector: { kind: 'session', sid: browser.sid },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'x' },
      now: rig.clock.now(),
    })
    const begun = await browser.send('/tenant')
    expect([begun.status, begun.headers.get('location')]).toEqual([
      303,
      '/signin/start?return_to=%2Ftenant',
    ])
    const again = await tina()
    await rig.store.removeTenant({
      tid: OTHER_TENANT,
      actor: { kind: 'operator', id: 'x' },
      now: rig.clock.now(),
    })
    expect((await again.send('/tenant')).status).toBe(303)
  })

  test('no user of the operators’ tenant, and none while there is no such tenant', async () => {
    await rig.store.changeTenant({ tid: TENANT, change: { administrators: 'app_role' } })
    expect((await (await signedIn(CAROL, [ROLE.tenantAdministrator])).get('/tenant')).status).toBe(
      403,
    )
    rig = await createRig({ config: { operatorTenant: undefined } })
    await administered('app_role')
    expect((await (await tina()).get('/tenant')).status).toBe(403)
  })

  test('roles of operators make none: Broker.Administrator of another tenant counts for nothing', async () => {
    await administered('app_role')
    const browser = await signedIn(TINA, [ROLE.administrator, ROLE.operator, ROLE.auditor])
    expect((await browser.get('/tenant')).status).toBe(403)
  })
})

describe('in their own tenant', () => {
  const UMA = {
    tid: OTHER_TENANT,
    oid: '00000000-0000-4000-8000-0000000000c3',
    name: 'Uma User',
    username: 'uma@fabrikam.example',
  }
  /** An operator's case and comment, which only operators may see. */
  const OPERATORS = {
    actor: { kind: 'operator', id: 'adam' },
    caseReference: 'CASE-OPERATORS',
    comment: 'secret of operators',
  } as const

  async function scene() {
    await administered('app_role')
    const client = await rig.register('Sydney')
    const [uma, carol] = [
      await rig.openSession({ user: UMA, device: 'Safari on iPhone' }),
      await rig.openSession({ user: CAROL }),
    ]
    await rig.signInAt(uma.session.sid, client)
    return { browser: await tina(), uma: uma.session, carol: carol.session }
  }
  const isLive = async (sid: string) =>
    (await rig.store.statusBySid(sid, rig.clock.now())).state === 'live'
  const locksOf = (tid: string) =>
    rig.store.listLocks({ state: 'open', kind: 'user', key: tid, limit: 9 })

  test('they find a user, sign out one session, and read what became of it; the log’s number is not shown', async () => {
    const { browser, uma, carol } = await scene()
    expect((await browser.get('/tenant/search?q=carol')).text).toContain('No entry matches.')
    const user = await browser.get('/tenant/search?q=uma')
    expect(user.path).toBe(`/tenant/users/${uma.sub}`)
    expect(user.text).toContain('Safari on iPhone')
    const check = await browser.get(`/tenant/revoke?kind=session&value=${uma.sid}`)
    expect(check.title).toBe('Check before you sign out')
    expect(check.text).toContain('1 session of 1 user, at 1 instance')
    expect(check.text).not.toContain('logout token')
    const { number } = await rig.store.chainHead('audit')
    expect(new URL(check.url).searchParams.get('seen')).not.toBe(String(number))
    const done = await browser.submitTo(check, '/tenant/revoke', {
      case_reference: 'FAB-1',
      comment: 'lost telephone',
    })
    expect([done.path, done.text.includes('Signed out.')]).toEqual([
      `/tenant/users/${uma.sub}?done=yes`,
      true,
    ])
    expect([await isLive(uma.sid), await isLive(carol.sid)]).toEqual([false, true])
    const [entry] = await rig.store.listRevocations({ limit: 1 })
    expect(entry).toMatchObject({
      reason: 'administrator',
      actor: { kind: 'operator', id: browser.sub },
      tid: OTHER_TENANT,
      caseReference: 'FAB-1',
    })
    expect(await rig.store.listAudit({ act: 'revoke', limit: 1 })).toMatchObject([
      {
        actor: { id: browser.sub },
        via: 'console',
        details: { tid: OTHER_TENANT },
        ended: { outcome: 'done' },
      },
    ])
    const log = await browser.get('/tenant/revocations')
    expect(log.text).toMatch(
      /One session of Uma User.*Ended by an administrator.*Tina Tenant.*FAB-1/,
    )
    expect(log.html).not.toContain('/revocations/')
    expect((await browser.get('/tenant/audit')).text).toMatch(
      /Tina Tenant.*revoke.*“lost telephone” FAB-1 done/,
    )
    expect((await browser.get('/tenant/revocations.csv')).html).toContain(
      '"One session of Uma User · uma@fabrikam.example, Safari on iPhone",administrator',
    )
  })

  test('they see the users and live sessions of their tenant, on pages and as CSV, and count none of another', async () => {
    const { browser, uma, carol } = await scene()
    for (const path of ['/tenant/sessions', '/tenant/users', '/tenant/users?q=carol']) {
      const { text } = await browser.get(path)
      expect([path, text.includes('Uma User'), text.includes('Carol')]).toEqual([
        path,
        !path.endsWith('=carol'),
        false,
      ])
    }
    for (const list of ['sessions', 'users']) {
      const csv = (await browser.get(`/tenant/${list}.csv`)).html
      expect([list, csv.trim().split('\r\n').length]).toEqual([list, 3])
      expect([csv.includes(uma.sub), csv.includes(carol.sub)]).toEqual([true, false])
    }
    expect((await browser.send('/tenant/deliveries.csv')).status).toBe(404)
  })

  test('no filter of an address tells them whom the broker knows in another tenant', async () => {
    const { browser } = await scene()
    await rig.openSession({ user: { ...CAROL, oid: UMA.oid, name: 'Carol Cooper' } })
    const seen = async (who: string) => {
      const { status, text } = await browser.get(`/tenant/audit?actor=${who}`)
      return [status, text]
    }
    const nobody = await seen('nobody')
    for (const who of ['carol', 'contoso', 'Sydney', 'sydney'])
      expect([who, ...(await seen(who))]).toEqual([who, ...nobody])
  })

  test('beyond the limit no list is downloaded, and none is in the audit log; pages are not limited', async () => {
    const { browser } = await scene()
    const [most, answers] = [20, [] as number[]]
    for (let at = 0; at <= most; at++)
      answers.push((await browser.send('/tenant/sessions.csv')).status)
    expect(answers).toEqual([...Array.from({ length: most }, () => 200), 429])
    const rejected = await browser.send('/tenant/revocations.csv')
    expect([rejected.status, rejected.headers.get('retry-after')]).toEqual([429, '10'])
    expect(await rig.store.listAudit({ act: 'sessions.export', limit: 100 })).toHaveLength(most)
    expect((await browser.get('/tenant/sessions')).text).toContain('Uma User')
  })

  test('each list that they download has its entry in the audit log, which they read too', async () => {
    const { browser } = await scene()
    for (const list of ['sessions', 'revocations']) {
      await browser.get(`/tenant/${list}.csv`)
      expect(await rig.store.listAudit({ act: `${list}.export`, limit: 2 })).toMatchObject([
        {
          actor: { id: browser.sub },
          via: 'console',
          target: `tenant ${OTHER_TENANT}`,
          ended: { outcome: 'done' },
        },
      ])
    }
    expect((await browser.get('/tenant/audit')).text).toMatch(
      /Tina Tenant.*revocations\.export.*Tina Tenant.*sessions\.export/,
    )
  })

  test('an address or a form with a NUL character is rejected, as the operators’ console rejects it', async () => {
    const { browser, uma } = await scene()
    for (const path of [
      '/tenant/search?q=u%00ma',
      '/tenant/sessions?user=%00',
      '/tenant/users/%00',
      '/tenant/revoke?kind=subject&value=%00',
    ]) {
      const page = await browser.get(path)
      expect([path, page.status, page.text.includes('NUL')]).toEqual([path, 400, true])
    }
    const check = await browser.get(`/tenant/revoke?kind=subject&value=${uma.sub}`)
    expect((await browser.submitTo(check, '/tenant/revoke', { comment: 'a\0b' })).status).toBe(400)
    expect(await isLive(uma.sid)).toBe(true)
  })

  test('an address that also names an instance locks the user, and speaks of no instance', async () => {
    const { browser, uma } = await scene()
    const page = await browser.get(`/tenant/lock?client=sydney&user=${uma.sub}`)
    expect(page.text).toContain('The user cannot sign in.')
    expect(page.text).toContain('do not name the user')
    expect([page.text.includes('instance gets'), page.html.includes('/ops/')]).toEqual([
      false,
      false,
    ])
    const done = await browser.submitTo(page, '/tenant/lock', { hours: '1' })
    expect(done.text).toContain('is locked. 1 session ended.')
    expect(await locksOf(OTHER_TENANT)).toMatchObject([{ target: { oid: UMA.oid } }])
  })

  test('they lock a user in their tenant alone, and lift what an administrator of it has locked', async () => {
    const { browser, uma } = await scene()
    const page = await browser.get(`/tenant/lock?user=${uma.sub}`)
    const done = await browser.submitTo(page, '/tenant/lock', { hours: 'open' })
    expect(done.path).toContain(`/tenant/users/${uma.sub}?done=user`)
    expect(done.text).toContain('is locked. 1 session ended.')
    expect((await browser.get('/tenant')).text).not.toContain('Only the operator')
    expect(await isLive(uma.sid)).toBe(false)
    const [lock] = await locksOf(OTHER_TENANT)
    expect(lock).toMatchObject({
      target: { kind: 'user', tid: OTHER_TENANT, oid: UMA.oid },
      endsAt: undefined,
    })
    const lift = await browser.press(await browser.get('/tenant/locks'), 'Lift')
    const lifted = await browser.submitTo(lift, '/tenant/locks/lift')
    expect(lifted.path).toBe(`/tenant/users/${uma.sub}?done=lifted`)
    expect(lifted.text).toContain('The lock is lifted.')
    expect(await locksOf(OTHER_TENANT)).toEqual([])
    const self = await browser.get(`/tenant/lock?user=${browser.sub}`)
    expect((await browser.submitTo(self, '/tenant/lock')).text).toContain(
      'You cannot lock your own account',
    )
  })

  test('the lock of an administrator who was erased since is lifted by another administrator', async () => {
    const { browser, uma } = await scene()
    const page = await browser.get(`/tenant/lock?user=${uma.sub}`)
    await browser.submitTo(page, '/tenant/lock', { hours: 'open' })
    const actor = { kind: 'operator', id: 'adam' } as const
    await rig.store.eraseUser({ sub: browser.sub, actor, now: rig.clock.now() })
    const another = await signedIn(
      { ...TINA, oid: '00000000-0000-4000-8000-0000000000c4', name: 'Tom Tenant' },
      [ROLE.tenantAdministrator],
    )
    expect((await another.get('/tenant')).text).not.toContain('Only the operator')
    const lift = await another.press(await another.get('/tenant/locks'), 'Lift')
    const lifted = await another.submitTo(lift, '/tenant/locks/lift')
    expect(lifted.text).toContain('The lock is lifted.')
    expect(await locksOf(OTHER_TENANT)).toEqual([])
  })

  test('of an operator’s lock and revocation they see neither words nor name, and they cannot lift it', async () => {
    const { browser, uma } = await scene()
    const now = rig.clock.now()
    const target = { kind: 'user', tid: OTHER_TENANT, oid: UMA.oid } as const
    const locked = await rig.store.lock({
      ...OPERATORS,
      target,
      may: 'administer',
      operatorTenant: TENANT,
      now,
    })
    const id = locked.outcome === 'locked' ? locked.lock.id : ''
    for (const path of [
      '/tenant/locks',
      '/tenant/revocations',
      `/tenant/users/${uma.sub}`,
      '/tenant/revocations.csv',
      '/tenant/locks.csv',
      '/tenant/audit.csv',
    ]) {
      const { html } = await browser.get(path)
      expect([
        path,
        html.includes('CASE-OPERATORS'),
        html.includes('secret of operators'),
        html.includes('adam'),
      ]).toEqual([path, false, false, false])
    }
    expect((await browser.get('/tenant/locks')).text).toContain('The operator of Case Manager')
    rig.config.look = { ...rig.config.look, support: 'tel:+41445550100' }
    for (const path of ['/tenant', `/tenant/users/${uma.sub}`]) {
      const { text, html } = await browser.get(path)
      expect([path, text]).toEqual([path, expect.stringContaining('the operator lifts it')])
      expect(text).toContain('Only the operator of Case Manager can lift a lock')
      expect(html).toContain('href="tel:+41445550100"')
    }
    expect((await browser.get(`/tenant/locks/lift?id=${id}`)).status).toBe(404)
    const actor = { kind: 'operator', id: browser.sub, tid: OTHER_TENANT } as const
    expect(await rig.store.liftLock({ id, actor, now })).toEqual({ outcome: 'unknown' })
    expect(await locksOf(OTHER_TENANT)).toHaveLength(1)
  })

  test('a name of another tenant’s user, session or lock answers as one that does not exist, in pages and in forms', async () => {
    const { browser, uma, carol } = await scene()
    const now = rig.clock.now()
    const target = { kind: 'user', tid: TENANT, oid: CAROL.oid } as const
    const locked = await rig.store.lock({
      ...OPERATORS,
      target,
      may: 'administer',
      operatorTenant: undefined,
      now,
    })
    const id = locked.outcome === 'locked' ? locked.lock.id : ''
    const before = await rig.store.head()
    const own = await browser.get(`/tenant/revoke?kind=subject&value=${uma.sub}`)
    const csrf = own.forms.find(({ action }) => action === '/tenant/revoke')?.fields.csrf ?? ''
    for (const [path, theirs, none] of [
      ['/tenant/users/', carol.sub, 'u_none'],
      ['/tenant/search?q=', carol.sub, 'u_none'],
      ['/tenant/search?q=', carol.sid, 's_none'],
      ['/tenant/sessions?user=', carol.sid, 's_none'],
      ['/tenant/revocations?user=', carol.sub, 'u_none'],
      ['/tenant/revoke?kind=subject&value=', carol.sub, 'u_none'],
      ['/tenant/revoke?kind=session&value=', carol.sid, 's_none'],
      ['/tenant/revoke?kind=tenant&value=', TENANT, OTHER_TENANT],
      ['/tenant/lock?user=', carol.sub, 'u_none'],
      ['/tenant/lock?client=', 'sydney', 'nowhere'],
      ['/tenant/locks/lift?id=', id, 'l_none'],
    ] as const) {
      const [theirPage, noPage] = [await browser.get(path + theirs), await browser.get(path + none)]
      const words = (page: { text: string }) => page.text.replaceAll(theirs, none)
      const isList = /search|sessions|revocations/.test(path)
      expect([path, theirPage.status, words(theirPage)]).toEqual([
        path,
        isList ? 200 : 404,
        noPage.text,
      ])
      if (isList || path === '/tenant/users/') continue
      const body = (value: string) => {
        const form = new URLSearchParams(`${path.split('?')[1]}${value}`)
        form.set('csrf', csrf)
        return form
      }
      const to = path.replace(/\?.*/, '')
      const [theirAnswer, noAnswer] = [
        await browser.post(to, body(theirs)),
        await browser.post(to, body(none)),
      ]
      expect([to, theirAnswer.status, theirAnswer.text]).toEqual([to, 404, noAnswer.text])
    }
    expect(await rig.store.head()).toEqual(before)
  })

  test('an act needs a recent sign-in, and a form that came from this browser’s page', async () => {
    const { browser, uma } = await scene()
    const check = await browser.get(`/tenant/revoke?kind=subject&value=${uma.sub}`)
    rig.clock.advance(301)
    const late = await browser.submitTo(check, '/tenant/revoke', { comment: 'kept' })
    expect(late.text).toContain('sign in again first')
    const { pathname, search } = new URL(check.url)
    for (const [page, label, returnTo] of [
      [
        await browser.get(check.url),
        'Sign in again, then sign Uma User out everywhere',
        pathname + search,
      ],
      [late, 'Sign in again (in a new tab)', '/tenant/fresh'],
    ] as const) {
      const again = new URL(page.link(label))
      expect(again.searchParams.get('return_to')).toBe(returnTo)
      expect((await browser.get(again.href)).text).toContain('to administer the users')
    }
    expect((await browser.get('/tenant/fresh')).text).toContain('continue in the other tab')
    expect(
      (await browser.post('/tenant/revoke', { kind: 'subject', value: uma.sub })).text,
    ).toContain('does not come from a page')
    expect(await isLive(uma.sid)).toBe(true)
  })

  test('they read who asserted MFA for their tenant, an operator’s name aside, and find the link by which it is asserted', async () => {
    const { browser } = await scene()
    const asserted = (by: string) =>
      rig.store.changeTenant({
        tid: OTHER_TENANT,
        change: { proofAssertedBy: by, proofAssertedAt: rig.clock.now() },
      })
    await asserted('Olga Operator')
    const home = await browser.get('/tenant')
    expect(home.text).not.toContain('Olga')
    expect(home.text).toContain('No administrator of your tenant has asserted')
    const invited = await browser.press(home, 'Consent and proof of MFA')
    expect([invited.status, invited.text.includes(OTHER_TENANT)]).toEqual([200, true])
    await asserted('Tina Tenant (Global Administrator)')
    await rig.store.setSetting(assertedByTenantSetting(OTHER_TENANT), String(rig.clock.now()))
    const after = await browser.get('/tenant')
    expect([
      after.text.includes('Tina Tenant (Global Administrator)'),
      after.text.includes('has asserted'),
    ]).toEqual([true, false])
  })
})

describe('lists of a large tenant', () => {
  /** Limits how many entries one answer reads. */
  function lookAtMost(most: number) {
    const { pageOfRevocations, pageOfSessions } = rig.store
    rig.store.pageOfRevocations = (input) => pageOfRevocations({ ...input, most })
    rig.store.pageOfSessions = (input) => pageOfSessions({ ...input, most })
  }
  const userOf = (tid: string, n: number) => ({
    tid,
    oid: `00000000-0000-4000-8000-0000000001${String(n).padStart(2, '0')}`,
    name: `Uma User${n}`,
  })
  const revoke = (sub: string, reason: 'administrator' | 'signed_out') =>
    rig.store.revoke({
      selector: { kind: 'subject', sub },
      reason,
      actor: { kind: 'operator', id: 'olga' },
      now: rig.clock.now(),
    })
  const further = (html: string) =>
    /<a href="([^"]*)" rel="next">\s*Search further back/.exec(html)?.[1]?.replaceAll('&amp;', '&')

  /** The pages of a search. */
  async function searched(browser: Browser, path: string) {
    const pages = [await browser.get(path)]
    for (
      let href = further(pages[0]?.html ?? '');
      href !== undefined;
      href = further(pages.at(-1)?.html ?? '')
    )
      pages.push(await browser.get(href))
    return pages
  }

  test('say how far they were searched, and go on from there; those of other tenants count for nothing', async () => {
    await administered('app_role')
    const browser = await tina()
    // There are more users than a search looks up one by one, a minute apart, and as many of
    // another tenant.
    for (let n = 0; n < 22; n++) {
      rig.clock.advance(60)
      await rig.openSession({ user: userOf(TENANT, n) })
      const { session } = await rig.openSession({ user: userOf(OTHER_TENANT, n) })
      if (n < 9) await revoke(session.sub, n === 0 ? 'signed_out' : 'administrator')
      if (n < 9) await rig.openSession({ user: userOf(OTHER_TENANT, n) })
    }
    lookAtMost(5)
    const log = await searched(browser, '/tenant/revocations?reason=signed_out')
    expect(log).toHaveLength(2)
    // The search ended at the fifth of nine, which began at 09:01. The page leaves out its number,
    // which counts the revocations of every tenant.
    expect(log[0]?.text).toMatch(
      /No match so far\. Searched back to [\d:]*09:05:00\sUTC\. Older entries are not searched yet\./,
    )
    expect(log[1]?.text).toMatch(/Uma User0/)
    expect(log[1]?.text).not.toContain('Searched back to')
    const found = await searched(browser, '/tenant/sessions?user=uma')
    expect(found[0]?.text).toMatch(
      /Searched back to sessions that began [\d:]*09:18:00\sUTC\. Older entries are not searched yet\./,
    )
    expect(found.at(-1)?.text).toContain('First page Previous page')
    const shown = found.flatMap(({ html }) =>
      [...html.matchAll(/>Uma User(\d+)/g)].map(([, n]) => Number(n)),
    )
    expect(shown).toEqual(Array.from({ length: 22 }, (_, n) => 21 - n))
  })

  test('are read page by page for a CSV file, whole', async () => {
    await administered('app_role')
    const browser = await tina()
    for (let n = 0; n < 7; n++) {
      const { session } = await rig.openSession({ user: userOf(OTHER_TENANT, n) })
      await rig.openSession({ user: userOf(TENANT, n) })
      if (n < 3) await revoke(session.sub, 'administrator')
    }
    lookAtMost(2)
    const rows = async (list: string) =>
      (await browser.get(`/tenant/${list}.csv`)).html.trim().split('\r\n').slice(1)
    // The rows are Tina's own session, and those that were not revoked.
    expect((await rows('sessions')).map((row) => /Uma User\d|Tina/.exec(row)?.[0]).sort()).toEqual([
      'Tina',
      ...[3, 4, 5, 6].map((n) => `Uma User${n}`),
    ])
    expect(await rows('revocations')).toHaveLength(3)
  })

  test('are read for a CSV file as fast as the client takes it, and no further once it has left', async () => {
    await administered('app_role')
    const browser = await tina()
    const { session } = await rig.openSession({ user: userOf(OTHER_TENANT, 1) })
    let [asked, largest] = [0, 0]
    const { pageOfSessions } = rig.store
    // This list has no end.
    rig.store.pageOfSessions = async (input) => {
      asked++
      largest = Math.max(largest, input.limit, input.most)
      const { found } = await pageOfSessions({ ...input, before: undefined })
      return { found, searchedTo: { openedAt: session.openedAt, sid: session.sid } }
    }
    const { body } = await browser.send('/tenant/sessions.csv')
    const reader = body?.getReader() ?? expect.unreachable()
    for (let chunks = 0; chunks < 5; chunks++) expect((await reader.read()).done).toBe(false)
    await reader.cancel()
    // The first chunk is the heading; one page is read ahead.
    expect(asked).toBeGreaterThanOrEqual(4)
    expect(asked).toBeLessThanOrEqual(6)
    expect(largest).toBeLessThanOrEqual(100)
  })

  test('a client that leaves its connection ends the export', async () => {
    let end: () => void
    const ended = new Promise<void>((resolve) => (end = resolve))
    async function* endless() {
      try {
        for (;;) yield 'n\r\n'
      } finally {
        end()
      }
    }
    const base = await rig.serve(
      new Hono().get('/', () => download(endless(), 'text/csv', 'numbers.csv')),
    )
    const leaving = new AbortController()
    const { body } = await fetch(base, { signal: leaving.signal })
    expect(new TextDecoder().decode((await body?.getReader().read())?.value)).toMatch(/^n\r\n/)
    leaving.abort()
    await ended
  })
})

describe('the role that is set (protocol/tenant-administrators)', () => {
  test('is the app role, or a directory role that not every user has; anything else opens nothing', () => {
    expect(administratorRole('app_role')).toBe('Broker.TenantAdministrator')
    expect(administratorRole(`directory_role:${GLOBAL_ADMINISTRATOR}`)).toBe(
      `Broker.TenantAdministrator:${GLOBAL_ADMINISTRATOR}`,
    )
    for (const wrong of [
      undefined,
      '',
      'App_Role',
      'directory_role:',
      'directory_role:*',
      `directory_role:${GLOBAL_ADMINISTRATOR.toUpperCase()}`,
      'directory_role:b79fbf4d-3ef9-4689-8143-76b194e85509',
    ]) {
      expect([wrong, administratorRole(wrong)]).toEqual([wrong, undefined])
      expect(isAdministratorsSetting(wrong ?? '')).toBe(false)
    }
  })

  test('a directory role is worth something in the session only if the tenant’s setting names it, and no app role of its name is', () => {
    const setting = `directory_role:${GLOBAL_ADMINISTRATOR}`
    const role = `Broker.TenantAdministrator:${GLOBAL_ADMINISTRATOR}`
    const identity = {
      roles: ['CaseManager.User', role],
      directoryRoles: [GLOBAL_ADMINISTRATOR.toUpperCase(), 'other'],
    }
    expect(sessionRoles(identity, setting)).toEqual(['CaseManager.User', role])
    expect(sessionRoles({ ...identity, directoryRoles: [] }, setting)).toEqual(['CaseManager.User'])
    expect(sessionRoles(identity, 'app_role')).toEqual(['CaseManager.User'])
    expect(sessionRoles(identity, undefined)).toEqual(['CaseManager.User'])
  })
})

describe('everything else of the broker is invisible to the administrator of a tenant', () => {
  /** Texts that only a page of another tenant shows. */
  const FOREIGN = ['Carol', 'carol@', CAROL.oid, 'CASE-CONTOSO', 'Sydney', 'sydney']

  /** Fills another tenant with all that the broker keeps. Returns the values of path parameters. */
  async function contoso(): Promise<Record<string, string>> {
    const client = await rig.register('Sydney')
    const { session } = await rig.openSession({ user: CAROL })
    await rig.signInAt(session.sid, client)
    const now = rig.clock.now()
    const by = { actor: { kind: 'operator', id: 'x' }, caseReference: 'CASE-CONTOSO', now } as const
    const revoked = await rig.store.revoke({
      ...by,
      selector: { kind: 'session', sid: session.sid },
      reason: 'administrator',
    })
    const locked = await rig.store.lock({
      ...by,
      target: { kind: 'user', tid: TENANT, oid: CAROL.oid },
      may: 'administer',
      operatorTenant: undefined,
    })
    const seq = revoked.outcome === 'revoked' ? String(revoked.committed.revocation.seq) : ''
    return {
      sub: session.sub,
      seq,
      tid: TENANT,
      id: locked.outcome === 'locked' ? locked.lock.id : '',
      sid: session.sid,
      client_id: client.clientId,
    }
  }

  const addressed = (path: string, values: Record<string, string>): string =>
    path
      .replace(/[:{](\w+)(?:\{[^}]*\}|\})?/g, (_, name: string) =>
        encodeURIComponent(values[name] ?? values.id ?? 'x'),
      )
      .replace('*', 'x')

  /**
   * The paths that are open to every caller of the listener, and that show nothing about users.
   * docs/deploy.md keeps them from the public.
   */
  const OF_EVERYONE =
    /^\/(?:$|healthz|livez|readyz|metrics|openapi\.json|assets|ops\/assets|ops\/signed-out|brand)/

  test('no page, form or endpoint of the operators’ listener is open, whatever it names', async () => {
    const values = await contoso()
    await administered('app_role')
    const browser = await signedIn(TINA, [ROLE.tenantAdministrator], OPS)
    expect((await browser.get('/ops/sign-in')).title).toBe('The console is not open to you')
    const routes = rig.opsApp.routes.filter(
      ({ path }) => !path.endsWith('*') && !OF_EVERYONE.test(path),
    )
    const methods = (method: string) => (method === 'ALL' ? ['GET', 'POST'] : [method])
    const asked = new Set(
      routes.flatMap(({ method, path }) => methods(method).map((verb) => `${verb} ${path}`)),
    )
    expect([...asked]).toEqual(
      expect.arrayContaining([
        'GET /ops/users/:sub',
        'GET /admin/v1/sessions',
        'POST /ops/revoke',
        'GET /setup/tenants/:tid',
      ]),
    )
    for (const address of asked) {
      const [method = '', path = ''] = address.split(' ')
      const answer = await browser.send(
        addressed(path, values),
        method === 'GET' ? {} : { method, body: '' },
      )
      const text = await answer.text()
      // /setup shows its entrance to every caller; /ops/sign-in leads to the sign-in.
      const isClosed = answer.status >= 400 || /^\/setup|^\/ops\/(?:sign-in|callback)/.test(path)
      expect([address, isClosed, FOREIGN.filter((word) => text.includes(word))]).toEqual([
        address,
        true,
        [],
      ])
    }
    expect((await rig.store.listRevocations({ limit: 9 })).length).toBe(2)
  })

  test('no endpoint of the public listener’s document shows anything of another tenant', async () => {
    const values = await contoso()
    await administered('app_role')
    const browser = await tina()
    const document = (await (await rig.app.request(`${ISSUER}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, unknown>>
    }
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => [method.toUpperCase(), path] as const),
    )
    expect(operations.length).toBeGreaterThan(15)
    for (const [method, path] of operations.filter(
      ([, path]) => !path.startsWith('/admin') && path !== '/feed',
    )) {
      const answer = await browser.send(
        addressed(path, values),
        method === 'GET' ? {} : { method, body: '' },
      )
      const text = answer.headers.get('content-type')?.includes('event-stream')
        ? ''
        : await answer.text()
      expect([method, path, FOREIGN.filter((word) => text.includes(word))]).toEqual([
        method,
        path,
        [],
      ])
    }
  })

  test('every page of their console, with the names of another tenant in it, is empty of that tenant', async () => {
    const values = await contoso()
    await administered('app_role')
    const browser = await tina()
    const pages = rig.tenantApp.routes.filter(
      ({ method, path }) =>
        method === 'GET' && path.startsWith('/tenant') && !path.includes('/assets/'),
    )
    const query = new URLSearchParams({
      ...values,
      q: 'carol',
      user: values.sub ?? '',
      session: values.sid ?? '',
      case: 'CASE-CONTOSO',
    })
    expect(pages.length).toBeGreaterThan(1)
    for (const path of new Set(pages.map((page) => page.path))) {
      const page = await browser.get(`${addressed(path, values)}?${query}`)
      expect([
        path,
        FOREIGN.filter((word) => page.text.includes(word) && word !== 'carol'),
      ]).toEqual([path, []])
    }
  })
})
