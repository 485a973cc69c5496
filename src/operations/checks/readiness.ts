import type { z } from 'zod'
import type { readiness } from '../contract/shapes.ts'
import type { Deps } from '../deps.ts'
import type { Check } from './check.ts'
import type { Checks } from './checks.ts'
import { CHECKS } from './list.ts'

/**
 * The state of the broker's parts, for /readyz, the console and the admin API. Only without its
 * database is the broker unavailable. Without the queue or Microsoft it is degraded but ready:
 * sessions still work and can be revoked, which taking the broker out of rotation would prevent.
 */
export type Readiness = Omit<z.output<typeof readiness>, 'status'> & {
  status: 'ready' | 'degraded' | 'unavailable'
}
type PartName = NonNullable<Check['part']>
type Part = Readiness['parts'][PartName]

const PART_OF = new Map(
  CHECKS.flatMap(({ id, part }) => (part === undefined ? [] : [[id, part] as const])),
)

export async function readinessOf(
  deps: Pick<Deps, 'connection' | 'microsoft'>,
  checks: Checks,
): Promise<Readiness> {
  const findings = await checks.look()
  const partOf = (name: PartName): Part => {
    const its = findings.filter((one) => PART_OF.get(one.check) === name)
    const wrong = its.filter((one) => one.state === 'failed')
    const engine = its.find((one) => one.engine !== undefined)?.engine
    return {
      state: wrong.length === 0 ? 'up' : 'down',
      ...(wrong.length > 0 && {
        problem: wrong
          .map(({ about, found, fix }) =>
            `${about === undefined ? '' : `${about}: `}${found} ${fix ?? ''}`.trim(),
          )
          .join(' '),
      }),
      ...(engine !== undefined && { engine }),
    }
  }
  const differences = deps.connection.differences()
  const microsoft = partOf('microsoft')
  if (!deps.microsoft.readiness().connected) microsoft.state = 'not_connected'
  if (differences.length > 0) microsoft.differences = differences
  const parts = { store: partOf('store'), queue: partOf('queue'), microsoft }
  const status =
    parts.store.state !== 'up'
      ? 'unavailable'
      : parts.queue.state === 'up' && microsoft.state === 'up'
        ? 'ready'
        : 'degraded'
  return {
    status,
    parts,
    checks: findings.filter((one) => one.state === 'failed' || one.state === 'warning'),
  }
}
