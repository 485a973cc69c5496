import type { Sources } from '../engine/act.ts'
import { wentBack, writeHighWater, type HighWater } from '../high-water.ts'
import { StoreUnavailable, type Committed } from '../types.ts'
import { isSame, type Connections, type Server } from './connections.ts'
import { mustBeAdopted, wasLost, type Entry } from './lineage.ts'
import { takeOver, type TakeOverOutcome } from './take-over.ts'
import { committed } from './transact.ts'

/**
 * Follows the log to the server that is the primary now. After a failover it waits until no other
 * broker can hold a lease of the former server, and then continues the log. It records how far the
 * log had come, also in a file beside this broker's data.
 */

export interface FollowerOptions {
  sources: Sources
  connections: Connections
  /**
   * A monotonic clock. If it does not count the time in which the machine was suspended, the
   * follower waits longer than needed, never shorter.
   */
  steadyMs(): number
  /** How long another broker's lease may still be valid. */
  leaseMs: number
  /**
   * The path of the mark's file without its suffix; undefined: the mark lives only in this process.
   */
  mark: string | undefined
  /** Called when the log was continued, or a new log began, on another server. */
  moved(taken: TakeOverOutcome, revoked: readonly Committed[]): void
}

interface Known {
  server: Server
  entries: Entry[]
  reached: HighWater
}

/** The shortest time between two writes of the file. */
const MARK_MS = 1_000

export class LogFollower {
  readonly #options: FollowerOptions
  #known: Known
  #met: { server: Server; atMs: number; behind: boolean } | undefined
  #marked: HighWater & { atMs: number } = { epoch: '', seq: -1, atMs: -Infinity }

  constructor(options: FollowerOptions, known: Known) {
    this.#options = options
    this.#known = known
    options.connections.accept(known.server)
    this.#mark()
  }

  /** Records how far the log has come, which a renewal of the lease has read. */
  reached(at: HighWater): void {
    const before = this.#known.reached
    const isNew =
      at.epoch !== before.epoch ||
      at.seq > before.seq ||
      (at.seq === before.seq && typeof before.hash !== 'string')
    if (isNew) this.#known.reached = at
    if (this.#options.steadyMs() - this.#marked.atMs >= MARK_MS) this.#mark()
  }

  /**
   * Records entries that an act of this broker has committed.
   * @param before the furthest known point when the act began
   * @throws StoreUnavailable where the log had come further before: it went back meanwhile
   */
  appended(entries: readonly Committed[], before: HighWater): void {
    if (entries.some(({ revocation }) => revocation.seq <= before.seq)) {
      this.#meet(this.#known.server, true)
      throw new StoreUnavailable(WENT_BACK)
    }
    const { epoch } = this.#known.reached
    for (const { revocation, hash } of entries) this.reached({ epoch, seq: revocation.seq, hash })
  }

  /**
   * Returns true if a server that failed had issued this number, and its successor does not have
   * it.
   */
  wasLost(seq: number): boolean {
    return wasLost(this.#known.entries, { epoch: this.#known.reached.epoch, seq })
  }

  /** The furthest known point of the log. */
  get position(): HighWater {
    return this.#known.reached
  }

  /**
   * Decides whether the log may be served from a server, and takes it over where it has to.
   * @param found the server, its head of the log, and the hash of its chain at `before`
   * @param before the furthest known point when the server was asked
   * @returns whether the log is taken over on this server
   */
  async follows(
    found: Server & HighWater & { hashAt: string | null },
    before: HighWater,
  ): Promise<boolean> {
    const { systemIdentifier, timeline } = found
    const server = { systemIdentifier, timeline }
    const { connections, steadyMs, leaseMs } = this.#options
    const same = isSame(server, this.#known.server)
    // A restored copy of the server's volume has the same identifier and timeline. It counts as
    // behind until it is taken over, whatever is appended meanwhile.
    const behind = same && (this.#met?.behind === true || wentBack(found, before, found.hashAt))
    if (same && !behind) {
      this.#met = undefined
      return true
    }
    const met =
      this.#met !== undefined && isSame(server, this.#met.server)
        ? this.#met
        : this.#meet(server, behind)
    if (
      server.systemIdentifier === this.#known.server.systemIdentifier &&
      server.timeline < this.#known.server.timeline
    ) {
      connections.problem = FORMER
      connections.passOver(connections.address)
      return false
    }
    return steadyMs() - met.atMs >= leaseMs && (await this.#takeOver(server, behind))
  }

  /** Notes a server that has to be taken over. One that is behind is no longer used until then. */
  #meet(server: Server, behind: boolean) {
    const { connections, steadyMs } = this.#options
    if (behind) connections.reject()
    else connections.drop()
    return (this.#met = { server, atMs: steadyMs(), behind })
  }

  async #takeOver(server: Server, behind: boolean): Promise<boolean> {
    const { connections, moved, sources } = this.#options
    const { reached } = this.#known
    const latest = { connect: () => connections.connectAny() }
    const done = await committed(latest, (client) =>
      takeOver({ client, sources, server, reached, behind }),
    )
    connections.problem = done.taken === 'foreign' ? mustBeAdopted : undefined
    if (done.taken === 'foreign' || done.taken === 'another') return false
    const [last] = done.entries
    this.#known = {
      server,
      entries: done.entries,
      reached: { epoch: last?.epoch ?? reached.epoch, seq: last?.fromSeq ?? reached.seq },
    }
    this.#met = undefined
    connections.accept(server)
    this.#mark()
    moved(done.taken, done.revoked)
    return true
  }

  close(): void {
    this.#mark()
  }

  #mark(): void {
    const { mark, steadyMs } = this.#options
    const { epoch, seq, hash } = this.#known.reached
    const marked = this.#marked
    const isMarked = epoch === marked.epoch && seq === marked.seq && hash === marked.hash
    if (mark === undefined || isMarked) return
    try {
      writeHighWater(mark, { epoch, seq, hash })
      this.#marked = { epoch, seq, hash, atMs: steadyMs() }
    } catch {
      // The disk may be full. The mark is written with the next number.
    }
  }
}

const WENT_BACK =
  'The database went back to an earlier state of its log. Nothing is answered from it until a new log has begun.'

const FORMER =
  'BROKER_DATABASE_URL leads to the former primary: another server has taken its place. Stop the former one, and name the primary that serves now.'
