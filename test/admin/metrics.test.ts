import { statSync } from 'node:fs'
import { join } from 'node:path'
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/runtime/clock.ts'
import { answerTimes, routeOf } from '../../src/runtime/requests.ts'
import { measureProcess } from '../../src/operations/health/process-metrics.ts'
import { listen } from '../../src/runtime/listener.ts'
import { createMetrics, type Metrics } from '../../src/runtime/metrics.ts'
import { createRig, type Rig } from '../rig.ts'

const scrape = async (rig: Rig): Promise<string> => (await rig.opsApp.request('/metrics')).text()
/** The value of a metric without labels. */
const value = (text: string, name: string): number =>
  Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN)

describe('the disk, in /metrics', () => {
  test('free space, and the sizes of the database and of its write-ahead log', async () => {
    const rig = await createRig()
    await rig.openSession()
    const text = await scrape(rig)
    const file = join(rig.config.dataDir, 'broker.db')
    expect(value(text, 'broker_database_bytes')).toBe(statSync(file).size)
    expect(value(text, 'broker_wal_bytes')).toBe(statSync(`${file}-wal`).size)
    expect(value(text, 'broker_wal_bytes')).toBeGreaterThan(0)
    const free = value(text, 'broker_disk_free_bytes')
    expect(free).toBeGreaterThan(0)
    expect(value(text, 'broker_disk_bytes')).toBeGreaterThan(free)
  })

  test('is reported while the database does not answer', async () => {
    const rig = await createRig()
    rig.store.deliveryCounts = () => Promise.reject(new Error('The disk is full.'))
    expect(value(await scrape(rig), 'broker_disk_free_bytes')).toBeGreaterThan(0)
  })
})

async function serving(app: Hono, metrics: Metrics): Promise<string> {
  const listener = await listen(
    app,
    { host: '127.0.0.1', port: 0 },
    'BROKER_LISTEN',
    answerTimes({ metrics, clock: systemClock }),
  )
  onTestFinished(() => listener.close())
  return `http://127.0.0.1:${listener.address.port}`
}

describe('broker_http_request_seconds', () => {
  test('counts each answer by route class and status class', async () => {
    const rig = await createRig()
    const at = await serving(rig.app, rig.metrics)
    await fetch(`${at}/healthz?a=b`)
    await fetch(`${at}/token`, { method: 'POST' })
    await fetch(`${at}/wp-login.php`)
    const text = await scrape(rig)
    for (const labels of [
      'route="healthz",code="2xx"',
      'route="token",code="4xx"',
      'route="other",code="4xx"',
    ])
      expect(text).toContain(`broker_http_request_seconds_count{${labels}} 1\n`)
  })

  test('counts an event stream when it begins, not when its reader leaves', async () => {
    const metrics = createMetrics()
    const app = new Hono()
    app.get('/revocations', (c) =>
      streamSSE(
        c,
        () => new Promise<void>((end) => c.req.raw.signal.addEventListener('abort', () => end())),
      ),
    )
    const at = await serving(app, metrics)
    const reader = new AbortController()
    onTestFinished(() => reader.abort())
    await fetch(`${at}/revocations`, { signal: reader.signal })
    expect(await metrics.registry.metrics()).toContain(
      'broker_http_request_seconds_count{route="revocations",code="2xx"} 1\n',
    )
  })

  test('has a route class of its own for every path that the broker describes', async () => {
    const rig = await createRig()
    const { paths } = (await (await rig.app.request('/openapi.json')).json()) as { paths: object }
    expect(Object.keys(paths).length).toBeGreaterThan(30)
    expect(Object.keys(paths).filter((path) => routeOf(path) === 'other')).toEqual([])
  })
})

test('the process: its version, memory, file descriptors and the delay of its event loop', async () => {
  const metrics = createMetrics()
  onTestFinished(() => metrics.registry.clear())
  measureProcess(metrics, '1.2.3', 'worker')
  const text = await metrics.registry.metrics()
  expect(text).toContain(
    `broker_build_info{version="1.2.3",node="${process.versions.node}",kind="worker"} 1\n`,
  )
  for (const name of [
    'process_resident_memory_bytes',
    'process_open_fds',
    'nodejs_eventloop_lag_p99_seconds',
  ])
    expect(value(text, name)).toBeGreaterThan(0)
})
