import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createLog } from '../../src/runtime/log.ts'
import { createMetrics } from '../../src/runtime/metrics.ts'
import { openDeliveryQueue, type OpenedDeliveryQueue } from '../../src/outbox/delivery-queue.ts'
import { type QueueEngine, startQueueEngine } from '../../src/outbox/queue-engine.ts'
import { atConsole, browserOf } from '../console/console.ts'
import { QUEUE_ENGINES } from '../needs.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { createRig, type Rig } from '../rig.ts'
import { launchChromium, openWindow, picture } from './window.ts'

/**
 * The queue's own view beneath the console, on a real queue: to look at, by operators, and nothing
 * else.
 */

describe.each(QUEUE_ENGINES)('the queue’s own view, on $engine', ({ path }) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'cmb-board-'))
  let engine: QueueEngine
  let queue: OpenedDeliveryQueue
  let rig: Rig
  // One queue for all tests: none of them can change it.
  beforeAll(async () => {
    const log = createLog(() => {}, Date.now)
    const clock = systemClock
    engine = await startQueueEngine({ dataDir, url: undefined, log, path })
    queue = await openDeliveryQueue({ engine, log, metrics: createMetrics(), clock })
    queue.add([{ id: 'd1', attempt: 1, targetId: 't1', priority: 'urgent' }], 3_600_000)
    await vi.waitFor(
      async () => expect(await queue.bull.getJobCounts('delayed')).toEqual({ delayed: 1 }),
      { timeout: 60_000 },
    )
  })
  afterAll(async () => {
    await queue?.close()
    await engine?.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  beforeEach(async () => {
    rig = await createRig({ deps: { queue } })
  })

  test('is only for users of the console: not the page, not its files, not its data', async () => {
    for (const who of ['operator', 'nobody'] as const)
      for (const path of ['/ops/queue', '/ops/queue/api/queues', '/ops/queue/static/js/main.js'])
        expect([path, (await (await browserOf(rig, who)).send(path)).status]).toEqual([path, 401])
  })

  test('shows the queue to an operator, marked read-only, under a policy that loads nothing from elsewhere', async () => {
    const olga = await atConsole(rig, 'operator')
    const page = await olga.send('/ops/queue')
    expect(page.status).toBe(200)
    expect(page.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'$/,
    )
    expect(await page.text()).not.toMatch(/(?:href|src)="https?:/)
    const data = (await (await olga.send('/ops/queue/api/queues')).json()) as {
      queues: { name: string; readOnlyMode: boolean; counts: { delayed: number } }[]
    }
    expect(data.queues).toMatchObject([
      { name: 'logout-delivery', readOnlyMode: true, counts: { delayed: 1 } },
    ])
  })

  test.each([
    ['PUT', '/ops/queue/api/queues/logout-delivery/obliterate'],
    ['PUT', '/ops/queue/api/queues/logout-delivery/pause'],
    ['PUT', '/ops/queue/api/queues/logout-delivery/d1-1/clean'],
    ['POST', '/ops/queue/api/queues/logout-delivery/add'],
    ['DELETE', '/ops/queue/api/queues/logout-delivery'],
    ['PATCH', '/ops/queue/api/queues/logout-delivery/d1-1/update-data'],
  ])('changes nothing: %s %s', async (method, path) => {
    const adam = await atConsole(rig, 'administrator')
    expect(
      (
        await adam.send(path, {
          method,
          ...(method === 'DELETE'
            ? {}
            : { headers: { 'content-type': 'application/json' }, body: '{}' }),
        })
      ).status,
    ).toBe(405)
    expect(
      ((await (await adam.send('/ops/queue/api/queues')).json()) as { queues: object[] }).queues,
    ).toMatchObject([{ isPaused: false, counts: { delayed: 1 } }])
  })

  test('works in Chromium under its policy', async () => {
    const browser = await launchChromium()
    onTestFinished(() => browser.close())
    const ops = (await rig.serve(rig.opsApp)).replace('127.0.0.1', 'localhost')
    const olga = await atConsole(rig, 'operator')
    const { context, page, complaints } = await openWindow(browser, { width: 1280, height: 800 })
    await context.addCookies(
      [...olga.cookies].map(({ name, value, domain, path, secure, sameSite }) => ({
        name,
        value,
        domain,
        path,
        secure,
        sameSite,
        httpOnly: true,
      })),
    )
    await page.goto(`${ops}/ops/queue/queue/logout-delivery?status=delayed`)
    await page.getByText('d1-1').first().waitFor()
    await picture(page, 'ops-queue', false)
    expect(complaints).toEqual([])
  })
})
