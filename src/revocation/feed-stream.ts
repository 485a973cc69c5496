import { setImmediate as otherWork } from 'node:timers/promises'
import type { Store } from '../../db/store.ts'
import type { Revocation } from '../../db/types.ts'
import type { Client } from '../protocol/client-metadata.ts'
import type { FeedPosition } from './interface.ts'
import {
  isLost,
  ENTRY_SECONDS,
  entryOf,
  eventId,
  frame,
  PAGE,
  visibleTo,
  WAITING,
} from './feed-wire.ts'

/**
 * One guard's stream. It reads the log from where the guard left off, and goes live in the same
 * turn in which it has read all that was broadcast: nothing falls between, and nothing waits in
 * memory meanwhile. It refuses to keep more than a megabyte for a slow reader.
 */

const MAX_WAITING_BYTES = 1 << 20

/** What a stream needs of the feed it belongs to. */
export interface FeedLog {
  store: Pick<Store, 'head' | 'revocationsAfter' | 'wasLost'>
  now(): number
  /** Epoch and the last seq that was broadcast. */
  head(): FeedPosition
  /** The event that grants a lease to a stream that has been sent all that was broadcast. */
  lease(stream: FeedStream): Uint8Array
  /**
   * Whose revocations a client may see, by its registration as it is now and as it was while its
   * tokens may live.
   */
  tenantsOf(clientId: string): readonly string[] | undefined
  /**
   * A turn at reading the log, which more than a few at a time would make everything else wait for.
   */
  turn(clientId: string): Promise<() => void>
  /** A guard enforces what this log has not reached: a part of the log was lost. */
  ahead(stream: FeedStream, seq: number, head: FeedPosition): void
  closed(stream: FeedStream): void
}

type EndReason = 'client_removed' | 'credential' | 'shutdown' | 'reset' | 'unconfirmed'

export class FeedStream {
  readonly client: Client
  readonly guardId: string
  readonly since: number
  enforcedSeq: number | undefined
  readonly body: ReadableStream<Uint8Array>
  readonly #log: FeedLog
  readonly #drop: (() => void) | undefined
  readonly #isValid: (() => Promise<boolean>) | undefined
  #controller!: ReadableStreamDefaultController<Uint8Array>
  /**
   * Set once it is live: it has been sent everything up to here, which may be more than was
   * broadcast.
   */
  #liveFrom: number | undefined
  #open = true
  #hasRoom: (() => void) | undefined

  constructor(
    log: FeedLog,
    listener: {
      client: Client
      guardId: string
      drop?: (() => void) | undefined
      isValid?: (() => Promise<boolean>) | undefined
      opening: Uint8Array
    },
  ) {
    this.#log = log
    this.#isValid = listener.isValid
    this.client = listener.client
    this.guardId = listener.guardId
    this.#drop = listener.drop
    this.since = log.now()
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
          controller.enqueue(listener.opening)
        },
        pull: () => this.#hasRoom?.(),
        cancel: () => this.#close(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: MAX_WAITING_BYTES }),
    )
  }

  get open(): boolean {
    return this.#open
  }

  /**
   * Brings it from `after` to now; then it is live.
   * @throws StoreUnavailable, after which it is of no use
   */
  async catchUp(after: FeedPosition | undefined, retiredKids: string[]): Promise<void> {
    const resumes = after !== undefined && (await this.#mayResume(after))
    if (after !== undefined && !resumes)
      this.send(frame('reset', { epoch: this.#log.head().epoch }))
    let position = resumes ? after.seq : 0
    let pages = 0
    let leave = await this.#log.turn(this.client.clientId)
    try {
      while (this.#open) {
        const broadcast = this.#log.head()
        const rows = await this.#log.store.revocationsAfter({
          after: position,
          since: this.#log.now() - ENTRY_SECONDS,
          limit: PAGE,
        })
        const whole = rows.length < PAGE
        position = Math.max(rows.at(-1)?.seq ?? 0, whole ? broadcast.seq : 0, position)
        if (rows.length > 0 || (pages === 0 && !resumes))
          this.#snapshot(rows, { epoch: broadcast.epoch, seq: position }, retiredKids)
        pages++
        // In one turn of the event loop: what is broadcast from here on comes to this stream.
        if (whole && position >= this.#log.head().seq)
          return this.#goLive({ epoch: broadcast.epoch, seq: position }, resumes, retiredKids)
        await otherWork()
        if (this.#full) {
          // A slow reader keeps no other waiting.
          leave()
          await this.#room()
          leave = await this.#log.turn(this.client.clientId)
        }
      }
    } finally {
      leave()
    }
  }

  /**
   * Whether `after` is a position of this log. One beyond its end is looked up in the store:
   * another process may have appended.
   */
  async #mayResume(after: FeedPosition): Promise<boolean> {
    const broadcast = this.#log.head()
    const passed = after.epoch === broadcast.epoch && after.seq <= broadcast.seq
    const head = passed ? broadcast : await this.#log.store.head()
    // It resumes where another server had come further: its own entries are more than this log has.
    if (isLost(this.#log.store, head, after)) this.#log.ahead(this, after.seq, head)
    return after.epoch === head.epoch && after.seq <= head.seq
  }

  #snapshot(rows: Revocation[], at: FeedPosition, retiredKids: string[]): void {
    const entries = rows.filter((row) => this.#maySee(row)).map(entryOf)
    this.send(frame('snapshot', { ...at, entries, retired_kids: retiredKids }, eventId(at)))
  }

  #goLive(at: FeedPosition, resumes: boolean, retiredKids: string[]): void {
    if (resumes) this.send(frame('keys', { jwks: 'changed', retired_kids: retiredKids }))
    this.#liveFrom = at.seq
    this.send(Buffer.concat([frame('live', at, eventId(at)), this.#log.lease(this)]))
  }

  /** Of a broadcast: `seen` where this client may see it, else `passed`. */
  tell(revocation: Revocation, seen: Uint8Array, passed: Uint8Array): void {
    if (this.#liveFrom !== undefined && revocation.seq > this.#liveFrom)
      this.send(this.#maySee(revocation) ? seen : passed)
  }

  /** Asked each time: a registration may change under a stream that lasts for days. */
  #maySee(revocation: Revocation): boolean {
    return visibleTo(this.#log.tenantsOf(this.client.clientId), revocation)
  }

  /** Whether what it was opened with would still open it. */
  async isValid(): Promise<boolean> {
    return this.#isValid === undefined || (await this.#isValid())
  }

  send(bytes: Uint8Array): void {
    if (!this.#open) return
    this.#controller.enqueue(bytes)
    if ((this.#controller.desiredSize ?? 0) <= 0 && this.#liveFrom !== undefined) this.cut()
  }

  end(why: EndReason): void {
    if (!this.#open) return
    this.#controller.enqueue(frame('end', { why }))
    this.#controller.close()
    this.#close()
  }

  /** A reader that has let a megabyte wait since the last beat has stopped reading. */
  beat(lease: Uint8Array): void {
    if ((this.#controller.desiredSize ?? 0) <= 0) this.cut()
    else this.send(this.#liveFrom === undefined ? WAITING : lease)
  }

  /** Too slow, or it cannot be served: nothing is lost, it resumes. */
  cut(): void {
    if (!this.#open) return
    this.#controller.close()
    this.#close()
    this.#drop?.()
  }

  #close(): void {
    if (!this.#open) return
    this.#open = false
    this.#hasRoom?.()
    this.#log.closed(this)
  }

  get #full(): boolean {
    return this.#open && (this.#controller.desiredSize ?? 0) <= 0
  }

  /** Between pages a slow reader is waited for. */
  async #room(): Promise<void> {
    while (this.#full) await new Promise<void>((done) => (this.#hasRoom = done))
  }
}
