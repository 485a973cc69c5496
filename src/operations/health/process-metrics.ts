import { collectDefaultMetrics } from 'prom-client'
import type { ProcessKind } from '../../protocol/work.ts'
import type { Metrics } from '../../runtime/metrics.ts'

/**
 * Collects Node.js metrics of this process: CPU, memory, file descriptors, garbage collection,
 * event loop delay. Only a process that serves or works calls it, because the observers live as
 * long as the process.
 */
export function measureProcess(
  { registry, buildInfo }: Pick<Metrics, 'registry' | 'buildInfo'>,
  version: string,
  kind: ProcessKind,
): void {
  buildInfo.set({ version, node: process.versions.node, kind }, 1)
  if (registry.getSingleMetric('process_open_fds') === undefined)
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 20 })
}
