import { describe, expect, test } from 'vitest'
import { createRig } from '../rig.ts'
import { atConsole, attempted, sessionsAt } from './console.ts'

describe('the page of a delivery', () => {
  test('has its attempts in the order of time, each with its request and answer, and no token', async () => {
    const rig = await createRig()
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    await rig.store.revoke({
      selector: { kind: 'session', sid: sessions[0]?.sid ?? '' },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'test' },
      now: rig.clock.now(),
    })
    const [{ id, uri } = { id: '', uri: '' }] = await rig.store.listDeliveries({ limit: 1 })
    const olga = await atConsole(rig, 'operator')
    const page = async () => (await olga.get(`/ops/deliveries/${id}`)).text
    expect(await page()).toContain('No attempt yet.')
    const attempt = {
      attempt: 1,
      atMs: rig.clock.nowMs(),
      outcome: 'retry',
      latencyMs: 2000,
    } as const
    await rig.store.recordDelivery({
      id,
      result: {
        outcome: 'retry',
        nextAttemptAtMs: rig.clock.nowMs() + 5000,
        attempt: { ...attempt, jti: 'jti-1', error: 'no answer within 2 s' },
      },
    })
    rig.clock.advance(60)
    await attempted(rig, id, 'rejected')
    const request = (jti: number) => `Request: POST ${uri} , jti jti-${jti}`
    const line = [
      `09:00:00 UTC Attempt 1 retried ${request(1)} Answer: no answer within 2 s, after 2.0 s`,
      `09:01:00 UTC Attempt 2 rejected ${request(2)} Answer: HTTP 400 invalid_request, after 12 ms`,
    ].join(' ')
    expect(await page()).toContain(line)

    const list = await olga.get('/ops/deliveries?state=rejected')
    expect(list.html).toContain(`href="/ops/deliveries/${id}"`)
    expect((await olga.get('/ops/deliveries/none-of-this-id')).status).toBe(404)
  })
})

test('the page of a revocation has the last three attempts of each delivery, which are read at once, and leads to all', async () => {
  const rig = await createRig()
  const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
  const perth = await rig.register('Perth')
  await rig.signInAt(sessions[0]?.sid ?? '', perth)
  await rig.store.revoke({
    selector: { kind: 'session', sid: sessions[0]?.sid ?? '' },
    reason: 'administrator',
    actor: { kind: 'operator', id: 'test' },
    now: rig.clock.now(),
  })
  const [first, second] = await rig.store.listDeliveries({ seq: 1, limit: 2 })
  if (first === undefined || second === undefined) return expect.unreachable()
  for (let attempt = 1; attempt <= 5; attempt++)
    await rig.store.recordDelivery({
      id: first.id,
      result: {
        outcome: 'retry',
        nextAttemptAtMs: rig.clock.nowMs(),
        attempt: {
          attempt,
          atMs: rig.clock.nowMs(),
          outcome: 'retry',
          latencyMs: attempt,
          status: 500 + attempt,
        },
      },
    })
  await attempted(rig, second.id, 'delivered')
  const latest = await rig.store.latestAttempts(
    await rig.store.listDeliveries({ seq: 1, limit: 2 }),
    3,
  )
  expect(latest.get(first.id)?.map(({ attempt }) => attempt)).toEqual([3, 4, 5])
  expect(latest.get(second.id)?.map(({ attempt }) => attempt)).toEqual([1])

  const page = await (await atConsole(rig, 'operator')).get('/ops/revocations/1')
  expect(page.text).toMatch(/2 earlier .*: 503, 3 ms .*: 504, 4 ms .*: 505, 5 ms/)
  expect(page.text).not.toMatch(/: 50[12],/)
  expect(page.text).toContain(': 200, 12 ms')
  expect(page.html).toContain(`href="/ops/deliveries/${first.id}"`)
})
