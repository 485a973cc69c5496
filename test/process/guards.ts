import { createGuard, type Guard, type GuardOptions } from '@case-manager/guard'
import type { TestInstance, TestWorld } from './world.ts'

/**
 * Starts guards of one instance, named `<name>-<n>`, and waits until all are live. Their status
 * alone shows problems.
 */
export async function startGuards(
  world: TestWorld,
  { entry }: TestInstance,
  {
    count,
    name,
    staleness,
  }: { count: number; name: string; staleness?: GuardOptions['staleness'] },
): Promise<Guard[]> {
  const { client_id: clientId, client_secret: clientSecret, audience } = entry
  const common = {
    issuer: world.broker.issuer,
    clientId,
    clientSecret,
    audience: audience as string | undefined,
    staleness,
  }
  const guards = Array.from({ length: count }, (_, n) =>
    createGuard({ ...common, guardId: `${name}-${n}`, hooks: { problem: () => {} } }),
  )
  await Promise.all(guards.map((guard) => guard.start()))
  return guards
}
