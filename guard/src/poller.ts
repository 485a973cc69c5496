import type { Broker } from './broker.ts'
import { pause, type Clock } from './clock.ts'
import type { FeedReader } from './feed-reader.ts'
import type { Hooks } from './hooks.ts'
import type { Lease } from './lease.ts'
import type { LogFollower } from './log-follower.ts'
import { isSeq } from './selector.ts'

/** The longest wait between attempts at the start, as for a stream that was just lost. */
const RETRY_MS = 500
/**
 * The most pages of one poll: a log of 10 million entries. Beyond it the answers are wrong to say
 * `more`.
 */
const MAX_PAGES = 10_000

interface PollerParts {
  broker: Broker
  clock: Clock
  feed: FeedReader
  guardId: string
  hooks: Hooks
  lease: Lease
  random: () => number
  stopping: AbortSignal
  /**
   * Called after each successful poll, to forget what has expired: there may be no timer between
   * requests.
   */
  onPolled: () => void
}

interface Answer {
  epoch: string
  seq: number
  entries: unknown[]
  retired_kids: unknown
  reset: boolean
  more: boolean
  tenants: unknown
  complete_from: unknown
  stream: unknown
  lease: Record<string, unknown>
}

/**
 * Asks for what is new in the log when a token is checked and the last answer is too old
 * (docs/feed.md, "Poll"). Needs no timer and no stream.
 */
export class Poller implements LogFollower {
  connected = false
  connects = 0
  readonly #parts: PollerParts
  #polling: Promise<void> | undefined
  #triedAtMs = -Infinity

  constructor(parts: PollerParts) {
    this.#parts = parts
  }

  /** Polls until tokens can be accepted. Afterwards each check polls if a poll is due. */
  async run(): Promise<void> {
    const { clock, feed, random, stopping } = this.#parts
    while (!stopping.aborted && !feed.ready) {
      await this.#poll()
      if (!feed.ready) await pause(clock, RETRY_MS * (0.2 + 0.8 * random()), stopping)
    }
  }

  /**
   * Polls if the last poll is too old, otherwise returns undefined. Requests that come during a
   * poll wait for the same one.
   */
  catchUp(): Promise<void> | undefined {
    const { clock, lease, stopping } = this.#parts
    if (stopping.aborted) return undefined
    const recent = clock.monotonicMs() - this.#triedAtMs < lease.lengthMs / 4
    return this.#polling ?? (recent ? undefined : this.#poll())
  }

  startOver(): void {
    this.#parts.feed.startOver()
    this.#triedAtMs = -Infinity
  }

  judgeSessions(): void {
    this.#parts.feed.judgeSessions()
    this.#triedAtMs = -Infinity
  }

  doubtLog(position: { epoch: string; seq: number }): void {
    if (!this.#parts.feed.enforces(position)) return
    this.#parts.feed.resumeExactly()
    this.#triedAtMs = -Infinity
  }

  catchUpTo(): void {}

  /** Does nothing, because each poll brings an anchor. */
  async takeAnchor(): Promise<void> {}

  #poll(): Promise<void> {
    this.#polling ??= this.#pollOnce().finally(() => (this.#polling = undefined))
    return this.#polling
  }

  async #pollOnce(): Promise<void> {
    const { broker, clock, feed, hooks, onPolled, stopping } = this.#parts
    this.#triedAtMs = clock.monotonicMs()
    this.connects++
    try {
      await broker.checkIssuer(stopping)
      // The log is read a second time if it turns out to be another one, or the first answer does
      // not count.
      if ((await this.#readAll()) !== undefined) await this.#readAll()
      this.connected = true
      onPolled()
    } catch (cause) {
      this.connected = false
      if (!feed.ready) this.#triedAtMs = -Infinity
      if (!stopping.aborted)
        hooks.problem(new Error('The broker could not be polled for revocations.', { cause }))
    } finally {
      feed.ended()
    }
  }

  /** Reads all pages. Returns why they must be read again, or undefined. */
  async #readAll(): Promise<string | undefined> {
    const { broker, feed, guardId: guard, stopping } = this.#parts
    const { generation } = feed
    let { position, stream } = feed
    let tenants: string | undefined
    for (let page = 0; page < MAX_PAGES; page++) {
      const answer = readAnswer(
        await broker.poll(
          position,
          { guard, sessions: feed.sessions, stream },
          () => feed.opens(),
          stopping,
        ),
      )
      if (feed.generation !== generation) return 'it was asked before the guard started over'
      if (answer.more && answer.epoch === position?.epoch && answer.seq <= position.seq)
        throw new Error(`the page after ${position.seq} goes on from ${answer.seq}`)
      stream = typeof answer.stream === 'string' ? answer.stream : undefined
      const ofPage = JSON.stringify(answer.tenants ?? null)
      if (ofPage !== (tenants ??= ofPage)) {
        feed.startOver()
        return 'its pages are of different tenants'
      }
      const again = this.#take(answer)
      if (again !== undefined || !answer.more) return again
      position = { epoch: answer.epoch, seq: answer.seq }
    }
    throw new Error(`the broker's answers do not end: ${MAX_PAGES} of them said "more"`)
  }

  #take({ complete_from, lease, stream, ...answer }: Answer): string | undefined {
    const { epoch, seq, entries, retired_kids, reset, more, tenants } = answer
    const { feed } = this.#parts
    const id = `${epoch}.${seq}`
    if (reset) feed.apply('reset', { epoch }, undefined)
    const wrong = feed.apply('snapshot', { epoch, seq, entries, retired_kids }, id)
    if (wrong !== undefined || more) return wrong
    return (
      feed.apply('anchor', { ...lease, stream }, undefined) ??
      feed.apply('live', { epoch, seq, tenants, complete_from }, id) ??
      feed.apply('lease', { ...lease, seq }, undefined)
    )
  }
}

function readAnswer(answer: unknown): Answer {
  const { lease, ...page } = (answer ?? {}) as Record<string, unknown>
  const { complete_from, epoch, seq, entries, retired_kids, reset, more, stream, tenants } = page
  if (typeof epoch !== 'string' || !isSeq(seq) || !Array.isArray(entries))
    throw new Error(
      'the answer to the poll must hold epoch, seq and entries: is issuer set to the broker?',
    )
  return {
    epoch,
    seq,
    entries: entries as unknown[],
    retired_kids,
    reset: reset === true,
    more: more === true,
    tenants,
    complete_from,
    stream,
    lease: (lease ?? {}) as Record<string, unknown>,
  }
}
