import type { Deps } from './deps.ts'
import type { Revocation } from '../../db/types.ts'
import type { FeedStream } from './feed-stream.ts'
import { entryOf, eventId, frame, PAGE } from './feed-wire.ts'
import type { FeedPosition } from './interface.ts'

/**
 * Sends each revocation once, in the order of the log. Announcements may come in another order, or
 * never (another process made them): a gap is filled from the store, where everything with a lower
 * `seq` is committed by then.
 */
/** Readings that are waited for: one under way may have begun too early. */
const TURNS = 3

export class Broadcaster {
  readonly #deps: Pick<Deps, 'store' | 'log'>
  readonly #streams: Set<FeedStream>
  readonly #ahead = new Map<number, Revocation>()
  #at: FeedPosition | undefined
  #starting: Promise<void> | undefined
  #filling: Promise<void> | undefined
  #looking: Promise<void> | undefined
  /** Asked to look since the latest look began. */
  #again = false
  #scheduled = false

  constructor(deps: Pick<Deps, 'store' | 'log'>, streams: Set<FeedStream>) {
    this.#deps = deps
    this.#streams = streams
  }

  head(): FeedPosition {
    return this.#at ?? { epoch: '', seq: 0 }
  }

  async ready(): Promise<void> {
    if (this.#at === undefined) await (this.#starting ??= this.#start())
  }

  publish(revocation: Revocation): void {
    // Until a guard listens there is no stream to send to; while the head is being read, what comes
    // is kept.
    if (this.#at === undefined && this.#starting === undefined) return
    if (this.#at === undefined || revocation.seq > this.#at.seq)
      this.#ahead.set(revocation.seq, revocation)
    if (this.#scheduled) return
    this.#scheduled = true
    // After the turn: the user who signs out has the answer first, and what was announced out of
    // order is in order by then.
    setImmediate(() => {
      this.#scheduled = false
      this.#drain()
    })
  }

  /**
   * One look at a time. What is asked for meanwhile may be newer than what is being read: then once
   * more afterwards.
   */
  async watch(): Promise<void> {
    this.#again = true
    if (this.#looking !== undefined) return this.#looking
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#looking = promise
    while (this.#again && this.#filling === undefined) {
      this.#again = false
      await this.#look()
    }
    this.#looking = undefined
    resolve()
  }

  /** Reads where it has to. @returns whether everything up to there was broadcast */
  async reaches({ epoch, seq }: FeedPosition): Promise<boolean> {
    await this.ready()
    const has = (): boolean => this.#at?.epoch === epoch && this.#at.seq >= seq
    for (let turn = 0; turn < TURNS && !has(); turn++) await (this.#filling ?? this.watch())
    return has()
  }

  async #look(): Promise<void> {
    const before = this.#at
    if (before === undefined) return
    try {
      const head = await this.#deps.store.head()
      // What was broadcast while the head was read may be after it.
      if (head.epoch !== before.epoch || head.seq < before.seq) {
        this.#at = head
        this.#ahead.clear()
        for (const stream of [...this.#streams]) stream.end('reset')
      } else if (head.seq > this.head().seq) await this.#fill(head.seq)
    } catch (error) {
      this.#deps.log.warn('feed_head_not_read', { cause: String(error) })
    }
  }

  async #start(): Promise<void> {
    try {
      this.#at = await this.#deps.store.head()
      this.#drain()
    } finally {
      this.#starting = undefined
    }
  }

  #send(revocation: Revocation, epoch: string): void {
    this.#at = { epoch, seq: revocation.seq }
    const id = eventId(this.#at)
    const seen = frame('revocation', entryOf(revocation), id)
    const passed = frame('head', { seq: revocation.seq }, id)
    const removed =
      revocation.reason === 'client_removed' && revocation.selector.kind === 'client'
        ? revocation.selector.clientId
        : undefined
    for (const stream of [...this.#streams]) {
      stream.tell(revocation, seen, passed)
      if (stream.client.clientId === removed) stream.end('client_removed')
    }
  }

  #drain(): void {
    if (this.#at === undefined) return
    const ahead = this.#ahead
    for (
      let next = ahead.get(this.#at.seq + 1);
      next !== undefined;
      next = ahead.get(this.#at.seq + 1)
    ) {
      ahead.delete(next.seq)
      this.#send(next, this.#at.epoch)
    }
    for (const seq of ahead.keys()) if (seq <= this.#at.seq) ahead.delete(seq)
    if (ahead.size > 0 && this.#filling === undefined)
      void this.#fill([...ahead.keys()].reduce((a, b) => Math.max(a, b)))
  }

  async #fill(upTo: number): Promise<void> {
    await (this.#filling = this.#read(upTo))
    this.#filling = undefined
    // After an error the next publication, or the watch, tries again.
    if (this.#at !== undefined && this.#at.seq >= upTo) this.#drain()
    if (this.#again) void this.watch()
  }

  async #read(upTo: number): Promise<void> {
    try {
      while (this.#at !== undefined && this.#at.seq < upTo) {
        const { epoch, seq } = this.#at
        const rows = await this.#deps.store.revocationsAfter({ after: seq, since: 0, limit: PAGE })
        for (const row of rows) if (row.seq > (this.#at?.seq ?? 0)) this.#send(row, epoch)
        if (rows.length === 0) this.#at = { epoch, seq: Math.max(upTo, this.#at?.seq ?? 0) }
      }
    } catch (error) {
      this.#deps.log.warn('feed_gap_not_read', { cause: String(error) })
    }
  }
}
