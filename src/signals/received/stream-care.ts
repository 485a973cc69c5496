import type { Deps } from '../deps.ts'
import { type Interval, claim, isClaimed } from './interval.ts'
import type { ManagedIssuer } from './issuers.ts'
import type { Stream, Transmitter } from './transmitter.ts'
import { TransmitterProblem } from './transmitter-calls.ts'
import { newState } from './security-event.ts'

/**
 * Keeps the broker's stream at a transmitter as configured, and requests a verification event twice
 * in each interval in which the transmitter must send an event. One of all brokers does this, by a
 * claim in the store. A fault is logged and ends no session; without events the check
 * `signal-issuers` fails.
 */

/** The time after which a failed attempt is retried. */
const RETRY_SECONDS = 60
const LEAST_SECONDS = 60

type CareDeps = Pick<Deps, 'store' | 'clock' | 'log' | 'sealer'>

export async function tendStream(
  deps: CareDeps,
  issuer: ManagedIssuer,
  transmitter: Transmitter,
): Promise<void> {
  const now = deps.clock.now()
  const { delivery, events, status } = issuer.stream
  const seconds = Math.max(LEAST_SECONDS, Math.floor(issuer.maxSilenceSeconds / 2))
  const asked: Interval = {
    purpose: 'signal-verification',
    about: [issuer.issuer, delivery, events, status],
    seconds,
  }
  if (await isClaimed(deps, asked, now)) return
  if (
    !(await claim(
      deps,
      { purpose: 'signal-stream', about: [issuer.issuer], seconds: RETRY_SECONDS },
      now,
    ))
  )
    return
  // Claimed only after success, so that a fault leaves the work to the next attempt.
  if (await isTended(deps, issuer, transmitter, now)) await claim(deps, asked, now)
}

async function isTended(
  deps: CareDeps,
  issuer: ManagedIssuer,
  transmitter: Transmitter,
  now: number,
): Promise<boolean> {
  const { delivery, status: wanted } = issuer.stream
  try {
    if (delivery === 'none') {
      await transmitter.remove()
      return true
    }
    const { stream, isNew } = await transmitter.ensure()
    const status = await statusOf(transmitter, stream, { wanted, isNew })
    // A transmitter may pause a stream until its endpoint accepts a verification event.
    if (status !== 'disabled') await transmitter.verify(stream, newState(deps, issuer.issuer, now))
    if (status !== (wanted ?? 'enabled'))
      throw new TransmitterProblem(
        `The status of its stream is ${status}.`,
        'Enable it there, or set status: enabled for stream in the file of issuers.',
      )
    return true
  } catch (error) {
    // Requested too soon after the last one (SSF 1.0 §8.1.4.2). It is requested again after
    // RETRY_SECONDS.
    if (!(error instanceof TransmitterProblem && error.status === 429))
      logProblem(deps, issuer, transmitter, error)
    return false
  }
}

/**
 * Returns the stream's status after setting the configured one. The status of a stream that was
 * just created or changed is ignored, because it may not be verified yet.
 */
async function statusOf(
  transmitter: Transmitter,
  stream: Stream,
  { wanted, isNew }: { wanted: 'enabled' | 'paused' | undefined; isNew: boolean },
): Promise<string> {
  const status = (isNew ? undefined : await transmitter.status(stream)) ?? 'enabled'
  if (wanted === undefined || status === wanted) return status
  await transmitter.setStatus(stream, wanted)
  return wanted
}

export function logProblem(
  { log }: Pick<Deps, 'log'>,
  { issuer }: ManagedIssuer,
  { ending }: Transmitter,
  error: unknown,
): void {
  if (ending?.aborted === true) return
  if (!(error instanceof TransmitterProblem)) throw error
  log.warn('signal_stream_failed', { issuer, problem: error.message, next: error.next })
}
