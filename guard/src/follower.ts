import type { Broker } from './broker.ts'
import { pause, type Clock } from './clock.ts'
import { readEvents } from './event-stream.ts'
import type { FeedReader } from './feed-reader.ts'
import type { Hooks } from './hooks.ts'
import { Watchdog } from './watchdog.ts'

/** Heartbeats come every 15 s: two missed ones, and a little (docs/feed.md). */
const SILENCE_MS = 35_000
const CONNECT_MS = 10_000
const FIRST_RETRY_MS = 500
const MAX_RETRY_MS = 30_000
/** A stream that lasted so long is none that fails again and again. */
const HEALTHY_MS = 5000

export interface FollowerParts {
  broker: Broker
  clock: Clock
  feed: FeedReader
  guardId: string
  hooks: Hooks
  random: () => number
  stopping: AbortSignal
}

/** Keeps a connection to the broker's feed for as long as it is not stopped, whatever happens. */
export class Follower {
  connected = false
  connects = 0
  readonly #parts: FollowerParts
  #stream: AbortController | undefined
  #failures = 0

  constructor(parts: FollowerParts) {
    this.#parts = parts
  }

  async run(): Promise<void> {
    const { clock, feed, hooks, stopping } = this.#parts
    while (!stopping.aborted) {
      const why = await this.#connection()
      this.#failures = feed.ended() >= HEALTHY_MS ? 0 : this.#failures + 1
      this.connected = false
      if (stopping.aborted) break
      const retryMs = this.#retryMs()
      hooks.disconnected({ why, retryMs })
      await pause(clock, retryMs, stopping)
    }
  }

  /** Ends this connection; the next one asks for everything. */
  startOver(): void {
    this.#parts.feed.startOver()
    this.#stream?.abort(new Error('starting over'))
  }

  /** Full jitter, so that a thousand guards do not come back at once. */
  #retryMs(): number {
    const ceiling = Math.min(FIRST_RETRY_MS * 2 ** Math.min(this.#failures, 10), MAX_RETRY_MS)
    return Math.round((0.1 + 0.9 * this.#parts.random()) * ceiling)
  }

  /** One connection, from opening it to its end; says why it ended. */
  async #connection(): Promise<string> {
    const { clock, feed, hooks, stopping } = this.#parts
    const stream = (this.#stream = new AbortController())
    const stop = (): void => stream.abort(new Error('stopped'))
    stopping.addEventListener('abort', stop)
    const watchdog = new Watchdog(clock, SILENCE_MS, () => stream.abort(new Error(`nothing heard for ${SILENCE_MS / 1000} s`)))
    try {
      const body = await this.#open(stream)
      const heard = (): void => {
        watchdog.heard()
        feed.heard()
      }
      for await (const event of readEvents(body, heard)) {
        // After `startOver` what still waits here is of no use.
        stream.signal.throwIfAborted()
        const ending = feed.take(event)
        if (ending !== undefined) return ending
      }
      return 'the stream ended'
    } catch (error) {
      const cause: unknown = stream.signal.aborted ? stream.signal.reason : error
      if (!stopping.aborted) hooks.problem(new Error('The feed of revocations broke; it is connected again.', { cause }))
      return cause instanceof Error ? cause.message : 'the connection broke'
    } finally {
      watchdog.stop()
      stopping.removeEventListener('abort', stop)
      stream.abort(new Error('ended'))
    }
  }

  async #open(signal: AbortController): Promise<ReadableStream<Uint8Array>> {
    const { broker, feed, guardId } = this.#parts
    this.connects++
    const response = await broker.openFeed({ guardId, lastEventId: feed.resumeFrom, signal, timeoutMs: CONNECT_MS })
    const type = response.headers.get('content-type') ?? ''
    if (response.status !== 200 || response.body === null || !type.startsWith('text/event-stream')) {
      await response.body?.cancel()
      if (response.status === 401)
        throw new Error('The broker refused the client_id or the secret of this guard (401). Set them as the client is registered.')
      throw new Error(`The broker answered the feed with ${response.status} ${type}.`)
    }
    this.connected = true
    return response.body as ReadableStream<Uint8Array>
  }
}
