import { collectDefaultMetrics } from 'prom-client'
import type { Metrics } from '../../runtime/metrics.ts'

/**
 * What Node.js knows of this process: CPU, memory, file descriptors, garbage collection, and the
 * delay of the event loop. Collected by a broker that serves and not by every set of metrics,
 * because its observers live as long as the process.
 */
export function measureProcess(
  { registry, buildInfo }: Pick<Metrics, 'registry' | 'buildInfo'>,
  version: string,
): void {
  buildInfo.set({ version, node: process.versions.node }, 1)
  if (registry.getSingleMetric('process_open_fds') === undefined)
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 20 })
}
