import type { Clock } from './clock.ts'
import type { StreamEvent } from './event-stream.ts'
import type { Hooks } from './hooks.ts'
import type { KeySet } from './keys.ts'
import type { Anchor, Lease } from './lease.ts'
import type { Ledger } from './ledger.ts'
import { isSeq, readEntry, type Entry } from './selector.ts'

/**
 * It resumes from a little before what it has applied. Telling an entry twice costs nothing; one
 * that overtook another just before the connection broke would else be missed for good.
 */
const OVERLAP = 64
/** A token of a former log cannot live longer. */
const LONGEST_TOKEN_SECONDS = 3600

interface FeedParts {
  clock: Clock
  hooks: Hooks
  keys: KeySet
  lease: Lease
  ledger: Ledger
  /**
   * Enforces a revocation, and tells listeners of it where asked to; false where it says nothing
   * new.
   */
  enforce: (entry: Entry, tell: boolean) => boolean
  /** Everything up to `seq` is enforced. */
  onEnforced: (epoch: string, seq: number) => void
  /** Epoch seconds, by the broker's clock where it is known: compared with what it issued. */
  now: () => number
  /** The first time, and after each reset: everything up to now is known. */
  onLive: () => void
  /** A lease is held that was not. */
  onLease: () => void
  /** A new anchor is due. */
  onAnchorDue: () => void
}

/**
 * What the feed has said so far, and what each of its events means (docs/feed.md). Knows nothing of
 * connections.
 */
export class FeedReader {
  epoch: string | undefined
  enforcedSeq = 0
  /** Not before the first snapshot is whole, and not between a reset and the next `live`. */
  ready = false
  readonly counters = { events: 0, duplicates: 0, resets: 0 }
  readonly #parts: FeedParts
  #liveAtMs: number | undefined
  /** When the request of this connection was sent. */
  #sentMs: number | undefined
  /** The clock of the process that this connection reached. */
  #clock: string | undefined
  /** Ask for everything, whatever is known. */
  #fromNothing = true
  #turned = false
  /**
   * Ask from exactly what is enforced, so that a broker whose log has not reached it says `reset`.
   */
  #exactly = false
  #wasLive = false

  constructor(parts: FeedParts) {
    this.#parts = parts
  }

  /** For the `Last-Event-ID` of the next connection. */
  get resumeFrom(): string | undefined {
    const { position } = this
    return position && `${position.epoch}.${position.seq}`
  }

  /** From where to read on; undefined: everything. */
  get position(): { epoch: string; seq: number } | undefined {
    if (this.#fromNothing || this.epoch === undefined) return undefined
    return {
      epoch: this.epoch,
      seq: this.#exactly ? this.enforcedSeq : Math.max(0, this.enforcedSeq - OVERLAP),
    }
  }

  /** This connection has brought everything up to now. */
  get live(): boolean {
    return this.#liveAtMs !== undefined
  }

  /** The request of the next connection is sent now. */
  opens(): void {
    this.#sentMs = this.#parts.clock.elapsedMs()
    this.#clock = undefined
  }

  /** @returns whether it is one of the clock of this connection */
  anchor(anchor: Anchor): boolean {
    if (anchor.clock !== this.#clock) return false
    this.#parts.lease.anchor(anchor)
    return true
  }

  /** The connection has ended. @returns for how long it was up to date */
  ended(): number {
    const liveForMs =
      this.#liveAtMs === undefined ? 0 : this.#parts.clock.monotonicMs() - this.#liveAtMs
    this.#liveAtMs = undefined
    return liveForMs
  }

  /** What is known cannot be trusted: the next connection asks for everything. */
  startOver(): void {
    this.ready = false
    this.#fromNothing = true
  }

  /**
   * Whether the broker's log is still the one that is known is in doubt: the next connection asks,
   * and nothing is accepted until then.
   */
  resumeExactly(): void {
    this.ready = false
    this.#exactly = true
    this.#fromNothing = false
  }

  /** @returns why the stream should end, if it should */
  take(event: StreamEvent): string | undefined {
    this.counters.events++
    return this.apply(event.event, parse(event.data), event.id)
  }

  /** As `take`, of an event whose data were read. */
  apply(
    name: string,
    data: Record<string, unknown> | undefined,
    id: string | undefined,
  ): string | undefined {
    switch (name) {
      case 'anchor':
        return this.#anchored(data)
      case 'lease':
        return this.#granted(data)
      case 'reset':
        this.#reset(data)
        return undefined
      case 'snapshot':
        return this.#snapshot(data)
      case 'revocation':
        return this.#revocation(data, id)
      case 'head':
        return isSeq(data?.seq) ? this.#reached(data.seq, id) : this.#nonsense(name)
      case 'live':
        return this.#becomeLive(data)
      case 'keys':
        this.#keysChanged(data)
        return undefined
      case 'end':
        return `the broker ended it: ${String(data?.why)}`
      default:
        // A later broker may say more than this guard understands.
        return undefined
    }
  }

  #anchored(data: Record<string, unknown> | undefined): string | undefined {
    const { clock, at_ms: brokerMs } = data ?? {}
    if (typeof clock !== 'string' || typeof brokerMs !== 'number') return this.#nonsense('anchor')
    const sentMs = this.#sentMs
    this.#clock = clock
    if (sentMs !== undefined)
      this.anchor({ clock, brokerMs, sentMs, receivedMs: this.#parts.clock.elapsedMs() })
    return undefined
  }

  /** Before `live`, nothing is granted. */
  #granted(data: Record<string, unknown> | undefined): string | undefined {
    const { lease, onAnchorDue, onEnforced, onLease } = this.#parts
    const { clock, known_ms: knownMs, seconds, seq } = data ?? {}
    if (
      typeof clock !== 'string' ||
      typeof knownMs !== 'number' ||
      typeof seconds !== 'number' ||
      !isSeq(seq)
    )
      return this.#nonsense('lease')
    if (this.#liveAtMs === undefined) return undefined
    const foreign = this.#reached(seq, undefined)
    if (foreign !== undefined) return foreign
    const wasHeld = lease.held
    if (lease.grant({ clock, knownMs, seconds })) onAnchorDue()
    if (wasHeld || !lease.held) return undefined
    onLease()
    if (lease.ranOut > 0 && this.epoch !== undefined) onEnforced(this.epoch, this.enforcedSeq)
    return undefined
  }

  #reset(data: Record<string, unknown> | undefined): void {
    const { hooks, keys, lease, ledger } = this.#parts
    this.counters.resets++
    lease.end()
    this.ready = false
    this.#liveAtMs = undefined
    this.#fromNothing = true
    this.#exactly = false
    this.#turned ||= this.epoch !== undefined
    this.epoch = typeof data?.epoch === 'string' ? data.epoch : undefined
    this.enforcedSeq = 0
    ledger.clear()
    // A restored broker signs by other keys. What cannot be read now is read when a token asks for
    // it.
    keys.refresh().catch(() => {})
    hooks.reset(this.epoch ?? '')
  }

  #snapshot(data: Record<string, unknown> | undefined): string | undefined {
    if (typeof data?.epoch !== 'string' || !isSeq(data.seq) || !Array.isArray(data.entries))
      return this.#nonsense('snapshot')
    if (this.epoch !== undefined && this.epoch !== data.epoch) this.#reset(data)
    this.epoch = data.epoch
    for (const value of data.entries as unknown[]) {
      const entry = readEntry(value)
      if (entry === undefined) return this.#nonsense('snapshot')
      this.#apply(entry)
    }
    this.#keysRetired(data.retired_kids)
    this.enforcedSeq = Math.max(this.enforcedSeq, data.seq)
    return undefined
  }

  #revocation(
    data: Record<string, unknown> | undefined,
    id: string | undefined,
  ): string | undefined {
    const entry = readEntry(data)
    if (entry === undefined) return this.#nonsense('revocation')
    const foreign = this.#foreign(id)
    if (foreign !== undefined) return foreign
    this.#apply(entry)
    return this.#reached(entry.seq, id)
  }

  #apply(entry: Entry): void {
    // What the first snapshot holds happened before this process could hold anything that it ends.
    if (!this.#parts.enforce(entry, this.#wasLive)) this.counters.duplicates++
  }

  #reached(seq: number, id: string | undefined): string | undefined {
    const foreign = this.#foreign(id)
    if (foreign !== undefined) return foreign
    if (seq <= this.enforcedSeq) return undefined
    this.enforcedSeq = seq
    if (this.#liveAtMs !== undefined && this.epoch !== undefined)
      this.#parts.onEnforced(this.epoch, seq)
    return undefined
  }

  /**
   * An id of another log than the one that is followed, without a reset before it: nothing here can
   * be trusted.
   */
  #foreign(id: string | undefined): string | undefined {
    if (
      this.epoch !== undefined &&
      (id === undefined || id.slice(0, id.lastIndexOf('.')) === this.epoch)
    )
      return undefined
    this.startOver()
    return 'it spoke of another log'
  }

  #becomeLive(data: Record<string, unknown> | undefined): string | undefined {
    const { clock, hooks, ledger, now: readNow, onEnforced, onLive } = this.#parts
    if (typeof data?.epoch !== 'string' || !isSeq(data.seq)) return this.#nonsense('live')
    if (data.epoch !== this.epoch) {
      this.startOver()
      return 'it spoke of another log'
    }
    // A database that was restored to an earlier state: tokens of the lost part would stay valid.
    if (data.seq < this.enforcedSeq) {
      this.resumeExactly()
      return `its log ends at ${data.seq}, before ${this.enforcedSeq}, which is enforced here`
    }
    const now = readNow()
    if (this.#turned) ledger.turned(data.seq, now, now + LONGEST_TOKEN_SECONDS)
    if (this.#fromNothing) ledger.refilled()
    this.#turned = false
    this.#fromNothing = false
    this.#exactly = false
    this.#wasLive = true
    this.enforcedSeq = data.seq
    this.#liveAtMs = clock.monotonicMs()
    this.ready = true
    onLive()
    onEnforced(this.epoch, this.enforcedSeq)
    hooks.live({ epoch: this.epoch, seq: this.enforcedSeq })
    return undefined
  }

  #keysChanged(data: Record<string, unknown> | undefined): void {
    this.#keysRetired(data?.retired_kids)
    // What cannot be read now is read when a token asks for it.
    this.#parts.keys.refresh().catch(() => {})
  }

  #keysRetired(kids: unknown): void {
    if (Array.isArray(kids))
      this.#parts.keys.retire(kids.filter((kid): kid is string => typeof kid === 'string'))
  }

  /** Half understood is not understood: everything is asked for again. */
  #nonsense(name: string): string {
    this.#parts.hooks.problem(new Error(`The feed sent a ${name} that cannot be read.`))
    this.startOver()
    return 'it could not be read'
  }
}

function parse(data: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(data)
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
