import { beforeEach, describe, expect, test } from 'vitest'
import { createRig, OTHER_TENANT, type Rig, TENANT } from '../rig.ts'
import { atConsole, sessionsAt } from './console.ts'

/**
 * Locking at the console: who may, a recent sign-in, and what an administrator types for an
 * instance.
 */

let rig: Rig
beforeEach(async () => {
  rig = await createRig()
})

describe('/ops/locks', () => {
  test('an operator locks a user for a day, an administrator lifts the lock; both are in the audit log', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Ulla'])
    const sub = sessions[0]?.sub ?? ''
    const olga = await atConsole(rig, 'operator')
    const sessionsPage = await olga.get('/ops/sessions?user=Ulla')
    const user = await olga.press(sessionsPage, 'Ulla')
    expect(user.link('Lock Ulla')).toContain(`/ops/lock?user=${sub}`)
    const check = await olga.press(user, 'Lock Ulla')
    expect(check.html).toContain('Lock now')
    const tomorrow = '25 Nov 2026 09:00:00\u00a0UTC (24 hours)'
    expect(check.html).toContain('10:00:00\u00a0UTC (1 hour)')
    expect(check.html).toContain(`<option value="24" selected="">${tomorrow}`)
    expect(check.text).toContain('While it lasts The user cannot sign in.')
    expect(check.html).not.toMatch(/An administrator lifts it|until the lock is lifted/)
    const locked = await olga.submitTo(check, '/ops/lock', {
      case_reference: 'INC-9',
      comment: 'phone lost',
    })
    expect(locked.text).toMatch(/Ulla.{0,40} is locked\. 1 session ended\./)
    expect(locked.link('See what each instance has confirmed')).toContain('/ops/revocations/1')
    expect(locked.text).toContain('INC-9')
    expect((await rig.store.statusBySid(sessions[0]?.sid ?? '', rig.clock.now())).state).toBe(
      'ended',
    )
    expect((await olga.get('/ops')).text).toMatch(/Locked What.*Ulla.*Olga Operator.*INC-9/)
    expect((await olga.get(`/ops/users/${sub}`)).text).toMatch(
      /This user is locked\. By: Olga Operator\. Case: INC-9\. Until: 25 Nov 2026 09:00:00/,
    )
    const [lock] = await rig.store.listLocks({ state: 'open', limit: 2 })
    expect((await olga.get(`/ops/locks/lift?id=${lock?.id}`)).status).toBe(403)
    const adam = await atConsole(rig, 'administrator')
    const lifted = await adam.submitTo(
      await adam.get(`/ops/locks/lift?id=${lock?.id}`),
      '/ops/locks/lift',
      { comment: 'found again' },
    )
    expect(lifted.text).toContain('The lock is lifted.')
    expect((await adam.get(`/ops/lock?user=${sub}`)).text).toContain(
      'Ends now No user is signed in: nothing ends now.',
    )
    expect(
      (await rig.store.listAudit({ limit: 20 }))
        .filter(({ act }) => act.startsWith('lock'))
        .map(({ act, via }) => [act, via]),
    ).toEqual([
      ['lock.lift', 'console'],
      ['lock', 'console'],
    ])
  })

  test('a lock ends at any time that is given, in UTC; one that has passed, or is no time, locks nothing', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Ulla'])
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.get(`/ops/lock?user=${sessions[0]?.sub}`)
    expect(check.html).toContain('name="until" type="datetime-local"')
    for (const until of ['2020-01-01T00:00', 'tomorrow'])
      expect((await adam.submitTo(check, '/ops/lock', { until })).status).toBe(422)
    expect(await rig.store.listLocks({ state: 'open', limit: 1 })).toEqual([])
    await adam.submitTo(check, '/ops/lock', { until: '2026-12-01T08:30' })
    const [lock] = await rig.store.listLocks({ state: 'open', limit: 1 })
    expect(lock?.endsAt).toBe(Date.parse('2026-12-01T08:30Z') / 1000)
  })

  test.each(['/ops/locks?done', '/ops/revocations?done', '/ops/deliveries?done'])(
    'a key at %s that names no result shows none',
    async (address) => {
      const adam = await atConsole(rig, 'administrator')
      for (const key of ['constructor', 'toString', 'else'])
        expect((await adam.get(`${address}=${key}`)).html).not.toContain('notice good')
    },
  )

  test('an old sign-in locks and lifts nothing, and no operator locks their own account', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Ulla'])
    const adam = await atConsole(rig, 'administrator')
    const own = await adam.get(`/ops/lock?${new URLSearchParams({ user: adam.sub, hours: '' })}`)
    expect((await adam.submitTo(own, '/ops/lock', {})).text).toContain(
      'You cannot lock your own account.',
    )
    const page = async (who: typeof adam, sub: string) => (await who.get(`/ops/users/${sub}`)).text
    expect(await page(adam, adam.sub)).toMatch(/^(?!.*Lock Adam).*You cannot lock your own account/)
    const olga = await atConsole(rig, 'operator')
    expect(await page(olga, adam.sub)).toMatch(
      /^(?!.*Lock Adam).*This user has a role of the broker\. Ask an administrator to lock them\./,
    )
    expect(await page(adam, olga.sub)).toContain('Lock Olga Operator')
    rig.clock.advance(600)
    const late = await adam.get(
      `/ops/lock?${new URLSearchParams({ user: sessions[0]?.sub ?? '', hours: '1' })}`,
    )
    expect(late.text).toContain('This needs a sign-in that is no older than 5 minutes')
    expect(late.link('Sign in again, then lock now')).toContain(encodeURIComponent(late.path))
    const { csrf = '' } = late.forms.find(({ action }) => action === '/ops/sign-out')?.fields ?? {}
    const byHand = { csrf, user: sessions[0]?.sub ?? '', hours: '1' }
    expect((await adam.post('/ops/lock', byHand)).status).toBe(422)
    expect((await adam.get('/ops/lock?user=u_none&hours=1')).status).toBe(404)
    expect(await rig.store.listLocks({ state: 'all', limit: 2 })).toEqual([])
  })

  test('an administrator locks an instance from its page, having typed its id; no operator does', async () => {
    await sessionsAt(rig, 'Sydney', ['Ulla'])
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.press(await adam.get('/ops/clients/sydney'), 'Lock this instance')
    expect(check.text).toMatch(/The instance Case Manager Sydney Ends now 1 session of 1 user/)
    expect(check.html).toContain('<option value="open" selected="">An administrator lifts it')
    const said = { case_reference: 'INC-9', comment: 'its key leaked' }
    for (const typed of ['', 'melbourne']) {
      const wrong = await adam.submitTo(check, '/ops/lock', { ...said, typed })
      expect([typed, wrong.status, wrong.text]).toEqual([
        typed,
        422,
        expect.stringContaining('what was typed is not sydney'),
      ])
      expect(wrong.html).toContain('its key leaked')
    }
    rig.clock.advance(301)
    const late = await adam.submitTo(check, '/ops/lock', { ...said, typed: 'sydney' })
    expect([late.status, late.text]).toEqual([422, expect.stringContaining('sign in again first')])
    expect(await rig.store.listLocks({ state: 'all', limit: 2 })).toEqual([])
    const fresh = await atConsole(rig, 'administrator')
    const locked = await fresh.submitTo(await fresh.get('/ops/lock?client=sydney'), '/ops/lock', {
      ...said,
      typed: 'sydney',
    })
    expect(locked.text).toContain('The instance is locked. It gets no code and no token.')
    expect(await rig.store.listLocks({ state: 'open', limit: 2 })).toMatchObject([
      { target: { clientId: 'sydney' }, caseReference: 'INC-9', endsAt: undefined },
    ])
    for (const page of ['/ops', '/ops/clients', '/ops/clients/sydney'])
      expect((await fresh.get(page)).text).toMatch(
        /locked.*By: Adam Administrator\. Case: INC-9\. Until: an administrator lifts it\./,
      )
    expect((await fresh.get('/ops/clients/sydney')).text).not.toContain('Lock this instance')
    const again = await fresh.get('/ops/lock?client=sydney')
    expect(again.text).toContain('This instance is locked already.')
    expect((await fresh.submitTo(again, '/ops/lock', { typed: 'sydney' })).text).toContain(
      'Nothing was changed.',
    )
    expect((await fresh.get('/ops/lock?client=nowhere')).status).toBe(404)
    const olga = await atConsole(rig, 'operator')
    expect((await olga.get('/ops/clients/sydney')).text).not.toContain('Lock this instance')
    expect((await olga.get('/ops/lock?client=sydney')).status).toBe(403)
    const { csrf = '' } =
      (await olga.get('/ops')).forms.find(({ action }) => action === '/ops/sign-out')?.fields ?? {}
    expect((await olga.post('/ops/lock', { csrf, client: 'sydney', typed: 'sydney' })).status).toBe(
      403,
    )
  })

  test('an administrator locks a tenant from the list of tenants, having typed its name, and lifts the lock there; no operator does', async () => {
    const user = { tid: OTHER_TENANT, oid: '00000000-0000-4000-8000-0000000000d1', name: 'Fay' }
    const { session } = await rig.openSession({ user })
    await rig.store.changeTenant({ tid: OTHER_TENANT, change: { name: 'Fabrikam' } })
    const adam = await atConsole(rig, 'administrator')
    const tenants = await adam.get('/ops/tenants')
    expect(tenants.text).toContain(`Fabrikam ${OTHER_TENANT} open`)
    expect(tenants.text).toContain(`${TENANT} operators’ tenant open`)
    expect(tenants.html).not.toContain(`/ops/lock?tenant=${TENANT}`)
    const check = await adam.get(`/ops/lock?tenant=${OTHER_TENANT}`)
    expect(tenants.links).toContain(check.path)
    expect(check.text).toMatch(
      /The tenant Fabrikam Ends now 1 session of 1 user.*No user of the tenant can sign in/,
    )
    expect((await adam.submitTo(check, '/ops/lock', { typed: OTHER_TENANT })).text).toContain(
      'what was typed is not Fabrikam',
    )
    const locked = await adam.submitTo(check, '/ops/lock', {
      typed: 'Fabrikam',
      case_reference: 'INC-9',
    })
    expect(locked.text).toContain('The tenant is locked, and its users are signed out.')
    expect((await rig.store.statusBySid(session.sid, rig.clock.now())).state).toBe('ended')
    const after = await adam.get('/ops/tenants')
    expect(after.text).toMatch(/Fabrikam.* locked By: Adam Administrator\. Case: INC-9\./)
    const lift = await adam.press(after, 'Lift the lock')
    expect((await adam.submitTo(lift, '/ops/locks/lift')).text).toContain('The lock is lifted.')
    expect((await adam.get(`/ops/lock?tenant=${TENANT}`)).text).toContain(
      'The operator tenant cannot be locked',
    )
    const olga = await atConsole(rig, 'operator')
    expect((await olga.get('/ops/tenants')).html).not.toContain('/ops/lock?')
    expect((await olga.get(`/ops/lock?tenant=${OTHER_TENANT}`)).status).toBe(403)
  })
})
