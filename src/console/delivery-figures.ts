import { count, span } from './format.ts'
import type { InstanceNow } from './instances.ts'

/** Deliveries of all instances by their state, as the overview and wall displays show them. */

interface Figure {
  name: string
  value: string
  look?: 'bad' | 'warn' | 'small' | undefined
}

export function deliveryFigures(instances: readonly InstanceNow[], nowMs: number): Figure[] {
  const sum = (pick: (one: InstanceNow) => number): number => instances.reduce((total, one) => total + pick(one), 0)
  const [pending, rejected, failed] = [sum((one) => one.counts.pending), sum((one) => one.counts.rejected), sum((one) => one.counts.failed)]
  const oldest = Math.min(...instances.flatMap((one) => one.targets.flatMap((target) => target.oldestAtMs ?? [])))
  return [
    { name: 'Pending', value: count(pending), look: pending > 0 ? 'warn' : undefined },
    { name: 'Being delivered', value: count(sum((one) => one.delivering)) },
    { name: 'Rejected', value: count(rejected), look: rejected > 0 ? 'bad' : undefined },
    { name: 'Failed', value: count(failed), look: failed > 0 ? 'bad' : undefined },
    { name: 'Delivered', value: count(sum((one) => one.counts.delivered)) },
    { name: 'Oldest pending', value: Number.isFinite(oldest) ? span(Math.max(0, nowMs - oldest)) : 'none', look: 'small' },
  ]
}
