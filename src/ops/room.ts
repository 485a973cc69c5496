import { Hono } from 'hono'
import type { Deps } from '../deps.ts'
import { adminApi } from './admin.ts'
import { callerByToken, unauthorised, type AdminEnv } from './caller.ts'
import { consoleRoom } from './console/room.tsx'
import { refreshGauges } from './gauges.ts'
import { healthRoom } from './health.ts'
import { createReadiness } from './readiness.ts'

/**
 * The operators' listener: whether the broker is well, its metrics, and the admin API over HTTP. It refuses the admin API to whoever brings no
 * access token of a registered client with `broker:operate` or `broker:administer`; health and metrics are open to whoever reaches this listener, which is
 * loopback by default.
 */
export function opsRoom(deps: Deps): Hono {
  const room = new Hono()
  const readiness = createReadiness(deps)
  room.route('/', healthRoom(deps))
  room.get('/readyz', async (c) => {
    const report = await readiness()
    return c.json(report, report.status === 'unavailable' ? 503 : 200, { 'Cache-Control': 'no-store' })
  })
  room.get('/metrics', async (c) => {
    try {
      await refreshGauges(deps, readiness)
    } catch (error) {
      // The counters are as good as ever; gauges of a store that is down would only be old.
      deps.log.warn('gauges_not_refreshed', { problem: error instanceof Error ? error.message : 'unknown' })
    }
    return c.body(await deps.metrics.registry.metrics(), 200, { 'Content-Type': deps.metrics.registry.contentType, 'Cache-Control': 'no-store' })
  })
  const guarded = new Hono<AdminEnv>()
  guarded.use('/admin/v1/*', async (c, next) => {
    const caller = await callerByToken(deps, c.req.header('authorization'), deps.clock.now())
    if (caller === undefined) return unauthorised()
    c.set('caller', caller)
    return next()
  })
  guarded.route('/', adminApi(deps, { readiness }))
  room.route('/', guarded)
  room.route('/', consoleRoom(deps, readiness))
  return room
}
