import { resolve } from 'node:path'
import { type BrokerProcess, until } from '../broker-process.ts'

/**
 * Steps of the broker's wall clock, forwards and backwards. The run expects that no user is signed
 * out, and that nothing is decided by that clock.
 */

export const DIST = resolve(import.meta.dirname, '../../../dist')
export interface ClockMessage {
  clockMs: number
}

const MINUTE = 60_000
/** From a wrong time zone to beyond every limit of a session. */
export const STEPS_MS = [20 * MINUTE, 9 * 60 * MINUTE, 25 * 60 * MINUTE] as const

/** Sets the clock of the running broker. */
export async function setClock(broker: BrokerProcess, clockMs: number): Promise<void> {
  broker.env.CHAOS_CLOCK_MS = String(clockMs)
  await broker.ask({ clockMs } satisfies ClockMessage)
}

/** Waits until the sweep has checked the clock and the broker reports that it is wrong. */
export const clockIsFound = (broker: BrokerProcess) =>
  until('the broker finds that its clock is wrong', async () => {
    const { checks } = (await (await fetch(`${broker.ops}/readyz`)).json()) as {
      checks: { check: string; state: string }[]
    }
    return checks.some(({ check, state }) => check === 'clock' && state === 'failed')
  })
