import { createGuard, type Guard } from '@case-manager/guard'
import type { TestInstance, TestWorld } from './world.ts'

/**
 * Starts guards of one instance, named `<name>-<n>`, and waits until all are live. Their status
 * alone shows problems.
 */
export async function startGuards(
  world: TestWorld,
  { entry }: TestInstance,
  { count, name }: { count: number; name: string },
): Promise<Guard[]> {
  const { client_id: clientId, client_secret: clientSecret, audience } = entry
  const common = {
    issuer: world.broker.issuer,
    clientId,
    clientSecret,
    audience: audience as string | undefined,
  }
  const guards = Array.from({ length: count }, (_, n) =>
    createGuard({ ...common, guardId: `${name}-${n}`, hooks: { problem: () => {} } }),
  )
  await Promise.all(guards.map((guard) => guard.start()))
  return guards
}
