import { describe, expect, test, vi } from 'vitest'
import { StoreUnavailable } from '../../db/types.ts'
import { createApp } from '../../src/app.ts'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { createRig } from '../rig.ts'

describe('/healthz', () => {
  test('the process is alive, on both listeners, and an anonymous caller learns nothing more', async () => {
    const rig = await createRig()
    for (const app of [rig.app, rig.opsApp]) {
      const response = await app.request('/healthz')
      expect([response.status, await response.json()]).toEqual([200, { status: 'alive' }])
    }
    for (const path of ['/readyz', '/metrics', '/admin/v1/clients'])
      expect((await rig.app.request(path)).status).toBe(404)
  })
})

describe('/readyz', () => {
  const ready = async (rig: Awaited<ReturnType<typeof createRig>>) => {
    const response = await rig.opsApp.request('/readyz')
    return {
      code: response.status,
      ...((await response.json()) as {
        status: string
        parts: Record<string, { state: string; problem?: string }>
      }),
    }
  }

  test('answers 200 when every part is up', async () => {
    expect(await ready(await createRig())).toMatchObject({
      code: 200,
      status: 'ready',
      parts: {
        store: { state: 'up' },
        queue: { state: 'up', engine: 'valkey' },
        microsoft: { state: 'up' },
      },
    })
  })

  test('without its queue the broker is degraded and ready: sign-in and revocation still work', async () => {
    const rig = await createRig()
    rig.queue.up = false
    expect(await ready(rig)).toMatchObject({
      code: 200,
      status: 'degraded',
      parts: {
        queue: { state: 'down', problem: expect.stringContaining('effective at once') as string },
      },
    })
    rig.queue.up = true
    expect(await ready(rig)).toMatchObject({ status: 'ready' })
  })

  test('a broker that ends says it at once, whatever a check waits for', async () => {
    const rig = await createRig()
    let ending = false
    const { opsApp } = createApp(rig.deps, createChecks(rig.deps), () => ending)
    expect((await opsApp.request('/readyz')).status).toBe(200)
    ending = true
    const probe = vi.spyOn(rig.store, 'probe').mockReturnValue(new Promise(() => undefined))
    rig.clock.advance(3600)
    const response = await opsApp.request('/readyz')
    expect([response.status, await response.json()]).toEqual([
      503,
      expect.objectContaining({ status: 'ending' }),
    ])
    expect(probe).not.toHaveBeenCalled()
  })

  test('a store that cannot commit makes it unable to serve: 503, and it says so plainly', async () => {
    const rig = await createRig()
    const probe = vi
      .spyOn(rig.store, 'probe')
      .mockRejectedValue(new StoreUnavailable('database or disk is full'))
    expect(await ready(rig)).toMatchObject({
      code: 503,
      status: 'unavailable',
      parts: {
        store: { state: 'down', problem: expect.stringContaining('disk is full') as string },
      },
    })
    probe.mockRestore()
    expect(await ready(rig)).toMatchObject({ code: 200 })
  })

  test('not connected to Microsoft: degraded, with what is missing', async () => {
    const rig = await createRig()
    rig.microsoft.connected = false
    expect(await ready(rig)).toMatchObject({
      code: 200,
      status: 'degraded',
      verdict: '1 thing needs you now',
      parts: {
        microsoft: {
          state: 'not_connected',
          problem: expect.stringContaining('BROKER_ENTRA_TENANT') as string,
        },
      },
    })
  })

  test('Microsoft is asked once in 20 s, however often the checks are read', async () => {
    const rig = await createRig()
    rig.microsoft.examined = {
      ...rig.microsoft.examined,
      authorize: { ok: false, problem: 'rejected' },
    }
    const examine = vi.spyOn(rig.microsoft, 'examine')
    expect(await Promise.all([ready(rig), ready(rig)])).toMatchObject([
      { code: 200, status: 'degraded' },
      {
        parts: {
          microsoft: { state: 'down', problem: expect.stringContaining('rejected') as string },
        },
      },
    ])
    rig.clock.advance(19)
    await ready(rig)
    const tenants = rig.config.entra.tenants.length
    expect(examine).toHaveBeenCalledTimes(tenants)
    rig.clock.advance(2)
    await ready(rig)
    expect(examine).toHaveBeenCalledTimes(2 * tenants)
  })
})

describe('/metrics', () => {
  test('gauges are read at the scrape: live sessions, what is pending, and since when', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const { session } = await rig.openSession()
    await rig.signInAt(session.sid, sydney)
    const scrape = async () => (await rig.opsApp.request('/metrics')).text()
    expect(await scrape()).toMatch(/^broker_live_sessions 1$/m)
    await rig.store.revoke({
      selector: { kind: 'session', sid: session.sid },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'test' },
      now: rig.clock.now(),
    })
    rig.clock.advance(42)
    const text = await scrape()
    expect(text).toMatch(/^broker_live_sessions 0$/m)
    expect(text).toMatch(/^broker_deliveries\{client="sydney",state="pending"\} 1$/m)
    expect(text).toMatch(/^broker_oldest_pending_delivery_seconds\{client="sydney"\} 42$/m)
  })

  test('a store that is down leaves the counters', async () => {
    const rig = await createRig()
    vi.spyOn(rig.store, 'deliveryCounts').mockRejectedValue(new StoreUnavailable('closed'))
    rig.metrics.revocations.inc({ reason: 'administrator' })
    const response = await rig.opsApp.request('/metrics')
    expect(response.status).toBe(200)
    expect(await response.text()).toContain('broker_revocations_total{reason="administrator"} 1')
  })
})
