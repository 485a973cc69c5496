import { describe, expect, test } from 'vitest'
import { Browser } from '../demo-entra/relying-party.ts'
import { createRig, OTHER_TENANT, TENANT } from '../rig.ts'
import { ALICE, BOB, GOOD, openWorld, REJECTED } from './world.ts'

const PATH = '/signal/microsoft/front-channel-logout'
const AUTHORITY = 'https://login.microsoftonline.com'

const reached = async (
  rig: Awaited<ReturnType<typeof createRig>>,
  query: string,
  headers: Record<string, string> = {},
) => rig.app.request(`${rig.config.issuer}${PATH}${query}`, { headers })

describe('Entra’s front-channel logout', () => {
  test('a sign-out at Microsoft, its page’s frames opened: out at both instances, the user’s other browser is not', async () => {
    const world = await openWorld()
    const browser = new Browser()
    const [desk, phone, bob] = [
      await world.signIn(ALICE, browser),
      await world.signIn(ALICE),
      await world.signIn(BOB),
    ]
    const page = await browser.get(`${world.entra.origin}/${TENANT}/oauth2/v2.0/logout`)
    const frames = [...page.html.matchAll(/<iframe src="([^"]+)"/g)].map(([, src = '']) =>
      src.replaceAll('&amp;', '&'),
    )
    expect(frames).toHaveLength(1)
    const answer = await fetch(frames[0] ?? '')
    expect(answer.status).toBe(200)
    expect(await world.refreshes(desk)).toEqual(REJECTED)
    expect(await world.reasonOf(desk)).toBe('microsoft_signed_out')
    expect(await world.refreshes(phone)).toEqual(GOOD)
    expect(await world.refreshes(bob)).toEqual(GOOD)
    const head = await world.head()
    expect((await fetch(frames[0] ?? '')).status).toBe(200)
    expect(await world.head()).toBe(head)
  })

  test('may be framed by Microsoft and by no other site, is never stored, and looks the same for every user', async () => {
    const rig = await createRig()
    await rig.openSession({ microsoftSid: 'm-1' })
    const answers = [
      await reached(rig, '?sid=m-1'),
      await reached(rig, '?sid=nobody'),
      await reached(rig, ''),
      await reached(rig, '?sid=a&sid=b'),
    ]
    for (const answer of answers) {
      expect(answer.status).toBe(200)
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(answer.headers.get('content-security-policy')).toContain(
        `frame-ancestors ${AUTHORITY}`,
      )
      expect(answer.headers.get('x-frame-options')).toBeNull()
      expect(answer.headers.get('set-cookie')).toBeNull()
    }
    expect(new Set(await Promise.all(answers.map((answer) => answer.text()))).size).toBe(1)
  })

  test('the cookie of the browser that asks is ignored', async () => {
    const rig = await createRig()
    const { session, cookieHeader } = await rig.openSession({ microsoftSid: 'm-1' })
    await reached(rig, '', { cookie: cookieHeader })
    await reached(rig, '?sid=m-2', { cookie: cookieHeader })
    expect((await rig.store.statusBySid(session.sid, rig.clock.now())).state).toBe('live')
  })

  test('iss has to match where it comes; every session of that sid is meant', async () => {
    const rig = await createRig()
    const [first, second] = [
      await rig.openSession({ microsoftSid: 'm-1' }),
      await rig.openSession({ microsoftSid: 'm-1' }),
    ]
    const states = async () =>
      Promise.all(
        [first, second].map(
          async ({ session }) => (await rig.store.statusBySid(session.sid, rig.clock.now())).state,
        ),
      )
    for (const iss of [
      `${AUTHORITY}/${OTHER_TENANT}/v2.0`,
      `${AUTHORITY}/99999999-9999-4999-8999-999999999999/v2.0`,
      'https://evil.example',
      '',
    ])
      await reached(rig, `?sid=m-1&iss=${encodeURIComponent(iss)}`)
    await reached(rig, `?sid=m-1&iss=a&iss=${encodeURIComponent(`${AUTHORITY}/${TENANT}/v2.0`)}`)
    expect(await states()).toEqual(['live', 'live'])
    await reached(rig, `?sid=m-1&iss=${encodeURIComponent(`${AUTHORITY}/${TENANT}/v2.0`)}`)
    expect(await states()).toEqual(['ended', 'ended'])
  })

  test('without iss, a sid that two tenants have ends neither', async () => {
    const rig = await createRig()
    const [here, there] = [
      await rig.openSession({ microsoftSid: 'm-1' }),
      await rig.openSession({ microsoftSid: 'm-1', user: { tid: OTHER_TENANT } }),
    ]
    await reached(rig, '?sid=m-1')
    for (const { session } of [here, there])
      expect((await rig.store.statusBySid(session.sid, rig.clock.now())).state).toBe('live')
    await reached(rig, `?sid=m-1&iss=${encodeURIComponent(`${AUTHORITY}/${OTHER_TENANT}/v2.0`)}`)
    expect((await rig.store.statusBySid(here.session.sid, rig.clock.now())).state).toBe('live')
    expect((await rig.store.statusBySid(there.session.sid, rig.clock.now())).state).toBe('ended')
  })

  test('two at once end it once, while the queue is down as well', async () => {
    const rig = await createRig()
    rig.queue.up = false
    const { session } = await rig.openSession({ microsoftSid: 'm-1' })
    await Promise.all([reached(rig, '?sid=m-1'), reached(rig, '?sid=m-1')])
    expect((await rig.store.statusBySid(session.sid, rig.clock.now())).state).toBe('ended')
    expect((await rig.store.head()).seq).toBe(1)
  })
})
