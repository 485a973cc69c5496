import type { Deps } from './deps.ts'
import type { FeedRow } from '../../db/types.ts'
import type { FeedStream } from './feed-stream.ts'
import { entriesAfter, entryOf, eventId, frame, PAGE } from './feed-wire.ts'
import type { FeedPosition } from './interface.ts'

/**
 * Sends each revocation once, in the order of the log. Announcements may arrive out of order, or
 * not at all when another process revoked. The broadcaster then reads the gap from the store, where
 * all lower `seq` are committed. An entry waits until registrations as new as it are read.
 */
/** Reads of the log that `reaches` waits for. A read in progress may have begun too early. */
const TURNS = 3

export class Broadcaster {
  readonly #deps: Pick<Deps, 'store' | 'log' | 'clients'>
  readonly #streams: Set<FeedStream>
  readonly #ahead = new Map<number, FeedRow>()
  #at: FeedPosition | undefined
  #starting: Promise<void> | undefined
  #filling: Promise<void> | undefined
  #looking: Promise<void> | undefined
  /** True if `watch` was called after the current read of the head began. */
  #again = false
  #scheduled = false

  constructor(deps: Pick<Deps, 'store' | 'log' | 'clients'>, streams: Set<FeedStream>) {
    this.#deps = deps
    this.#streams = streams
  }

  head(): FeedPosition {
    return this.#at ?? { epoch: '', seq: 0 }
  }

  async ready(): Promise<void> {
    if (this.#at === undefined) await (this.#starting ??= this.#start())
  }

  publish(revocation: FeedRow): void {
    // Without a listening guard there is no stream. While the head is being read, revocations are
    // kept.
    if (this.#at === undefined && this.#starting === undefined) return
    if (this.#at === undefined || revocation.seq > this.#at.seq)
      this.#ahead.set(revocation.seq, revocation)
    if (this.#scheduled) return
    this.#scheduled = true
    // Sends in the next turn of the event loop: the user's response leaves first, and announcements
    // of this turn are in order by then.
    setImmediate(() => {
      this.#scheduled = false
      this.#drain()
    })
  }

  /**
   * Reads the head of the log and sends new revocations. Calls during a read cause one more read,
   * because the head may have moved.
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

  /** Reads the log if needed, and returns whether everything up to this position was broadcast. */
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
      // Revocations broadcast during the read may be newer than this head.
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

  #send(revocation: FeedRow, epoch: string): void {
    this.#at = { epoch, seq: revocation.seq }
    const id = eventId(this.#at)
    const frames = {
      ends: frame('revocation', entryOf(revocation, 'ends'), id),
      seen: frame('revocation', entryOf(revocation, 'seen'), id),
      passed: frame('head', { seq: revocation.seq }, id),
    }
    const removed =
      revocation.reason === 'client_removed' && revocation.selector.kind === 'client'
        ? revocation.selector.clientId
        : undefined
    for (const stream of [...this.#streams]) {
      stream.sendRevocation(revocation, frames)
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
      const reading = this.#deps.clients.atLeast(next.registryVersion)
      if (reading !== undefined) return void this.#drainAfter(reading)
      ahead.delete(next.seq)
      this.#send(next, this.#at.epoch)
    }
    for (const seq of ahead.keys()) if (seq <= this.#at.seq) ahead.delete(seq)
    if (ahead.size > 0 && this.#filling === undefined)
      void this.#fill([...ahead.keys()].reduce((a, b) => Math.max(a, b)))
  }

  async #drainAfter(reading: Promise<void>): Promise<void> {
    try {
      await reading
      this.#drain()
    } catch (error) {
      // No lease is granted before `reaches` has read what was not sent.
      this.#deps.log.warn('feed_registry_not_read', { cause: String(error) })
    }
  }

  async #fill(upTo: number): Promise<void> {
    await (this.#filling = this.#read(upTo))
    this.#filling = undefined
    // After an error, the next publication or `watch` retries.
    if (this.#at !== undefined && this.#at.seq >= upTo) this.#drain()
    if (this.#again) void this.watch()
  }

  async #read(upTo: number): Promise<void> {
    try {
      while (this.#at !== undefined && this.#at.seq < upTo) {
        const { epoch, seq } = this.#at
        const rows = await entriesAfter(this.#deps, { after: seq, since: 0, limit: PAGE })
        for (const row of rows) if (row.seq > (this.#at?.seq ?? 0)) this.#send(row, epoch)
        if (rows.length === 0) this.#at = { epoch, seq: Math.max(upTo, this.#at?.seq ?? 0) }
      }
    } catch (error) {
      this.#deps.log.warn('feed_gap_not_read', { cause: String(error) })
    }
  }
}
