import type { Deps } from '../deps.ts'
import { DELIVERY } from '../../protocol/stream-event.ts'
import { claim } from './interval.ts'
import type { ManagedIssuer } from './issuers.ts'
import { receive, type Rejection } from './security-event.ts'
import { logProblem } from './stream-care.ts'
import type { Stream, Poll, Polled, Transmitter } from './transmitter.ts'
import { TransmitterProblem } from './transmitter-calls.ts'

/**
 * Polls a transmitter for security events (RFC 8936). An event is acknowledged only after its
 * effect is committed. An unacknowledged event is sent again and ends nothing a second time. One of
 * all brokers polls, by a claim in the store.
 */

/** The duration of a broker's claim to poll. */
const TURN_SECONDS = 30
/** A request that the transmitter holds open longer is aborted, and counts as a fault. */
const LONG_POLL_MS = 25_000
const MOST_EVENTS = 25
const MOST_CHARACTERS = 64 * 1024
const MOST_BYTES = MOST_EVENTS * MOST_CHARACTERS + 64 * 1024
/**
 * The most answers read in one turn. If a transmitter has more events, they are read in the next
 * turn.
 */
const MOST_ANSWERS = 40
/** The interval at which the broker looks for a stream that is not created yet. */
const NO_STREAM_MS = 5_000
const MOST_DELAY_MS = 60_000

interface Polling {
  /** Polls if this broker has the turn, and settles all available events. */
  turn(): Promise<void>
}

export function createPolling(
  deps: Deps,
  issuer: ManagedIssuer,
  transmitter: Transmitter,
): Polling {
  const findStream = polledStream(deps, issuer, transmitter)
  let [failures, notBeforeMs] = [0, 0]
  const wait = (ms: number): void => void (notBeforeMs = deps.clock.steadyMs() + ms)
  return {
    async turn() {
      if (deps.clock.steadyMs() < notBeforeMs) return
      try {
        const stream = await findStream(failures > 0)
        if (stream === 'not_mine') return
        if (stream === undefined) return wait(NO_STREAM_MS)
        await pollAll(deps, issuer, requests(transmitter, stream), failures > 0)
        failures = 0
      } catch (error) {
        failures++
        wait(Math.min(1000 * 2 ** failures, MOST_DELAY_MS))
        logProblem(deps, issuer, transmitter, error)
      }
    },
  }
}

/**
 * Returns a function that reads the stream, once in each turn of this broker and again after a
 * fault. `not_mine`: another broker has the turn.
 */
function polledStream(deps: Deps, issuer: ManagedIssuer, transmitter: Transmitter) {
  let [turn, latest] = [-1, -1]
  let kept: Stream | undefined
  return async (anew: boolean): Promise<Stream | undefined | 'not_mine'> => {
    const now = deps.clock.now()
    const current = Math.floor(now / TURN_SECONDS)
    if (turn !== current) {
      // The clock was set back: a claim of this turn may be from before. Two brokers that poll do
      // no harm, because an event ends nothing a second time.
      const isAgain = current < latest
      latest = Math.max(latest, current)
      if (
        !isAgain &&
        !(await claim(
          deps,
          { purpose: 'signal-poll', about: [issuer.issuer], seconds: TURN_SECONDS },
          now,
        ))
      )
        return 'not_mine'
      turn = current
      kept = undefined
    }
    if (anew) kept = undefined
    kept ??= await transmitter.find()
    // A stream that is still pushed is not polled: its endpoint_url is this broker's own.
    return kept?.delivery.method === DELIVERY.poll ? kept : (kept = undefined)
  }
}

type Ask = (body: Poll) => Promise<Polled>

const requests =
  (transmitter: Transmitter, stream: Stream): Ask =>
  (body) =>
    transmitter.poll(stream, body, { timeoutMs: LONG_POLL_MS, maxBytes: MOST_BYTES })

/**
 * Polls until no events are left.
 * @param careful true after a fault: requests one event without waiting, so that an answer that is
 * too long does not fail forever
 */
async function pollAll(
  deps: Deps,
  issuer: ManagedIssuer,
  ask: Ask,
  careful: boolean,
): Promise<void> {
  const maxEvents = careful ? 1 : MOST_EVENTS
  let answer = await ask({ maxEvents, returnImmediately: careful })
  for (let count = 1; Object.keys(answer.sets).length > 0; count++) {
    const settled = await settle(deps, issuer, answer.sets)
    const isMore = answer.moreAvailable === true && count < MOST_ANSWERS
    answer = await ask({ maxEvents: isMore ? maxEvents : 0, returnImmediately: true, ...settled })
    // This request asked for no events. Any that it returns are sent again in the next turn.
    if (!isMore) return
  }
}

type Settled = Required<Pick<Poll, 'ack' | 'setErrs'>>

/**
 * Applies each event and returns what to acknowledge.
 * @throws TransmitterProblem if no event could be judged because the keys cannot be read
 */
async function settle(deps: Deps, issuer: ManagedIssuer, sets: Polled['sets']): Promise<Settled> {
  const settled: Settled = { ack: [], setErrs: {} }
  for (const [jti, token] of Object.entries(sets)) {
    const answer = await receiveBounded(deps, issuer, token)
    if (answer === 'accepted') settled.ack.push(jti)
    else if (answer !== 'keys_unavailable')
      settled.setErrs[jti] = { err: answer.error, description: answer.description }
    const outcome = typeof answer === 'string' ? answer : answer.error
    if (outcome !== 'accepted') deps.metrics.signals.inc({ kind: 'security_event', outcome })
  }
  if (settled.ack.length + Object.keys(settled.setErrs).length === 0)
    throw new TransmitterProblem(
      'Its keys cannot be read, so its events wait.',
      'Check jwks_uri in the file of issuers.',
    )
  return settled
}

const receiveBounded = async (
  deps: Deps,
  issuer: ManagedIssuer,
  token: string,
): Promise<'accepted' | 'keys_unavailable' | Rejection> =>
  token.length > MOST_CHARACTERS
    ? { error: 'invalid_request', description: 'The token is too long.' }
    : receive(deps, issuer, token)
