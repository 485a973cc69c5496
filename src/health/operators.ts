import { Hono } from 'hono'
import type { Readiness } from '../checks/readiness.ts'
import type { Deps } from '../deps.ts'
import { refreshGauges } from './gauges.ts'

/**
 * Whether the broker is ready, and its metrics, on the operators' listener. Neither asks for authentication: this listener is loopback by default.
 */
export function operatorHealthEndpoints(deps: Deps, readiness: () => Promise<Readiness>): Hono {
  const endpoints = new Hono()
  endpoints.get('/readyz', async (c) => {
    const report = await readiness()
    return c.json(report, report.status === 'unavailable' ? 503 : 200, { 'Cache-Control': 'no-store' })
  })
  endpoints.get('/metrics', async (c) => {
    try {
      await refreshGauges(deps, readiness)
    } catch (error) {
      // The counters are still right; gauges of a store that is down would only be old.
      deps.log.warn('gauges_not_refreshed', { problem: error instanceof Error ? error.message : 'unknown' })
    }
    return c.body(await deps.metrics.registry.metrics(), 200, { 'Content-Type': deps.metrics.registry.contentType, 'Cache-Control': 'no-store' })
  })
  return endpoints
}
