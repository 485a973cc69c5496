import { beforeEach, describe, expect, test } from 'vitest'
import { createRig, type Rig } from '../rig.ts'
import { plain } from '../browser.ts'
import { atConsole, revoking, sessionsAt } from './console.ts'

let rig: Rig
beforeEach(async () => {
  rig = await createRig()
})

const ticks = (html: string): { sub: string; ticked: boolean }[] =>
  [...html.matchAll(/<input type="checkbox" name="user" value="([^"]+)"([^>]*)>/g)].map(
    ([, sub = '', rest = '']) => ({
      sub: plain(sub),
      ticked: rest.includes('checked'),
    }),
  )
const naming = (subs: readonly string[], more: Record<string, string> = {}): URLSearchParams =>
  new URLSearchParams([
    ['kind', 'users'],
    ...subs.map((sub): [string, string] => ['user', sub]),
    ...Object.entries(more),
  ])

describe('revoking several users', () => {
  test('a search keeps the users that are ticked, and finds others by words of their names', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol', 'Carla', 'Dave'])
    const [carol = '', carla = '', dave = ''] = sessions.map(({ sub }) => sub)
    const adam = await atConsole(rig, 'administrator')
    const found = await adam.get('/ops/users?q=car+contoso')
    expect(ticks(found.html).toSorted((a, b) => a.sub.localeCompare(b.sub))).toEqual(
      [carol, carla].toSorted((a, b) => a.localeCompare(b)).map((sub) => ({ sub, ticked: false })),
    )
    const second = await adam.get(`/ops/users?${naming([carol], { q: 'dave' }).toString()}`)
    expect(ticks(second.html)).toEqual([
      { sub: carol, ticked: true },
      { sub: dave, ticked: false },
    ])
    const none = await adam.get(`/ops/users?${naming([carol], { q: 'zzz' }).toString()}`)
    expect(ticks(none.html)).toEqual([{ sub: carol, ticked: true }])
    const olga = await atConsole(rig, 'operator')
    expect(ticks((await olga.get('/ops/users')).html)).toEqual([])
  })

  test('the dry run names each user and counts; the act revokes each once, also where the form is sent twice', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol', 'Dave', 'Erin'])
    const [carol] = sessions
    if (carol === undefined) return expect.unreachable()
    const subs = sessions.slice(0, 2).map(({ sub }) => sub)
    await rig.openSession({ user: carol.user })
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.get(`/ops/revoke?${naming(subs).toString()}`)
    expect(check.text).toMatch(
      /Everything of 2 users Would end 3 sessions of 2 users, at 1 instance; 2 logout tokens.*Carol.*Dave/,
    )
    expect(check.text).not.toContain('Erin')
    const form = check.forms.find(({ action }) => action === '/ops/revoke')?.fields ?? {}
    const send = (typed: string) =>
      adam.post(
        '/ops/revoke',
        naming(subs, {
          csrf: form['csrf'] ?? '',
          seen: form['seen'] ?? '',
          typed,
          case_reference: 'INC-9',
        }),
      )
    const wrong = await send('3')
    expect([wrong.status, wrong.text]).toEqual([
      422,
      expect.stringContaining('what was typed is not 2'),
    ])
    expect(wrong.html).toContain('INC-9')
    expect(await rig.store.listRevocations({ limit: 9 })).toEqual([])
    expect([(await send('2')).title, (await send('2')).title]).toEqual([
      'This was revoked',
      'This was revoked',
    ])
    expect(
      (await rig.store.listRevocations({ limit: 9 })).map(({ selector, caseReference }) => [
        selector,
        caseReference,
      ]),
    ).toEqual(subs.toReversed().map((sub) => [{ kind: 'subject', sub }, 'INC-9']))
    expect((await rig.store.statusBySid(sessions[2]?.sid ?? '', rig.clock.now())).state).toBe(
      'live',
    )
    const back = await adam.get(check.url)
    expect(back.forms.map(({ action }) => action)).not.toContain('/ops/revoke')
    expect(back.html).toContain('href="/ops/revocations/2"')
  })

  test('the dry run of a wide revocation names the first of its users', async () => {
    await sessionsAt(rig, 'Sydney', ['Carol', 'Dave'])
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.get(
      revoking({
        kind: 'client',
        client: 'sydney',
      }),
    )
    expect(check.text).toMatch(/Users (?:Carol.*Dave|Dave.*Carol)/)
    expect(check.text).toContain('Would be signed out there 2 sessions')
    expect(check.text).toContain('The sessions go on')
    const { text } = await adam.get(revoking({ kind: 'everything' }))
    expect(text).toContain('Would end 3 sessions')
    expect(text).not.toContain('The sessions go on')
  })

  test('without a user, an unknown one, or a fresh sign-in nothing is done; operators may not pick', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    const sub = sessions[0]?.sub ?? ''
    const adam = await atConsole(rig, 'administrator')
    for (const subs of [[], ['u_unknown'], ['../x']]) {
      const page = await adam.get(`/ops/revoke?${naming(subs).toString()}`)
      expect([page.status, page.text]).toEqual([
        422,
        expect.stringContaining('Pick at least one user.'),
      ])
    }
    const check = await adam.get(`/ops/revoke?${naming([sub]).toString()}`)
    rig.clock.advance(301)
    expect((await adam.submitTo(check, '/ops/revoke')).text).toContain('sign in again first')
    expect(await rig.store.listRevocations({ limit: 9 })).toEqual([])
    const olga = await atConsole(rig, 'operator')
    const csrf =
      (await olga.get('/ops')).forms.find(({ action }) => action === '/ops/sign-out')?.fields
        .csrf ?? ''
    const [page, deed] = [
      await olga.get(`/ops/revoke?${naming([sub]).toString()}`),
      await olga.post('/ops/revoke', naming([sub], { csrf })),
    ]
    expect([page.status, deed.status]).toEqual([403, 403])
    expect(deed.text).toContain('Broker.Administrator')
  })
})
