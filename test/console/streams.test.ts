import { beforeEach, expect, test } from 'vitest'
import { polling, pushStream, world, type World } from '../ssf/world.ts'
import { atConsole } from './console.ts'

/**
 * The stream of a receiver on its client's page: looked at by auditors and operators, disabled and
 * removed by administrators.
 */

let made: World
beforeEach(async () => {
  made = await world()
})

async function revokedAt(client: Awaited<ReturnType<World['instance']>>): Promise<void> {
  const { rig } = made
  const { session } = await rig.openSession()
  await rig.signInAt(session.sid, client)
  const why = { reason: 'administrator', actor: { kind: 'operator', id: 'olga' } } as const
  await rig.store.revoke({
    selector: { kind: 'session', sid: session.sid },
    ...why,
    now: rig.clock.now(),
  })
}
/** A polled stream with one pending event. */
async function polledStream() {
  const sydney = await made.instance('Sydney')
  const call = await made.api(sydney)
  const { stream_id: id } = (
    await call('POST', '/ssf/streams', { ...polling, description: 'Gateway' })
  ).json
  await revokedAt(sydney)
  return { id, call }
}

test('has status, delivery method, what is pending and when an event was last delivered; never the path of an endpoint or its header', async () => {
  const sydney = await made.instance('Sydney')
  const aura = await atConsole(made.rig, 'auditor')
  expect((await aura.get('/ops/clients/sydney')).text).toContain(
    'The receiver may create a stream. It has not created one.',
  )
  const { id } = await pushStream(made, sydney)
  const { host, pathname } = new URL(made.receiver.url)
  await revokedAt(sydney)
  const page = await aura.get('/ops/clients/sydney')
  expect(page.text).toMatch(
    new RegExp(
      `${id}.*Status enabled Set by the receiver.*pushed to ${host} Pending 1 Rejected 0 Failed 0 Last delivered \\d\\d:`,
    ),
  )
  expect(page.html).not.toContain('of-the-receiver')
  if (pathname !== '/') expect(page.html).not.toContain(made.receiver.url)
  expect(page.html).toContain(`/ops/deliveries?client=${id}&amp;state=pending`)
  await made.instance('Melbourne', { scopes: ['openid'] })
  expect((await aura.get('/ops/clients/melbourne')).text).not.toContain('Shared Signals')
})

test('its pending events make no instance of it, and its deliveries have its name', async () => {
  const { id } = await polledStream()
  const olga = await atConsole(made.rig, 'operator')
  for (const path of ['/ops', '/ops/clients']) expect((await olga.get(path)).text).not.toContain(id)
  expect((await olga.get(`/ops/deliveries?state=pending&client=${id}`)).text).toContain(
    `Pending, Stream ${id}`,
  )
})

test('an administrator disables it with a reason that the receiver gets and the audit log keeps, and then removes it', async () => {
  const { id, call } = await polledStream()
  const adam = await atConsole(made.rig, 'administrator')
  const page = await adam.press(await adam.get('/ops/clients/sydney'), 'Disable the stream')
  expect((await adam.submitTo(page, '/ops/streams', { comment: ' ' })).text).toContain(
    'Nothing was done: give a reason.',
  )
  const done = await adam.submitTo(page, '/ops/streams', {
    comment: 'moved',
    case_reference: 'INC-7',
  })
  expect(done.text).toMatch(
    /The stream is disabled\..*Status disabled Set by an administrator Reason moved/,
  )
  expect((await call('GET', `/ssf/status?stream_id=${id}`)).json).toMatchObject({
    status: 'disabled',
    reason: 'moved',
  })
  expect(await made.rig.store.deliveryCounts()).toContainEqual(
    expect.objectContaining({ clientId: id, state: 'closed', count: 1 }),
  )
  expect((await adam.submitTo(page, '/ops/streams', { comment: 'again' })).text).toContain(
    'disabled already',
  )
  expect(done.text).not.toContain('Disable the stream')
  const last = await adam.press(done, 'Remove the stream')
  const removed = await adam.submitTo(last, '/ops/streams', { comment: 'no longer used' })
  expect(removed.text).toMatch(/The stream is removed\..*It has not created one\./)
  expect((await adam.submitTo(last, '/ops/streams', { comment: 'again' })).status).toBe(404)
  expect(await made.rig.store.findStream(id)).toBeUndefined()
  expect(await made.rig.store.listAudit({ limit: 10 })).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        act: 'stream.remove',
        target: `stream ${id}`,
        comment: 'no longer used',
      }),
      expect.objectContaining({
        act: 'stream.disable',
        target: `stream ${id}`,
        caseReference: 'INC-7',
      }),
    ]),
  )
})

test('operators and auditors have no form for it, and a request made by hand changes nothing; nor does an old sign-in', async () => {
  const { id } = await polledStream()
  for (const who of ['operator', 'auditor'] as const) {
    const browser = await atConsole(made.rig, who)
    const page = await browser.get('/ops/clients/sydney')
    expect(page.html).not.toContain('/ops/streams')
    expect((await browser.get(`/ops/streams?id=${id}&act=remove`)).status).toBe(403)
    const { csrf = '' } = page.forms.find(({ action }) => action === '/ops/sign-out')?.fields ?? {}
    expect(
      (await browser.post('/ops/streams', { csrf, id, act: 'remove', comment: 'x' })).status,
    ).toBe(403)
  }
  const adam = await atConsole(made.rig, 'administrator')
  const page = await adam.press(await adam.get('/ops/clients/sydney'), 'Remove the stream')
  made.rig.clock.advance(20 * 60)
  const late = await adam.submitTo(page, '/ops/streams', { comment: 'x' })
  expect([late.status, late.text]).toEqual([422, expect.stringContaining('sign in again')])
  expect(late.text).toContain('This needs a sign-in that is no older than')
  expect((await made.rig.store.findStream(id))?.status).toBe('enabled')
})
