import { type Context, Hono } from 'hono'
import type { Checks } from '../checks/checks.ts'
import { CHECKS } from '../checks/list.ts'
import { type Readiness, readinessOf, verdictOf } from '../checks/readiness.ts'
import type { Deps } from '../deps.ts'
import { readiness } from '../contract/shapes.ts'
import { type Description, described, json, text } from '../../protocol/described.ts'
import { refreshGauges } from './gauges.ts'

const READY: Description = {
  id: 'isReady',
  summary: 'What is up and what is down',
  tag: 'health',
  answers: {
    200: ['Ready, or degraded but useful.', json(readiness)],
    503: ['It cannot serve, or is ending.', json(readiness)],
  },
}
const METRICS: Description = {
  id: 'readMetrics',
  summary: 'Metrics for Prometheus',
  tag: 'health',
  answers: { 200: ['The metrics.', { 'text/plain': text }] },
}

const NAMING = CHECKS.filter(({ names }) => names).map(({ id }) => id)

/** Returns whether a check looks at the broker's state. A device that a user reports is none. */
const isOfBroker = ({ id }: { id: string }): boolean => id !== 'user-reports'

/**
 * The operators' /readyz and /metrics. They need no authentication, because their listener is
 * loopback by default.
 * @param isEnding returns true while the broker shuts down, so that load balancers stop sending
 */
export function operatorHealthEndpoints(deps: Deps, checks: Checks, isEnding: () => boolean): Hono {
  const endpoints = new Hono()
  let last: Readiness | undefined
  const ready = async (c: Context): Promise<Response> => {
    // A load balancer must learn of the shutdown at once: a check that hangs would outlast
    // BROKER_DRAIN_SECONDS.
    const whole =
      isEnding() && last !== undefined ? last : await readinessOf(deps, checks, isOfBroker)
    last = whole
    const { problems, ...rest } = whole
    const report = {
      ...rest,
      verdict: verdictOf(problems, { names: false }),
      checks: whole.checks.filter(({ check }) => !NAMING.includes(check)),
    }
    if (isEnding())
      return c.json({ ...report, status: 'ending' }, 503, { 'Cache-Control': 'no-store' })
    return c.json(report, report.status === 'unavailable' ? 503 : 200, {
      'Cache-Control': 'no-store',
    })
  }
  const metrics = async (c: Context): Promise<Response> => {
    try {
      await refreshGauges(deps, checks)
    } catch (error) {
      // The counters are still correct. Gauges of a store that is down are not refreshed.
      deps.log.warn('gauges_not_refreshed', {
        problem: error instanceof Error ? error.message : 'unknown',
      })
    }
    return c.body(await deps.metrics.registry.metrics(), 200, {
      'Content-Type': deps.metrics.registry.contentType,
      'Cache-Control': 'no-store',
    })
  }
  endpoints.get('/readyz', described(READY, ready))
  endpoints.get('/metrics', described(METRICS, metrics))
  return endpoints
}
