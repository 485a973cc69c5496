import type { Deps } from './deps.ts'
import { signHead } from '../src/operations/acts/evidence.ts'

/**
 * Signs the heads of the logs' chains: once an hour, and sooner where many rows were appended, so that the stretch of a log between two signed heads
 * stays short. It refuses nothing: a head that has not moved is signed already.
 */

const HOUR = 3600
const MOST_ROWS = 1_000

export async function signHeads(deps: Pick<Deps, 'store' | 'keys' | 'clock'>): Promise<void> {
  for (const log of ['revocations', 'audit'] as const) {
    const { number, signed } = await deps.store.chainHead(log)
    if (signed === undefined || deps.clock.now() - signed.at >= HOUR || number - signed.number >= MOST_ROWS) await signHead(deps, log)
  }
}
