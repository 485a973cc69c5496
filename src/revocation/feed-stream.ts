import { setImmediate as otherWork } from 'node:timers/promises'
import type { Store } from '../../db/store.ts'
import type { Revocation } from '../../db/types.ts'
import type { Client } from '../protocol/client-metadata.ts'
import type { FeedPosition } from './interface.ts'
import {
  entriesFor,
  ENTRY_SECONDS,
  eventId,
  formFor,
  frame,
  isLost,
  PAGE,
  WAITING,
  type Form,
  type Reader,
} from './feed-wire.ts'

/**
 * One guard's stream. It reads the log from the guard's last position, and goes live in the turn of
 * the event loop in which it has read all that was broadcast, so no revocation is missed. It
 * buffers at most 1 MiB for a slow reader.
 */

const MAX_WAITING_BYTES = 1 << 20

/** The parts of the feed that a stream uses. */
export interface FeedLog {
  store: Pick<Store, 'head' | 'sessionsKnownFrom' | 'wasLost'>
  /** Reads the log, and registrations that are as new. */
  after(wanted: Parameters<Store['revocationsAfter']>[0]): Promise<Revocation[]>
  /** Returns the time by which old entries are left out, epoch seconds. */
  now(): number
  /** Returns the epoch and the last `seq` that was broadcast. */
  head(): FeedPosition
  /** Returns the event that grants a lease to a live stream. */
  lease(stream: FeedStream): Uint8Array
  /** Returns the tenants whose revocations a guard of the client sees, or undefined for all. */
  tenantsOf(clientId: string, sessions: boolean): readonly string[] | undefined
  /**
   * Waits for a turn to read the log, and returns the function that ends the turn. Few reads run at
   * a time, so that other work is not delayed.
   */
  turn(clientId: string): Promise<() => void>
  /**
   * Reports that a guard enforces revocations that this log does not have: a part of the log was
   * lost.
   */
  ahead(stream: FeedStream, seq: number, head: FeedPosition): void
  closed(stream: FeedStream): void
}

type EndReason = 'client_removed' | 'credential' | 'shutdown' | 'reset' | 'unconfirmed' | 'tenants'

export class FeedStream {
  readonly client: Client
  readonly guardId: string
  /** True if its guard judges the instance's own sessions too. */
  readonly sessions: boolean
  /** Its name, by which reports and receipts know it. */
  readonly name: string
  readonly body: ReadableStream<Uint8Array>
  readonly #log: FeedLog
  readonly #drop: (() => void) | undefined
  readonly #isValid: (() => Promise<boolean>) | undefined
  #controller!: ReadableStreamDefaultController<Uint8Array>
  /**
   * The `seq` up to which everything was sent. It is set once the stream is live, and may be later
   * than the last broadcast.
   */
  #liveFrom: number | undefined
  /** The tenants whose revocations this stream sends, as `live` says. Undefined: all. */
  #tenants: readonly string[] | undefined
  #open = true
  #hasRoom: (() => void) | undefined
  /** True if the buffer was full at the last review, and nothing was read since. */
  #unread = false

  constructor(
    log: FeedLog,
    listener: {
      client: Client
      guardId: string
      sessions?: boolean | undefined
      name: string
      drop?: (() => void) | undefined
      isValid?: (() => Promise<boolean>) | undefined
      opening: Uint8Array
    },
  ) {
    this.#log = log
    this.#isValid = listener.isValid
    this.client = listener.client
    this.guardId = listener.guardId
    this.sessions = listener.sessions ?? false
    this.name = listener.name
    this.#drop = listener.drop
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
          controller.enqueue(listener.opening)
        },
        pull: () => {
          this.#unread = false
          this.#hasRoom?.()
        },
        cancel: () => this.#close(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: MAX_WAITING_BYTES }),
    )
  }

  get open(): boolean {
    return this.#open
  }

  /** True once everything up to now was sent. */
  get live(): boolean {
    return this.#liveFrom !== undefined
  }

  /**
   * Sends everything from `after` to now, then goes live.
   * @throws StoreUnavailable; the stream cannot be used after it
   */
  async catchUp(after: FeedPosition | undefined, retiredKids: string[]): Promise<void> {
    this.#tenants = this.#visibleTenants
    const resumes = after !== undefined && (await this.#mayResume(after))
    if (after !== undefined && !resumes)
      this.send(frame('reset', { epoch: this.#log.head().epoch }))
    let position = resumes ? after.seq : 0
    let pages = 0
    // Read before the entries: those that follow say themselves that their end is not known.
    const sessions = this.sessions && { complete_from: await this.#log.store.sessionsKnownFrom() }
    let leave = await this.#log.turn(this.client.clientId)
    try {
      while (this.#open) {
        const broadcast = this.#log.head()
        const rows = await this.#log.after({
          after: position,
          since: this.#log.now() - ENTRY_SECONDS,
          limit: PAGE,
          sessionsOf: sessions
            ? { clientId: this.client.clientId, now: this.#log.now() }
            : undefined,
        })
        const whole = rows.length < PAGE
        position = Math.max(rows.at(-1)?.seq ?? 0, whole ? broadcast.seq : 0, position)
        if (rows.length > 0 || (pages === 0 && !resumes))
          this.#snapshot(rows, { epoch: broadcast.epoch, seq: position, ...sessions }, retiredKids)
        pages++
        // Checks and goes live in one turn of the event loop, so no broadcast falls between.
        if (whole && position >= this.#log.head().seq)
          return this.#goLive(
            { epoch: broadcast.epoch, seq: position, ...sessions },
            resumes,
            retiredKids,
          )
        await otherWork()
        if (this.#full) {
          // While it waits for a slow reader, another stream may read the log.
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
   * Returns whether `after` is a position of this log. For a position after the last broadcast it
   * asks the store, because another process may have appended.
   */
  async #mayResume(after: FeedPosition): Promise<boolean> {
    const broadcast = this.#log.head()
    const passed = after.epoch === broadcast.epoch && after.seq <= broadcast.seq
    const head = passed ? broadcast : await this.#log.store.head()
    // The guard has seen entries that this database lost.
    if (isLost(this.#log.store, head, after)) this.#log.ahead(this, after.seq, head)
    return after.epoch === head.epoch && after.seq <= head.seq
  }

  #snapshot(rows: Revocation[], at: FeedPosition, retiredKids: string[]): void {
    const entries = entriesFor(this.#reader, rows)
    this.send(frame('snapshot', { ...at, entries, retired_kids: retiredKids }, eventId(at)))
  }

  #goLive(at: FeedPosition, resumes: boolean, retiredKids: string[]): void {
    // The entries so far were chosen by a registration that has changed.
    if (this.hasOtherTenants) return this.end('tenants')
    if (resumes) this.send(frame('keys', { jwks: 'changed', retired_kids: retiredKids }))
    this.#liveFrom = at.seq
    const live = frame('live', { ...at, tenants: this.#tenants }, eventId(at))
    this.send(Buffer.concat([live, this.#log.lease(this)]))
  }

  /** Sends a broadcast revocation. */
  sendRevocation(revocation: Revocation, frames: Record<Form, Uint8Array>): void {
    if (this.#liveFrom === undefined || revocation.seq <= this.#liveFrom) return
    this.send(frames[formFor(this.#reader, revocation)])
  }

  /**
   * The guard, with the tenants that `live` says and those of the registration as it is now, which
   * may have changed since.
   */
  get #reader(): Reader {
    const { client, sessions } = this
    const [listed, now] = [this.#tenants, this.#visibleTenants]
    const tenants = listed && now && [...listed, ...now]
    return { clientId: client.clientId, sessions, tenants }
  }

  get #visibleTenants(): readonly string[] | undefined {
    return this.#log.tenantsOf(this.client.clientId, this.sessions)
  }

  /**
   * True if the client may see the revocations of other tenants than this stream sends. No lease may
   * follow then: the guard has to connect again to learn of them.
   */
  get hasOtherTenants(): boolean {
    return this.#visibleTenants?.join() !== this.#tenants?.join()
  }

  /** Returns whether the credential that opened the stream is still valid. */
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

  /** Sends the heartbeat, unless what the stream has to catch up with still waits to be read. */
  beat(lease: Uint8Array): void {
    if (!this.#full) this.send(this.#liveFrom === undefined ? WAITING : lease)
  }

  /** Cuts a reader that has read nothing of a full buffer since the last review. */
  review(): void {
    if (this.#unread) this.cut()
    else this.#unread = this.#full
  }

  /**
   * Closes the stream and its connection. The guard reconnects and resumes, so no revocation is
   * lost.
   */
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

  /** Waits until a slow reader has room for another page. */
  async #room(): Promise<void> {
    while (this.#full) await new Promise<void>((done) => (this.#hasRoom = done))
  }
}
