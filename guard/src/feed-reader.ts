import type { Clock } from './clock.ts'
import type { StreamEvent } from './event-stream.ts'
import type { Hooks } from './hooks.ts'
import type { KeySet } from './keys.ts'
import type { Anchor, Lease } from './lease.ts'
import type { Ledger } from './ledger.ts'
import { isSeq, isText, readEntry, type Entry } from './selector.ts'

/**
 * The number of entries that a new connection reads again. An entry that overtook another one just
 * before the connection broke would otherwise be missed. Reading an entry twice costs nothing.
 */
const OVERLAP = 64

/** The longest lease that a client can be registered with. */
const MOST_LEASE_SECONDS = 60
/** How long a stream is named in reports after its last lease: longer than that lease may run. */
const NAMED_MS = 120_000
/** The most streams that a report may name. */
const MOST_NAMED = 20

interface FeedParts {
  clock: Clock
  hooks: Hooks
  keys: KeySet
  lease: Lease
  ledger: Ledger
  /**
   * Enforces a revocation, and passes it to the listeners if `tell` is set. Returns false if it was
   * already enforced.
   */
  enforce: (entry: Entry, tell: boolean) => boolean
  /** Informs the guard that everything up to `seq` is enforced. */
  onEnforced: (epoch: string, seq: number) => void
  /**
   * Epoch seconds by the broker's clock if it is known, for comparison with the times in tokens.
   */
  now: () => number
  /** Called when everything up to now is known: the first time, and after each reset. */
  onLive: () => void
  /** Called after each grant of the lease. */
  onGrant: () => void
  /** Called when the guard gets a lease and held none. */
  onLease: () => void
  /** Called when another log begins. */
  onReset: () => void
  /** Called when a new anchor is due. */
  onAnchorDue: () => void
}

/**
 * The state of the feed: what each of its events means (docs/feed.md), and how far the guard is. It
 * does not know how events arrive.
 */
export class FeedReader {
  epoch: string | undefined
  enforcedSeq = 0
  /** False until the first snapshot is complete, and between a reset and the next `live`. */
  ready = false
  /** True if this process judges the instance's own sessions, so that it needs their entries. */
  sessions = false
  readonly counters = { events: 0, duplicates: 0, resets: 0 }
  /**
   * Increases whenever the next connection must ask in another way. An answer to a request from
   * before does not count.
   */
  generation = 0
  readonly #parts: FeedParts
  #liveAtMs: number | undefined
  /** The time at which the request of this connection was sent. */
  #sentMs: number | undefined
  /** The random value that the anchor of this connection must repeat. */
  #nonce: string | undefined
  /** The name of the clock of the process that this connection reached. */
  #clock: string | undefined
  /** True if the next connection must ask for everything. */
  #fromNothing = true
  /** The name of this connection's stream, or of the poller. */
  stream: string | undefined
  /**
   * When each stream, by its name, last gave this guard a lease. The latest is last, so that the
   * oldest can be dropped first.
   */
  readonly #streams = new Map<string, number>()
  #turned = false
  /**
   * True if the next connection must ask from exactly the enforced `seq`. A broker whose log has
   * not reached it then answers with `reset`.
   */
  #exactly = false
  #wasLive = false

  constructor(parts: FeedParts) {
    this.#parts = parts
  }

  /** The `Last-Event-ID` of the next connection. */
  get resumeFrom(): string | undefined {
    const { position } = this
    return position && `${position.epoch}.${position.seq}`
  }

  /** The position from which to read on. Undefined: read everything. */
  get position(): { epoch: string; seq: number } | undefined {
    if (this.#fromNothing || this.epoch === undefined) return undefined
    return {
      epoch: this.epoch,
      seq: this.#exactly ? this.enforcedSeq : Math.max(0, this.enforcedSeq - OVERLAP),
    }
  }

  /** True once this connection has brought everything up to now. */
  get live(): boolean {
    return this.#liveAtMs !== undefined
  }

  /** The streams and pollers whose leases this process may hold. */
  get streams(): string[] {
    const nowMs = this.#parts.clock.elapsedMs()
    for (const [name, atMs] of this.#streams)
      if (atMs < nowMs - NAMED_MS) this.#streams.delete(name)
    return [...this.#streams.keys()].slice(-MOST_NAMED)
  }

  /**
   * Notes that the request of the next connection is sent now. An anchor that does not repeat
   * `nonce` is the answer to another request.
   */
  opens(nonce?: string): void {
    this.#sentMs = this.#parts.clock.elapsedMs()
    this.#nonce = nonce
    this.#clock = undefined
  }

  /** Takes an anchor. Returns false if it belongs to another clock than this connection's. */
  anchor(anchor: Anchor): boolean {
    if (anchor.clock !== this.#clock) return false
    this.#parts.lease.anchor(anchor)
    return true
  }

  /** Ends the connection. Returns for how many milliseconds it was up to date. */
  ended(): number {
    const liveForMs =
      this.#liveAtMs === undefined ? 0 : this.#parts.clock.monotonicMs() - this.#liveAtMs
    this.#liveAtMs = undefined
    return liveForMs
  }

  /** Makes the next connection ask for everything, because what is known cannot be trusted. */
  startOver(): void {
    this.ready = false
    this.#readEverything()
  }

  /** Makes the next connection ask for what concerns sessions too. Tokens stay valid meanwhile. */
  judgeSessions(): void {
    this.sessions = true
    this.#readEverything()
  }

  #readEverything(): void {
    this.#parts.ledger.refill()
    this.generation++
    this.#fromNothing = true
  }

  /**
   * Rejects tokens until the next connection has shown whether the broker's log is still the same.
   * If that connection must ask for everything, it still does.
   */
  resumeExactly(): void {
    this.ready = false
    this.generation++
    this.#exactly = true
  }

  /** Returns whether everything up to this position is enforced here. */
  enforces({ epoch, seq }: { epoch: string; seq: number }): boolean {
    return epoch === this.epoch && seq <= this.enforcedSeq
  }

  /** Processes an event of the stream. Returns why the stream must end, or undefined. */
  take(event: StreamEvent): string | undefined {
    this.counters.events++
    return this.apply(event.event, parse(event.data), event.id)
  }

  /** Processes an event whose data are parsed. Returns the same as `take`. */
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
        if (!isText(data?.epoch)) return this.#nonsense(name)
        this.#reset(data.epoch)
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
        return this.#keysChanged(data)
      case 'end':
        return `the broker ended it: ${String(data?.why)}`
      default:
        // A newer broker may send events that this guard does not know.
        return undefined
    }
  }

  #anchored(data: Record<string, unknown> | undefined): string | undefined {
    const { clock, at_ms: brokerMs, nonce, stream } = data ?? {}
    const isRead =
      typeof clock === 'string' &&
      typeof brokerMs === 'number' &&
      (stream === undefined || typeof stream === 'string')
    if (!isRead) return this.#nonsense('anchor')
    this.stream = stream
    this.#noteStream()
    const sentMs = this.#sentMs
    this.#clock = clock
    // Without it the next lease extends none, and the guard asks for an anchor by itself.
    if (sentMs !== undefined && nonce === this.#nonce)
      this.anchor({ clock, brokerMs, sentMs, receivedMs: this.#parts.clock.elapsedMs() })
    return undefined
  }

  #noteStream(): void {
    if (this.stream === undefined) return
    this.#streams.delete(this.stream)
    this.#streams.set(this.stream, this.#parts.clock.elapsedMs())
  }

  /** Takes a grant of the lease. Ignores it before `live`. */
  #granted(data: Record<string, unknown> | undefined): string | undefined {
    const { lease, onAnchorDue, onEnforced, onGrant, onLease } = this.#parts
    const { clock, known_ms: knownMs, seconds, seq } = data ?? {}
    if (
      typeof clock !== 'string' ||
      typeof knownMs !== 'number' ||
      typeof seconds !== 'number' ||
      !(seconds >= 1 && seconds <= MOST_LEASE_SECONDS) ||
      !isSeq(seq)
    )
      return this.#nonsense('lease')
    if (this.#liveAtMs === undefined) return undefined
    const foreign = this.#reached(seq, undefined)
    if (foreign !== undefined) return foreign
    this.#noteStream()
    const wasHeld = lease.held
    if (lease.grant({ clock, knownMs, seconds })) onAnchorDue()
    const regained = !wasHeld && lease.held
    if (regained) onLease()
    if (regained && lease.ranOut > 0 && this.epoch !== undefined)
      onEnforced(this.epoch, this.enforcedSeq)
    onGrant()
    return undefined
  }

  #reset(epoch: string): void {
    const { hooks, keys, lease, ledger, onReset } = this.#parts
    this.counters.resets++
    lease.end()
    this.ready = false
    this.#liveAtMs = undefined
    this.#fromNothing = true
    this.#exactly = false
    this.#turned ||= this.epoch !== undefined
    this.epoch = epoch
    this.enforcedSeq = 0
    ledger.clear()
    onReset()
    // A restored broker signs with other keys. If they cannot be read now, the next token causes
    // another attempt.
    keys.refresh().catch(() => {})
    hooks.reset(epoch)
  }

  #snapshot(data: Record<string, unknown> | undefined): string | undefined {
    if (typeof data?.epoch !== 'string' || !isSeq(data.seq) || !Array.isArray(data.entries))
      return this.#nonsense('snapshot')
    if (this.epoch !== undefined && this.epoch !== data.epoch) this.#reset(data.epoch)
    this.epoch = data.epoch
    for (const value of data.entries as unknown[]) {
      const entry = readEntry(value)
      if (entry === undefined) return this.#nonsense('snapshot')
      this.#apply(entry)
    }
    if (!this.#keysRetired(data.retired_kids)) return this.#nonsense('snapshot')
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
    // Listeners do not get the first snapshot, because its revocations are older than everything
    // that this process has accepted.
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
   * Returns an error if the id belongs to another log without a reset before it. The guard then
   * asks for everything, because nothing that it knows can be trusted.
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
    // The database was restored to an earlier state. Tokens of the lost part would stay valid.
    if (data.seq < this.enforcedSeq) {
      this.#fromNothing = false
      this.resumeExactly()
      return `its log ends at ${data.seq}, before ${this.enforcedSeq}, which is enforced here`
    }
    const { complete_from: completeFrom } = data
    const tenants = readTenants(data)
    if (tenants === 'unreadable' || !(completeFrom === undefined || isSeq(completeFrom)))
      return this.#nonsense('live')
    if (!this.#fromNothing && !ledger.bringsAll(tenants)) {
      this.startOver()
      return 'it brings revocations of tenants whose earlier ones are not known here'
    }
    ledger.follow(tenants)
    if (this.#turned) ledger.turned(data.seq, readNow())
    if (this.#fromNothing) ledger.refilled()
    this.#turned = false
    this.#fromNothing = !this.#complete(completeFrom)
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

  /**
   * Notes from which `seq` on the entries tell every end of a session. Returns false if the broker
   * does not say it: the next connection then asks for everything.
   */
  #complete(from: number | undefined): boolean {
    if (!this.sessions) return true
    const { hooks, ledger } = this.#parts
    const isKnown = from !== undefined
    const before = this.#fromNothing ? 0 : (ledger.completeFrom ?? 0)
    ledger.completeFrom = isKnown ? Math.max(before, from) : Infinity
    if (!isKnown)
      hooks.problem(
        new Error(
          'The broker does not say which ends of sessions its feed brings, so it is asked about each session. Upgrade it.',
        ),
      )
    return isKnown
  }

  #keysChanged(data: Record<string, unknown> | undefined): string | undefined {
    // If the keys cannot be read now, the next token causes another attempt.
    this.#parts.keys.refresh().catch(() => {})
    return data !== undefined && this.#keysRetired(data.retired_kids)
      ? undefined
      : this.#nonsense('keys')
  }

  /** Rejects retired keys from now on. Returns false if their ids cannot be read. */
  #keysRetired(kids: unknown = []): boolean {
    if (!Array.isArray(kids) || !kids.every(isText)) return false
    this.#parts.keys.retire(kids)
    return true
  }

  /** Reports an event that cannot be read, and asks for everything again. */
  #nonsense(name: string): string {
    this.#parts.hooks.problem(new Error(`The feed sent a ${name} that cannot be read.`))
    this.startOver()
    return 'it could not be read'
  }
}

/** Returns the tenants whose revocations the broker sends. Undefined: all. */
function readTenants({
  tenants,
}: Record<string, unknown>): readonly string[] | undefined | 'unreadable' {
  if (tenants === undefined) return undefined
  return Array.isArray(tenants) && tenants.every(isText) ? tenants : 'unreadable'
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
