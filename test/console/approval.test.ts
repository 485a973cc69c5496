import { beforeEach, describe, expect, test } from 'vitest'
import { runScheduled } from '../../workers/run-scheduled.ts'
import { createRig, type Rig } from '../rig.ts'
import { atConsole, sessionsAt } from './console.ts'

/** A revocation that ends more sessions than BROKER_APPROVAL_SESSIONS, at the console. */

let rig: Rig
beforeEach(async () => {
  rig = await createRig({ config: { approvalSessions: 1 } })
})

const states = async (sids: readonly string[]) => Promise.all(sids.map(async (sid) => (await rig.store.standingBySid(sid, rig.clock.now())).state))

async function asked() {
  const { client, sessions } = await sessionsAt(rig, 'Sydney', ['Carol', 'Dave'])
  const adam = await atConsole(rig, 'administrator')
  const check = await adam.submitTo(await adam.get('/ops/revoke'), '/ops/revoke/check', { kind: 'client', client: 'sydney' })
  expect(check.text).toMatch(/This ends more than 1 session, so a second administrator must approve it\..*covers what there is when it is approved/)
  const waits = await adam.submitTo(check, '/ops/revoke', { typed: 'sydney', case_reference: 'INC-7', comment: 'key leaked' })
  const [act] = await rig.store.listScheduledActs({ state: 'proposed', limit: 2 })
  return { client, sids: sessions.map(({ sid }) => sid), adam, waits, act: act ?? expect.unreachable() }
}

describe('a revocation that needs approval', () => {
  test('waits, is shown to other administrators, and covers what there is when one of them approves it', async () => {
    const { client, sids, adam, waits, act } = await asked()
    expect(waits.text).toMatch(/Nothing is done yet.*You proposed this\. Another administrator must confirm it\./)
    expect(waits.forms.flatMap(({ buttons }) => buttons.map(({ label }) => label))).not.toContain('Confirm')
    expect(await rig.store.listRevocations({ limit: 1 })).toEqual([])
    const own = await adam.submitTo(waits, '/ops/scheduled', { decision: 'confirm' })
    expect([own.status, own.text]).toEqual([422, expect.stringContaining('Another administrator must confirm it.')])
    const { session } = await rig.openSession({ user: { oid: '00000000-0000-4000-8000-0000000001ff', name: 'Erin' } })
    await rig.signInAt(session.sid, client)
    expect((await rig.store.appsOfUser(session.sub, rig.clock.now())).grants).toHaveLength(1)
    const ada = await atConsole(rig, 'second')
    const overview = await ada.get('/ops')
    expect(overview.text).toMatch(
      /Waiting for a second administrator .*Every user of Case Manager Sydney “key leaked” waits for approval Adam Administrator .*INC-7/,
    )
    const order = (html: string) => [...html.matchAll(/id="(approvals|problems)"/g)].map(([, id]) => id)
    expect(order(overview.html)).toEqual(['approvals', 'problems'])
    expect(order((await (await atConsole(rig, 'operator')).get('/ops')).html)).toEqual(['problems', 'approvals'])
    const decide = await ada.press(overview, 'Decide')
    expect(decide.text).toMatch(
      /Asked by Adam Administrator Would end now 3 sessions.*It covers what exists when it is confirmed, also newer sessions/,
    )
    const done = await ada.submitTo(decide, '/ops/scheduled', { decision: 'confirm' })
    expect(done.path).toBe('/ops/revocations/1?done=yes')
    expect(await rig.store.findRevocation(1)).toMatchObject({ actor: { id: adam.sub }, caseReference: 'INC-7', selector: { kind: 'client' } })
    expect((await rig.store.findScheduledAct(act.id))?.confirmed?.actor.id).toBe(ada.sub)
    const acts = (await rig.store.listAudit({ limit: 20 })).filter((one) => one.act.startsWith('scheduled.'))
    expect(acts.map((one) => [one.act, one.actor.id, one.ended?.outcome])).toEqual([
      ['scheduled.run', adam.sub, 'done'],
      ['scheduled.confirm', ada.sub, 'done'],
      ['scheduled.confirm', adam.sub, 'rejected'],
      ['scheduled.add', adam.sub, 'done'],
    ])
    expect((await adam.get('/ops')).text).not.toContain('waits for approval')
    expect((await rig.store.appsOfUser(session.sub, rig.clock.now())).grants).toEqual([])
    expect(await states(sids)).toEqual(['live', 'live'])
  })

  test('is asked for once where its form is sent twice, one after the other and at the same moment, and a further request hears of it', async () => {
    await sessionsAt(rig, 'Sydney', ['Carol', 'Dave'])
    const adam = await atConsole(rig, 'administrator')
    const open = async () => (await rig.store.listScheduledActs({ state: 'proposed', limit: 9 })).map(({ id }) => id)
    const form = await adam.get('/ops/revoke')
    const check = await adam.submitTo(form, '/ops/revoke/check', { kind: 'client', client: 'sydney' })
    const ask = (page = check) => adam.submitTo(page, '/ops/revoke', { typed: 'sydney' })
    expect((await adam.submitTo(check, '/ops/revoke', { typed: 'wrong' })).status).toBe(422)
    const [first, second] = [await ask(), await ask()]
    expect([second.url, await open()]).toEqual([first.url, [new URL(first.url, 'http://x').searchParams.get('id')]])
    const further = await adam.submitTo(form, '/ops/revoke/check', { kind: 'client', client: 'sydney' })
    expect(further.text).toContain('A request for the same act is already waiting.')
    const both = await Promise.all([ask(further), ask(further)])
    expect(await open()).toHaveLength(2)
    expect(
      both.every(({ status, text }) => (status === 200 ? text.includes('Nothing is done yet') : text.includes('The broker is carrying it out'))),
    ).toBe(true)
  })

  test('of an instance’s lock is asked for once as well', async () => {
    await sessionsAt(rig, 'Sydney', ['Carol'])
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.get('/ops/lock/client?client=sydney')
    const [first, second] = [await adam.submitTo(check, '/ops/lock/client'), await adam.submitTo(check, '/ops/lock/client')]
    expect([second.url, (await rig.store.listScheduledActs({ state: 'proposed', limit: 9 })).length]).toEqual([first.url, 1])
    expect((await adam.get('/ops/lock/client?client=sydney')).text).toContain('A request for the same act is already waiting.')
  })

  test('expires after 30 minutes: nothing is done, and the overview says so for a day', async () => {
    const { sids, act } = await asked()
    rig.clock.advance(1800)
    await runScheduled(rig.deps)
    expect(await states(sids)).toEqual(['live', 'live'])
    const ada = await atConsole(rig, 'second')
    expect((await ada.get('/ops')).text).toContain('expired, nothing was done')
    expect((await ada.get(`/ops/scheduled?id=${act.id}`)).status).toBe(404)
    expect(await rig.store.listAudit({ act: 'scheduled.expire', limit: 2 })).toMatchObject([{ actor: { kind: 'broker' }, target: 'client sydney' }])
    rig.clock.advance(86_401)
    expect((await (await atConsole(rig, 'second')).get('/ops')).text).not.toContain('expired, nothing was done')
  })

  test('is never that of one user or one session, nor one within the size', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    const [carol] = sessions
    if (carol === undefined) return expect.unreachable()
    for (const device of ['Edge on Windows', 'Firefox on Linux']) await rig.openSession({ user: carol.user, device })
    const adam = await atConsole(rig, 'administrator')
    const wanted = [
      [{ kind: 'client', client: 'sydney' }, { typed: 'sydney' }],
      [{ kind: 'subject', value: carol.sub }, {}],
    ] as const
    for (const [index, [what, typed]] of wanted.entries()) {
      const check = await adam.submitTo(await adam.get('/ops/revoke'), '/ops/revoke/check', { ...what })
      expect(check.text).not.toContain('second administrator')
      expect((await adam.submitTo(check, '/ops/revoke', { ...typed })).path).toBe(`/ops/revocations/${index + 1}?done=yes`)
    }
  })
})
