import type { Deps } from './deps.ts'
import { Broadcaster } from './broadcaster.ts'
import { GuardLeases } from './guard-leases.ts'
import type { Feed, FeedPosition } from './interface.ts'
import { FeedStream, type FeedLog } from './feed-stream.ts'
import { ANY_GUARD, entriesAfter, frame, noteLost, opening, tenantsOf } from './feed-wire.ts'
import { StoreUnavailable, type Revocation } from '../../db/types.ts'
import { OAuthError } from '../protocol/error.ts'
import { FairLimiter } from '../runtime/concurrency.ts'

/**
 * The feed: the log of revocations in the order of `seq` and without gaps. It owns the open streams
 * and what was broadcast. What was not announced in this process it reads from the store.
 */

type FeedDeps = Pick<
  Deps,
  | 'config'
  | 'store'
  | 'clients'
  | 'metrics'
  | 'log'
  | 'clock'
  | 'clockWatch'
  | 'rateLimits'
  | 'random'
> & {
  /** Resolves once all registry changes of other brokers have been read. */
  followed: { read(): Promise<void> | undefined }
}

/** Milliseconds between two checks of each stream's registration and credential. */
const REVIEW_MS = 15_000
/**
 * The timer of leases. A stream gets a lease every quarter of its length (as many ticks as
 * seconds), and at least every eighth tick.
 */
const TICK_MS = 250
const MOST_TICKS = 8
/** Lease length for a client that is no longer registered, until its stream is closed. */
const LEAST_SECONDS = 1
/** `Retry-After` for a guard that is rejected because all streams are in use. */
const NO_PLACE_SECONDS = 10
/**
 * Concurrent reads of the log, per client and in total. The rest queue: after a restart all guards
 * connect at once.
 */
const SNAPSHOTS_OF_ONE = 2
const SNAPSHOTS = 4
/** How long acknowledgments are collected before they are written. */
const TOGETHER_MS = 50
/** Number of revocations whose publication time is kept, for the histograms. */
const REMEMBERED = 20_000

export class FeedOfThisProcess implements Feed {
  readonly #deps: FeedDeps
  readonly clock: string
  readonly leases: GuardLeases
  readonly #reviewMs: number
  readonly #streams = new Set<FeedStream>()
  readonly #listeners = new Set<(revocation: Revocation) => void>()
  readonly #published = new Map<number, { atMs?: number; steadyMs: number }>()
  /** Revocations whose acknowledgment is not yet written. */
  #acknowledged: { seq: number; atMs: number }[] = []
  /** Each client's length of leases, the one before it, and when this process saw the change. */
  readonly #lengths = new Map<string, { seconds: number; former: number; sinceMs: number }>()
  readonly #broadcaster: Broadcaster
  readonly #snapshots = new FairLimiter(SNAPSHOTS_OF_ONE, SNAPSHOTS)
  readonly #ofClient = new Map<string, number>()
  readonly #log: FeedLog
  /** Everything that the log had at `knownMs` was broadcast. */
  #known = { seq: 0, knownMs: 0 }
  #tick = 0
  #timers: NodeJS.Timeout[] = []
  #closed = false

  constructor(deps: FeedDeps, reviewMs = REVIEW_MS) {
    this.#deps = deps
    this.clock = deps.random(12).toString('base64url')
    this.leases = new GuardLeases(deps)
    this.#reviewMs = reviewMs
    this.#broadcaster = new Broadcaster(deps, this.#streams)
    this.#log = {
      store: deps.store,
      now: () => deps.clockWatch.certainNow(),
      head: () => this.#broadcaster.head(),
      lease: ({ client }) => this.#lease(this.lengthOf(client.clientId, this.#known.knownMs)),
      after: (wanted) => entriesAfter(deps, wanted),
      tenantsOf: (clientId, sessions) => tenantsOf(deps, clientId, sessions),
      turn: (clientId) => this.turn(clientId),
      ahead: (stream, seq, head) =>
        noteLost(deps, {
          clientId: stream.client.clientId,
          guardId: stream.guardId,
          seq,
          head: head.seq,
        }),
      closed: (stream) => this.#forget(stream),
    }
  }

  publish(revocation: Revocation, registryVersion: number): void {
    const { clock } = this.#deps
    const { seq } = revocation
    // A clock that is behind the entry is wrong.
    const atMs = Math.max(clock.nowMs(), revocation.at * 1000)
    this.#remember(seq, { atMs, steadyMs: clock.steadyMs() })
    if (this.#acknowledged.push({ seq, atMs }) === 1)
      setTimeout(() => void this.#acknowledge(), TOGETHER_MS)
    this.#broadcaster.publish({ ...revocation, registryVersion })
    for (const listener of [...this.#listeners]) listener(revocation)
  }

  publishKeys(retiredKids: string[]): void {
    const bytes = frame('keys', { jwks: 'changed', retired_kids: retiredKids })
    for (const stream of [...this.#streams]) stream.send(bytes)
  }

  lookAgain(): void {
    void this.#broadcaster.watch()
  }

  interrupt(): void {
    for (const stream of [...this.#streams]) stream.end('unconfirmed')
  }

  subscribe(listener: (revocation: Revocation) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  publishedAtMs(seq: number): number | undefined {
    return this.#published.get(seq)?.atMs
  }

  knownForMs(seq: number): number {
    const nowMs = this.#deps.clock.steadyMs()
    const known = this.#published.get(seq) ?? this.#remember(seq, { steadyMs: nowMs })
    return nowMs - known.steadyMs
  }

  turn(clientId: string): Promise<() => void> {
    return this.#snapshots.take(clientId)
  }

  open({
    after,
    nonce,
    retiredKids,
    ...listener
  }: Parameters<Feed['open']>[0]): ReadableStream<Uint8Array> {
    if (this.#closed)
      throw new OAuthError(
        'temporarily_unavailable',
        'The broker is restarting. Connect again in a moment.',
        { headers: { 'Retry-After': '1' } },
      )
    const { clientId } = listener.client
    this.#makeRoom(clientId, listener.guardId)
    const atMs = this.#deps.clock.elapsedMs()
    // A length that changes from here on was noted before.
    this.lengthOf(clientId, atMs)
    const name = this.leases.name('stream', clientId)
    const stream = new FeedStream(this.#log, {
      ...listener,
      name,
      opening: opening({ clock: this.clock, at_ms: atMs, stream: name, nonce }),
    })
    this.#streams.add(stream)
    this.#ofClient.set(clientId, this.#openOf(clientId) + 1)
    this.#deps.metrics.guards.inc({ client: clientId })
    this.#startTimers()
    this.#serve(stream, { after, retiredKids }).catch((error: unknown) => {
      this.#deps.log.warn('feed_stream_failed', { client_id: clientId, cause: String(error) })
      stream.cut()
    })
    return stream.body
  }

  streams(): ReturnType<Feed['streams']> {
    return [...this.#streams].map(({ client: { clientId }, guardId }) => ({ clientId, guardId }))
  }

  close(): void {
    this.#closed = true
    for (const stream of [...this.#streams]) stream.end('shutdown')
    this.#stopTimers()
  }

  async known(notBeforeMs: number): Promise<FeedPosition & { knownMs: number }> {
    const known = await this.#deps.store.knownHead(notBeforeMs)
    await this.#deps.followed.read()
    return known
  }

  async #serve(
    stream: FeedStream,
    from: { after: FeedPosition | undefined; retiredKids: string[] },
  ): Promise<void> {
    const { client, guardId, name, sessions } = stream
    await this.leases.open({ stream: name, clientId: client.clientId, guardId, sessions })
    // The first lease counts from a head that was read after the row was written.
    await this.#reachKnown(this.#deps.clock.elapsedMs())
    await stream.catchUp(from.after, from.retiredKids)
  }

  /** Broadcasts everything that the log had at this time or later. @throws StoreUnavailable */
  async #reachKnown(notBeforeMs: number): Promise<void> {
    const known = await this.known(notBeforeMs)
    if (!(await this.#broadcaster.reaches(known)))
      throw new StoreUnavailable('The newest part of the log cannot be read.')
    if (known.knownMs > this.#known.knownMs) this.#known = known
  }

  lengthOf(clientId: string, knownMs: number): number {
    const { clients, clock } = this.#deps
    const seconds = clients.find(clientId)?.metadata.guardLeaseSeconds ?? LEAST_SECONDS
    const noted = this.#lengths.get(clientId)
    if (noted?.seconds === seconds)
      return knownMs < noted.sinceMs ? Math.min(noted.former, seconds) : seconds
    const former = noted?.seconds ?? seconds
    this.#lengths.set(clientId, { seconds, former, sinceMs: clock.elapsedMs() })
    return Math.min(former, seconds)
  }

  #remember<T extends { atMs?: number; steadyMs: number }>(seq: number, known: T): T {
    const published = this.#published
    published.set(seq, known)
    if (published.size > REMEMBERED)
      for (const key of [...published.keys()].slice(0, REMEMBERED / 10)) published.delete(key)
    return known
  }

  async #acknowledge(): Promise<void> {
    const list = this.#acknowledged
    this.#acknowledged = []
    // A time that could not be written is written for the first receipt, and is later then.
    await this.#deps.store.acknowledge(list).catch(() => undefined)
  }

  #lease(seconds: number): Uint8Array {
    const { seq, knownMs } = this.#known
    return frame('lease', { clock: this.clock, known_ms: knownMs, seconds, seq })
  }

  /**
   * Grants a lease to every stream that is due in this tick, after it has read what was not
   * announced in this process.
   */
  async #grant(): Promise<void> {
    const tick = this.#tick++
    const due = [...this.#streams].filter(
      ({ client }) => tick % Math.min(this.lengthOf(client.clientId, Infinity), MOST_TICKS) === 0,
    )
    if (due.length === 0) return
    try {
      await this.#reachKnown(-Infinity)
    } catch {
      // The store is down and has logged it. No lease can be granted.
      return
    }
    // No revocation is broadcast during this turn of the event loop, so every live stream has them
    // all.
    const frames = new Map<number, Uint8Array>()
    for (const stream of due) {
      if (stream.live && stream.hasOtherTenants) {
        stream.end('tenants')
        continue
      }
      const seconds = this.lengthOf(stream.client.clientId, this.#known.knownMs)
      const lease = frames.get(seconds) ?? this.#lease(seconds)
      frames.set(seconds, lease)
      stream.beat(lease)
    }
  }

  #openOf(clientId: string): number {
    return this.#ofClient.get(clientId) ?? 0
  }

  /**
   * Makes room for a new stream. If all streams are in use, the guard's own earlier stream is
   * closed, because its connection must have broken.
   * @throws OAuthError temporarily_unavailable if there is still no room
   */
  #makeRoom(clientId: string, guardId: string): void {
    const { ofClient, inAll } = this.#deps.config.feedStreams
    const isFull = (): boolean => this.#openOf(clientId) >= ofClient || this.#streams.size >= inAll
    if (isFull() && guardId !== ANY_GUARD)
      [...this.#streams]
        .find((stream) => stream.guardId === guardId && stream.client.clientId === clientId)
        ?.cut()
    if (!isFull()) return
    this.#deps.metrics.streamsRejected.inc({ client: clientId })
    throw new OAuthError(
      'temporarily_unavailable',
      'As many streams are open as may be. Close those of guards that have ended, and try again.',
      {
        headers: { 'Retry-After': String(NO_PLACE_SECONDS) },
      },
    )
  }

  #forget(stream: FeedStream): void {
    const { clientId } = stream.client
    this.#streams.delete(stream)
    this.leases.left(stream.name)
    const left = this.#openOf(clientId) - 1
    if (left > 0) this.#ofClient.set(clientId, left)
    else this.#ofClient.delete(clientId)
    this.#deps.metrics.guards.dec({ client: clientId })
    if (this.#streams.size === 0) this.#stopTimers()
  }

  #startTimers(): void {
    if (this.#timers.length > 0) return
    this.#timers = [
      setInterval(() => void this.#grant(), TICK_MS),
      setInterval(() => this.#review(), this.#reviewMs),
    ]
    for (const timer of this.#timers) timer.unref()
  }

  #stopTimers(): void {
    for (const timer of this.#timers) clearInterval(timer)
    this.#timers = []
  }

  #review(): void {
    for (const stream of [...this.#streams]) {
      if (this.#deps.clients.find(stream.client.clientId) === undefined)
        stream.end('client_removed')
      else void review(stream)
    }
  }
}

/** Closes a stream whose credential is no longer valid, and cuts one whose reader has stopped. */
async function review(stream: FeedStream): Promise<void> {
  if (await stream.isValid().catch(() => false)) stream.review()
  else stream.end('credential')
}
