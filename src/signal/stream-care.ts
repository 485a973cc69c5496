import type { Deps } from '../deps.ts'
import { sha256 } from '../protocol/compare.ts'
import type { ManagedIssuer } from './issuers.ts'
import type { Transmitter } from './transmitter.ts'
import { TransmitterProblem } from './transmitter-problem.ts'
import { newState } from './verification-state.ts'

/**
 * Keeps the broker's stream at a transmitter: creates it, and asks for a verification event twice in each interval in which the transmitter has to
 * be heard. One broker of all does it, by a claim in the store. A fault is logged and ends no session; a missed verification fails the check `signal-issuers`.
 */

/** An attempt that failed is made again so much later. */
const RETRY_SECONDS = 60
const LEAST_SECONDS = 60

type CareDeps = Pick<Deps, 'store' | 'clock' | 'log' | 'sealer'>

export async function tendStream(deps: CareDeps, issuer: ManagedIssuer, transmitter: Transmitter): Promise<void> {
  const { store, clock } = deps
  const now = clock.now()
  const every = Math.max(LEAST_SECONDS, Math.floor(issuer.heardEverySeconds / 2))
  const { delivery, events } = issuer.stream
  const asked = mark('signal-verification', [issuer.issuer, delivery, events, every, Math.floor(now / every)])
  if (await store.wasConsumed(asked)) return
  const claim = mark('signal-stream', [issuer.issuer, Math.floor(now / RETRY_SECONDS)])
  if ((await store.wasConsumed(claim)) || !(await store.consumeOnce({ ...claim, expiresAt: now + 2 * RETRY_SECONDS, now }))) return
  if (await askVerification(deps, issuer, transmitter, now)) await store.consumeOnce({ ...asked, expiresAt: now + 2 * every, now })
}

export const mark = (purpose: string, about: unknown[]): { purpose: string; idHash: string } => ({ purpose, idHash: sha256(JSON.stringify(about)) })

/** @returns whether it was asked for */
async function askVerification(deps: CareDeps, { issuer }: ManagedIssuer, transmitter: Transmitter, now: number): Promise<boolean> {
  try {
    const stream = await transmitter.ensure()
    await transmitter.verify(stream, newState(deps, issuer, now))
    return true
  } catch (error) {
    // Too soon after the last one (SSF 1.0 §8.1.4.2): it is asked again after RETRY_SECONDS.
    if (!(error instanceof TransmitterProblem && error.status === 429)) logProblem(deps, issuer, error)
    return false
  }
}

export function logProblem({ log }: Pick<Deps, 'log'>, issuer: string, error: unknown): void {
  if (!(error instanceof TransmitterProblem)) throw error
  log.warn('signal_stream_failed', { issuer, problem: error.message, next: error.next })
}
