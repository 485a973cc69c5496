import { beforeEach, expect, test } from 'vitest'
import { polling, pushStream, world, type World } from '../ssf/world.ts'
import { atConsole } from './console.ts'

/** The stream of a receiver on its client's page. */

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
  return id
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
      `${id}.*Status enabled Set by the receiver.*pushed to ${host} Not delivered 1 pending Last delivered \\d\\d:`,
    ),
  )
  expect(page.html).not.toContain('of-the-receiver')
  if (pathname !== '/') expect(page.html).not.toContain(made.receiver.url)
  expect(page.html).toContain(`/ops/deliveries?client=${id}&amp;state=pending`)
  await made.instance('Melbourne', { scopes: ['openid'] })
  expect((await aura.get('/ops/clients/melbourne')).text).not.toContain('Shared Signals')
})

test('its pending events make no instance of it, and its deliveries have its name', async () => {
  const id = await polledStream()
  const olga = await atConsole(made.rig, 'operator')
  for (const path of ['/ops', '/ops/clients']) expect((await olga.get(path)).text).not.toContain(id)
  expect((await olga.get(`/ops/deliveries?state=pending&client=${id}`)).text).toContain(
    `Pending (1), Stream ${id}`,
  )
})
