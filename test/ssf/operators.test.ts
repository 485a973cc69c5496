import { expect, test } from 'vitest'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { receiverChecks } from '../../src/operations/checks/receivers.ts'
import { startCmb } from '../command/cmb.ts'
import { polling, pushStream, STREAM_UPDATED, world } from './world.ts'

/**
 * Operators see receivers' streams, and administrators disable and remove them: `cmb streams`, over
 * the broker's socket.
 */

test('an operator lists and shows streams, never the header of an endpoint; a stream that is not there is named', async () => {
  const shared = await world()
  const { type } = await startCmb(shared.rig)
  expect((await type(['streams', 'list'])).out).toBe('No streams.\n')
  const sydney = await shared.instance('Sydney')
  const { id } = await pushStream(shared, sydney)
  expect((await type(['streams', 'list'])).out).toMatch(
    new RegExp(`${id} +sydney +enabled +receiver +\\S+8935 +${shared.receiver.url}`),
  )
  const shown = await type(['streams', 'show', id, '--json'])
  expect(shown.json()).toMatchObject({
    id,
    client_id: 'sydney',
    status: 'enabled',
    verified_at: shared.rig.clock.now(),
  })
  expect(shown.out).not.toMatch(/authorization|of-the-receiver|sealed/i)
  const missing = await type(['streams', 'show', 'st_none'])
  expect([missing.code, missing.err]).toEqual([
    1,
    expect.stringContaining('There is no such stream') as string,
  ])
})

test('an administrator disables a stream: nothing more is kept, the receiver is sent the reason and may enable it again, no check fails', async () => {
  const { rig, instance, api } = await world()
  const { type } = await startCmb(rig)
  const sydney = await instance('Sydney')
  const call = await api(sydney)
  const { stream_id: id } = (await call('POST', '/ssf/streams', polling)).json
  const { session } = await rig.openSession()
  await rig.signInAt(session.sid, sydney)
  const revoke = {
    selector: { kind: 'session', sid: session.sid },
    reason: 'administrator',
    actor: { kind: 'operator', id: 'olga' },
  } as const
  await rig.store.revoke({ ...revoke, now: rig.clock.now() })
  expect((await rig.store.pollStream({ id, limit: 10 })).deliveries).toHaveLength(1)

  const disabled = await type(['streams', 'disable', id, 'moved', '--case', 'INC-4711', '--json'])
  expect(disabled.json()).toMatchObject({
    status: 'disabled',
    status_by: 'operator',
    status_reason: 'moved',
  })
  const closed = { clientId: id, state: 'closed', limit: 10 } as const
  expect(await rig.store.listDeliveries(closed)).toHaveLength(1)
  const events = Object.values(
    (await call('POST', `/ssf/poll/${id}`, { returnImmediately: true })).json.sets as Record<
      string,
      string
    >,
  ).map(
    (token) =>
      (
        JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
          events: Record<string, unknown>
        }
      ).events,
  )
  expect(events).toEqual([{ [STREAM_UPDATED]: { status: 'disabled', reason: 'moved' } }])
  expect((await type(['streams', 'disable', id, 'again'])).err).toContain('disabled already')
  const found = (await createChecks(rig.deps, receiverChecks).look({ fresh: true })).find(
    ({ check }) => check === 'streams',
  )
  expect(found).toMatchObject({ state: 'ok' })
  const [entry] = (await type(['audit', '--json']))
    .json<{ entries: { act: string; target: string; case_reference: string }[] }>()
    .entries.filter(({ act }) => act === 'stream.disable')
  expect(entry).toMatchObject({ target: `stream ${id}` })

  expect(
    (await call('POST', '/ssf/status', { stream_id: id, status: 'enabled' })).json,
  ).toMatchObject({ status: 'enabled' })
})

test('an administrator removes a stream: it is gone, and nothing is pending for it', async () => {
  const shared = await world()
  const { type } = await startCmb(shared.rig)
  const { id, call } = await pushStream(shared, await shared.instance('Sydney'))
  expect((await type(['streams', 'remove', id])).out).toMatch(/removed +yes/)
  expect((await call('GET', '/ssf/streams')).json).toEqual([])
  expect(await shared.attemptDue(id)).toEqual([])
  expect((await type(['streams', 'remove', id])).code).toBe(1)
})
