import type { Broker } from './broker.ts'
import { pause, type Clock } from './clock.ts'
import { readEvents } from './event-stream.ts'
import type { FeedReader } from './feed-reader.ts'
import type { Hooks } from './hooks.ts'
import type { Lease } from './lease.ts'
import type { LogFollower } from './log-follower.ts'

/** The shortest time between two requests for a new anchor. */
const ANCHOR_MS = 1_000
/**
 * Returns the time after which a silent stream is dropped. A heartbeat comes every quarter of the
 * lease, so that two are missing.
 */
const silenceOf = (lengthMs: number): number => Math.max(lengthMs / 2, 1_000)
/** The silence that is allowed until a stream is live: it may wait for its turn to read the log. */
const FIRST_SILENCE_MS = 15_000
/** The first lease may make the silence that is allowed shorter. */
const LOOK_MS = 1_000
const CONNECT_MS = 5_000
/** The longest restart of a broker. For so long the guard retries quickly, afterwards slowly. */
const RESTART_MS = 10_000
const RESTART_RETRY_MS = 500
const RETRY_MS = 2_000
/** The longest wait that the broker can ask for. */
const MOST_RETRY_MS = 30_000
/** The lifetime after which a stream counts as healthy, so that the next failure is a new one. */
const HEALTHY_MS = 5000
/** The time that the feed may need for an entry after a token or a logout token has named it. */
const BEHIND_MS = 1000
/** The reason of a connection that ends because the next one asks for more. No problem. */
const JUDGES_SESSIONS = new Error('sessions are judged from now on')

interface FollowerParts {
  broker: Broker
  clock: Clock
  feed: FeedReader
  guardId: string
  hooks: Hooks
  lease: Lease
  random: () => number
  stopping: AbortSignal
}

/** Keeps a connection to the broker's feed until the guard is stopped. */
export class Follower implements LogFollower {
  connected = false
  connects = 0
  readonly #parts: FollowerParts
  #stream: AbortController | undefined
  /** The wait between two connections. */
  #pause: AbortController | undefined
  #lostAtMs = 0
  #anchorAtMs = -Infinity
  /**
   * The Retry-After of the latest answer to the feed's request, in milliseconds. 0 if it had none.
   */
  #askedMs = 0
  /** The newest `seq` for which the feed was checked, so that it is checked once for each. */
  #catchingUpTo: { epoch: string | undefined; seq: number } = { epoch: undefined, seq: 0 }

  constructor(parts: FollowerParts) {
    this.#parts = parts
  }

  async run(): Promise<void> {
    const { clock, feed, hooks, stopping } = this.#parts
    this.#lostAtMs = clock.monotonicMs()
    while (!stopping.aborted) {
      const { why, problem } = await this.#connection()
      if (feed.ended() >= HEALTHY_MS) this.#lostAtMs = clock.monotonicMs()
      this.connected = false
      if (stopping.aborted) break
      const retryMs = this.#retryMs()
      hooks.disconnected({ why, retryMs })
      if (problem !== undefined)
        hooks.problem(
          new Error(
            `The revocation feed broke. Reconnecting in ${(retryMs / 1000).toFixed(1)} s.`,
            { cause: problem },
          ),
        )
      await this.#rest(retryMs)
    }
  }

  startOver(): void {
    this.#parts.feed.startOver()
    this.#stream?.abort(new Error('starting over'))
  }

  judgeSessions(): void {
    this.#parts.feed.judgeSessions()
    this.#stream?.abort(JUDGES_SESSIONS)
  }

  doubtLog(position: { epoch: string; seq: number }): void {
    if (!this.#parts.feed.enforces(position)) return
    this.#parts.feed.resumeExactly()
    this.#stream?.abort(new Error('the broker reported another log'))
  }

  /**
   * Connects at once if there is no connection. Drops a connection that does not bring `seq` in
   * time.
   */
  catchUpTo(seq: number): void {
    const { clock, feed, stopping } = this.#parts
    const { epoch, seq: before } = this.#catchingUpTo
    if (seq <= feed.enforcedSeq || (epoch === feed.epoch && seq <= before)) return
    this.#catchingUpTo = { epoch: feed.epoch, seq }
    if (!this.connected) return this.#pause?.abort()
    const stream = this.#stream
    clock.after(BEHIND_MS, () => {
      if (this.#stream !== stream || stopping.aborted || !feed.live || feed.enforcedSeq >= seq)
        return
      stream?.abort(
        new Error(
          `the broker has issued a token at seq ${seq}, and the feed stopped at ${feed.enforcedSeq}`,
        ),
      )
    })
  }

  /**
   * Takes a new anchor by a separate request. If that request reaches another process than the
   * stream, the stream is opened again.
   */
  async takeAnchor(): Promise<void> {
    const { broker, clock, feed, hooks } = this.#parts
    const stream = this.#stream
    const nowMs = clock.monotonicMs()
    if (stream === undefined || nowMs - this.#anchorAtMs < ANCHOR_MS) return
    this.#anchorAtMs = nowMs
    try {
      const anchor = await broker.readClock(stream.signal)
      if (this.#stream === stream && !feed.anchor(anchor))
        stream.abort(new Error('requests reach another process of the broker'))
    } catch (cause) {
      if (!stream.signal.aborted)
        hooks.problem(new Error('The clock of the broker could not be read.', { cause }))
    }
  }

  /**
   * Returns the wait before the next attempt. It has jitter, so that a thousand guards do not
   * return at once. A longer wait that the broker asked for counts only after the time of a
   * restart.
   */
  #retryMs(): number {
    const { clock, random } = this.#parts
    const mayRestart = clock.monotonicMs() - this.#lostAtMs < RESTART_MS
    if (!mayRestart && this.#askedMs > RETRY_MS)
      return Math.round((1 + 0.5 * random()) * Math.min(this.#askedMs, MOST_RETRY_MS))
    const ceiling = mayRestart ? RESTART_RETRY_MS : RETRY_MS
    return Math.round((0.2 + 0.8 * random()) * ceiling)
  }

  async #rest(ms: number): Promise<void> {
    const { clock, stopping } = this.#parts
    const resting = (this.#pause = new AbortController())
    const stop = (): void => resting.abort()
    stopping.addEventListener('abort', stop)
    await pause(clock, ms, resting.signal)
    stopping.removeEventListener('abort', stop)
    this.#pause = undefined
  }

  /**
   * Opens a connection and reads it to its end. Returns why it ended, and the problem for the
   * operator if there is one.
   */
  async #connection(): Promise<{ why: string; problem?: unknown }> {
    const { broker, clock, feed, lease, stopping } = this.#parts
    const stream = (this.#stream = new AbortController())
    const stop = (): void => stream.abort(new Error('stopped'))
    stopping.addEventListener('abort', stop)
    const silence = (): number => (feed.live ? silenceOf(lease.lengthMs) : FIRST_SILENCE_MS)
    const watchdog = new Watchdog(clock, silence, () =>
      stream.abort(new Error(`the broker sent nothing for ${silence() / 1000} s`)),
    )
    try {
      await broker.checkIssuer(stream.signal)
      const body = await this.#open(stream)
      for await (const event of readEvents(body, () => watchdog.heard())) {
        // After `startOver` the events that are still buffered are useless.
        stream.signal.throwIfAborted()
        const ending = feed.take(event)
        if (ending !== undefined) return { why: ending }
      }
      return { why: 'the stream ended' }
    } catch (error) {
      const problem: unknown = stream.signal.aborted ? stream.signal.reason : error
      if (problem === JUDGES_SESSIONS) return { why: JUDGES_SESSIONS.message }
      return { why: problem instanceof Error ? problem.message : 'the connection broke', problem }
    } finally {
      watchdog.stop()
      stopping.removeEventListener('abort', stop)
      stream.abort(new Error('ended'))
    }
  }

  async #open(signal: AbortController): Promise<ReadableStream<Uint8Array>> {
    const { broker, feed, guardId } = this.#parts
    this.connects++
    this.#askedMs = 0
    const response = await broker.openFeed({
      guardId,
      sessions: feed.sessions,
      lastEventId: feed.resumeFrom,
      onSend: (nonce) => feed.opens(nonce),
      signal,
      timeoutMs: CONNECT_MS,
    })
    this.#askedMs = 1000 * Number(response.headers.get('retry-after') ?? 0)
    const type = response.headers.get('content-type') ?? ''
    if (response.status !== 200 || response.body === null || !type.startsWith('text/event-stream'))
      throw await broker.explain(response, '200 "text/event-stream"')
    this.connected = true
    return response.body as ReadableStream<Uint8Array>
  }
}

/**
 * Calls `bark` once if nothing was received for too long. It reads the clock rarely, not for each
 * byte.
 */
class Watchdog {
  readonly #clock: Clock
  readonly #bark: () => void
  readonly #silenceMs: () => number
  #heardAtMs: number
  #cancel: () => void

  constructor(clock: Clock, silenceMs: () => number, bark: () => void) {
    this.#clock = clock
    this.#bark = bark
    this.#silenceMs = silenceMs
    this.#heardAtMs = clock.monotonicMs()
    this.#cancel = clock.after(LOOK_MS, () => this.#look())
  }

  heard(): void {
    this.#heardAtMs = this.#clock.monotonicMs()
  }
  stop(): void {
    this.#cancel()
  }

  #look(): void {
    const left = this.#heardAtMs + this.#silenceMs() - this.#clock.monotonicMs()
    if (left <= 0) this.#bark()
    else this.#cancel = this.#clock.after(Math.min(Math.max(left, 1), LOOK_MS), () => this.#look())
  }
}
