import type { Deps } from '../deps.ts'
import type { Interval } from '../protocol/interval.ts'
import { claim, isClaimed } from './claim.ts'
import type { ManagedIssuer } from './issuers.ts'
import type { Transmitter } from './transmitter.ts'
import { TransmitterProblem } from './transmitter-problem.ts'
import { newState } from './verification-state.ts'

/**
 * Keeps the broker's stream at a transmitter: creates it, and asks for a verification event twice in each interval in which the transmitter must
 * send an event. One of all brokers does it, by a claim in the store. A fault is logged and ends no session. Without events the check `signal-issuers` fails.
 */

/** A failed attempt is retried after this time. */
const RETRY_SECONDS = 60
const LEAST_SECONDS = 60

type CareDeps = Pick<Deps, 'store' | 'clock' | 'log' | 'sealer'>

export async function tendStream(deps: CareDeps, issuer: ManagedIssuer, transmitter: Transmitter): Promise<void> {
  const now = deps.clock.now()
  const { delivery, events } = issuer.stream
  const seconds = Math.max(LEAST_SECONDS, Math.floor(issuer.heardEverySeconds / 2))
  const asked: Interval = { purpose: 'signal-verification', about: [issuer.issuer, delivery, events], seconds }
  if (await isClaimed(deps, asked, now)) return
  if (!(await claim(deps, { purpose: 'signal-stream', about: [issuer.issuer], seconds: RETRY_SECONDS }, now))) return
  // Claimed after the request was accepted: a fault leaves it to the next attempt.
  if (await askVerification(deps, issuer, transmitter, now)) await claim(deps, asked, now)
}

/** @returns whether the transmitter accepted the request */
async function askVerification(deps: CareDeps, issuer: ManagedIssuer, transmitter: Transmitter, now: number): Promise<boolean> {
  try {
    const stream = await transmitter.ensure()
    await transmitter.verify(stream, newState(deps, issuer.issuer, now))
    return true
  } catch (error) {
    // Too soon after the last one (SSF 1.0 §8.1.4.2): it is asked again after RETRY_SECONDS.
    if (!(error instanceof TransmitterProblem && error.status === 429)) logProblem(deps, issuer, transmitter, error)
    return false
  }
}

export function logProblem({ log }: Pick<Deps, 'log'>, { issuer }: ManagedIssuer, { ending }: Transmitter, error: unknown): void {
  if (ending?.aborted === true) return
  if (!(error instanceof TransmitterProblem)) throw error
  log.warn('signal_stream_failed', { issuer, problem: error.message, next: error.next })
}
