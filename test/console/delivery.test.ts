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
