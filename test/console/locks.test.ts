import { beforeEach, describe, expect, test } from 'vitest'
import { createRig, type Rig } from '../rig.ts'
import { atConsole, sessionsAt } from './console.ts'

/** Locking at the console: who may, a recent sign-in, and a second administrator for what another one proposed. */

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
    expect(sessionsPage.html).toContain(`/ops/lock?user=${sub}`)
    const check = await olga.get(`/ops/lock/check?${new URLSearchParams({ user: sub, hours: '24' })}`)
    expect(check.html).toContain('Lock now')
    expect(check.html).not.toContain('Until an administrator lifts it')
    const locked = await olga.submitTo(check, '/ops/lock', { case_reference: 'INC-9', comment: 'phone lost' })
    expect(locked.text).toContain('The user is locked and signed out everywhere.')
    expect(locked.text).toContain('INC-9')
    expect((await rig.store.standingBySid(sessions[0]?.sid ?? '', rig.clock.now())).state).toBe('ended')
    const [lock] = await rig.store.listLocks({ state: 'open', limit: 2 })
    expect((await olga.get(`/ops/locks/lift?id=${lock?.id}`)).status).toBe(403)
    const adam = await atConsole(rig, 'administrator')
    const lifted = await adam.submitTo(await adam.get(`/ops/locks/lift?id=${lock?.id}`), '/ops/locks/lift', { comment: 'found again' })
    expect(lifted.text).toContain('The lock is lifted.')
    expect((await rig.store.listAudit({ limit: 20 })).filter(({ act }) => act.startsWith('lock')).map(({ act, via }) => [act, via])).toEqual([
      ['lock.lift', 'console'],
      ['lock', 'console'],
    ])
  })

  test('an old sign-in locks and lifts nothing, and no operator locks their own account', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Ulla'])
    const adam = await atConsole(rig, 'administrator')
    const own = await adam.get(`/ops/lock/check?${new URLSearchParams({ user: adam.sub, hours: '' })}`)
    expect((await adam.submitTo(own, '/ops/lock', {})).text).toContain('You cannot lock your own account.')
    rig.clock.advance(600)
    const late = await adam.get(`/ops/lock/check?${new URLSearchParams({ user: sessions[0]?.sub ?? '', hours: '1' })}`)
    expect(late.text).toContain('Locking needs a sign-in that is no older than 5 minutes')
    expect((await adam.submitTo(late, '/ops/lock', {})).status).toBe(422)
    expect((await adam.get('/ops/lock/check?user=u_none&hours=1')).status).toBe(422)
    expect(await rig.store.listLocks({ state: 'all', limit: 2 })).toEqual([])
  })

  test('an administrator asks for the lock of an instance from its page; another one confirms it', async () => {
    await sessionsAt(rig, 'Sydney', ['Ulla'])
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.press(await adam.get('/ops/clients/sydney'), 'Lock this instance')
    expect(check.text).toMatch(/The instance Case Manager Sydney Would end now 1 session of 1 user/)
    const asked = await adam.submitTo(check, '/ops/lock/client', { case_reference: 'INC-9', comment: 'its key leaked' })
    expect(asked.text).toMatch(/Nothing is done yet: the request waits for another administrator\..*INC-9/)
    expect(await rig.store.listLocks({ state: 'all', limit: 2 })).toEqual([])
    const ada = await atConsole(rig, 'second')
    const decide = await ada.press(await ada.get('/ops'), 'Decide')
    expect((await ada.submitTo(decide, '/ops/scheduled', { decision: 'confirm' })).text).toContain('The act is confirmed.')
    expect(await rig.store.listLocks({ state: 'open', limit: 2 })).toMatchObject([{ target: { clientId: 'sydney' }, caseReference: 'INC-9' }])
    expect((await adam.get('/ops/lock/client?client=nowhere')).status).toBe(422)
    rig.clock.advance(301)
    const late = await adam.submitTo(check, '/ops/lock/client', { comment: 'kept' })
    expect([late.status, late.html]).toEqual([422, expect.stringContaining('kept')])
    const olga = await atConsole(rig, 'operator')
    expect((await olga.get('/ops/clients/sydney')).text).not.toContain('Lock this instance')
    expect((await olga.get('/ops/lock/client?client=sydney')).status).toBe(403)
  })

  test('what another administrator proposed is confirmed or canceled here', async () => {
    await rig.register('Sydney')
    const what = { act: 'lock', target: { kind: 'client', clientId: 'sydney' }, endsAt: undefined } as const
    const propose = () =>
      rig.store.scheduleAct({
        actor: { kind: 'operator', id: 'cmb@erin' },
        via: 'command',
        may: 'administer',
        what,
        dueAt: undefined,
        now: rig.clock.now(),
      })
    const [first, second] = [await propose(), await propose()]
    const adam = await atConsole(rig, 'administrator')
    const list = await adam.get('/ops/locks')
    expect(list.text).toContain('Lock: The instance Case Manager Sydney')
    const confirmed = await adam.submitTo(await adam.get(`/ops/scheduled?id=${first.id}`), '/ops/scheduled', { decision: 'confirm' })
    expect(confirmed.text).toContain('The act is confirmed.')
    expect(confirmed.text).toContain('The instance Case Manager Sydney')
    const cancelled = await adam.submitTo(await adam.get(`/ops/scheduled?id=${second.id}`), '/ops/scheduled', { decision: 'cancel' })
    expect(cancelled.text).toContain('The act is canceled.')
    expect((await adam.get(`/ops/scheduled?id=${second.id}`)).status).toBe(404)
    expect((await (await atConsole(rig, 'operator')).get(`/ops/scheduled?id=${second.id}`)).status).toBe(403)
  })
})
