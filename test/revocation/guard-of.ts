import { createGuard, type Guard } from '@case-manager/guard'
import { onTestFinished } from 'vitest'
import type { RegisteredClient, Rig } from '../rig.ts'

/**
 * Returns a guard of a client, with the clock of the rig. It ends with the test.
 * @param url the address at which the rig serves
 * @param cut cuts the guard off from the broker
 */
export function guardOf(
  rig: Rig,
  url: string,
  client: RegisteredClient,
  cut: AbortSignal = new AbortController().signal,
): Guard {
  const guard = createGuard({
    issuer: rig.config.issuer,
    clientId: client.clientId,
    clientSecret: client.secret,
    clock: { nowMs: () => rig.clock.now() * 1000, monotonicMs: () => performance.now() },
    // The issuer of a rig has another address than its listener, whose Date is the machine's.
    fetch: async (input, init) => {
      const address = (input as string).replace(rig.config.issuer, url)
      const signal = AbortSignal.any([cut, ...(init?.signal ? [init.signal] : [])])
      const answer = await fetch(address, { ...init, signal })
      const headers = new Headers(answer.headers)
      headers.set('date', new Date(rig.clock.now() * 1000).toUTCString())
      return new Response(answer.body, { status: answer.status, headers })
    },
    hooks: { problem: () => {} },
  })
  onTestFinished(() => guard.stop())
  return guard
}
