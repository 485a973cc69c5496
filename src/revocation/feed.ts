import type { Deps } from './deps.ts'
import type { Revocation } from '../../db/types.ts'
import { Broadcaster } from './broadcaster.ts'
import type { Feed, FeedPosition } from './interface.ts'
import { FeedStream, type FeedLog } from './feed-stream.ts'
import { ANY_GUARD, frame, tenantsHeard, noteLost } from './feed-wire.ts'
import { OAuthError } from '../protocol/error.ts'
import { FairLimiter } from '../runtime/concurrency.ts'

/**
 * The feed: the log of revocations as guards follow it, in the order of `seq` and without a gap. It
 * owns who listens and what was broadcast; it refuses to decide anything: what was not announced
 * here, or in another order, it reads from the store.
 */

type FeedDeps = Pick<
  Deps,
  'config' | 'store' | 'clients' | 'metrics' | 'log' | 'clock' | 'rateLimits'
>

const HEARTBEAT_MS = 15_000
/** How often the log is looked at for what was not announced to this process. */
const WATCH_MS = 5_000
/** When a guard whose stream has no place tries again. */
const NO_PLACE_SECONDS = 10
/**
 * Reads of the log at a time, each a page and the event loop's turn after it. More wait: after a
 * restart all guards come at once.
 */
const SNAPSHOTS_OF_ONE = 2
const SNAPSHOTS = 4
/** Publication times that are remembered, for the histograms. */
const REMEMBERED = 20_000

/** No name of a guard has a space. */
const nameOf = (clientId: string, guardId: string): string => `${guardId} ${clientId}`

export class FeedOfThisProcess implements Feed {
  readonly #deps: FeedDeps
  readonly #heartbeatMs: number
  readonly #streams = new Set<FeedStream>()
  /** By client and guard: a report looks at those alone. */
  readonly #named = new Map<string, Set<FeedStream>>()
  readonly #listeners = new Set<(revocation: Revocation) => void>()
  readonly #published = new Map<number, number>()
  readonly #broadcaster: Broadcaster
  readonly #snapshots = new FairLimiter(SNAPSHOTS_OF_ONE, SNAPSHOTS)
  readonly #ofClient = new Map<string, number>()
  readonly #log: FeedLog
  #timers: NodeJS.Timeout[] = []
  #closed = false

  /** @param heartbeatMs as docs/feed.md says */
  constructor(deps: FeedDeps, heartbeatMs = HEARTBEAT_MS) {
    this.#deps = deps
    this.#heartbeatMs = heartbeatMs
    this.#broadcaster = new Broadcaster(deps, this.#streams)
    this.#log = {
      store: deps.store,
      now: () => deps.clock.now(),
      head: () => this.#broadcaster.head(),
      // A client that is not registered any more sees what concerns all tenants, until its stream
      // is ended.
      tenantsOf: (clientId) => {
        const client = deps.clients.find(clientId)
        return client === undefined ? [] : tenantsHeard(client, deps.clock.now())
      },
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

  publish(revocation: Revocation): void {
    const published = this.#published
    published.set(revocation.seq, this.#deps.clock.nowMs())
    if (published.size > REMEMBERED)
      for (const seq of [...published.keys()].slice(0, REMEMBERED / 10)) published.delete(seq)
    this.#broadcaster.publish(revocation)
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
    return this.#published.get(seq)
  }

  turn(clientId: string): Promise<() => void> {
    return this.#snapshots.take(clientId)
  }

  open({
    after,
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
    const stream = new FeedStream(this.#log, listener)
    this.#streams.add(stream)
    this.#ofClient.set(clientId, this.#openOf(clientId) + 1)
    const name = nameOf(clientId, listener.guardId)
    this.#named.set(name, (this.#named.get(name) ?? new Set<FeedStream>()).add(stream))
    this.#deps.metrics.guards.inc({ client: clientId })
    this.#startTimers()
    this.#serve(stream, after, retiredKids).catch((error: unknown) => {
      this.#deps.log.warn('feed_stream_failed', { client_id: clientId, cause: String(error) })
      stream.cut()
    })
    return stream.body
  }

  enforced(clientId: string, guardId: string, seq: number): void {
    for (const stream of this.#named.get(nameOf(clientId, guardId)) ?? [])
      stream.enforcedSeq = Math.max(stream.enforcedSeq ?? 0, seq)
  }

  since(clientId: string, guardId: string): number | undefined {
    const opened = [...(this.#named.get(nameOf(clientId, guardId)) ?? [])].map(
      (stream) => stream.since,
    )
    return opened.length === 0 ? undefined : Math.min(...opened)
  }

  streams(): ReturnType<Feed['streams']> {
    return [...this.#streams].map(({ client, guardId, since, enforcedSeq }) => ({
      clientId: client.clientId,
      guardId,
      since,
      enforcedSeq,
    }))
  }

  close(): void {
    this.#closed = true
    for (const stream of [...this.#streams]) stream.end('shutdown')
    this.#stopTimers()
  }

  async #serve(
    stream: FeedStream,
    after: FeedPosition | undefined,
    retiredKids: string[],
  ): Promise<void> {
    await this.#broadcaster.ready()
    await stream.catchUp(after, retiredKids)
  }

  #openOf(clientId: string): number {
    return this.#ofClient.get(clientId) ?? 0
  }

  /**
   * Where all places are taken, a stream that the same guard opened before gives way: its
   * connection broke unnoticed.
   * @throws OAuthError temporarily_unavailable where there is no place
   */
  #makeRoom(clientId: string, guardId: string): void {
    const { ofClient, inAll } = this.#deps.config.feedStreams
    const isFull = (): boolean => this.#openOf(clientId) >= ofClient || this.#streams.size >= inAll
    const [before] = this.#named.get(nameOf(clientId, guardId)) ?? []
    if (isFull() && guardId !== ANY_GUARD) before?.cut()
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
    const own = this.#named.get(nameOf(clientId, stream.guardId))
    own?.delete(stream)
    if (own?.size === 0) this.#named.delete(nameOf(clientId, stream.guardId))
    const left = this.#openOf(clientId) - 1
    if (left > 0) this.#ofClient.set(clientId, left)
    else this.#ofClient.delete(clientId)
    this.#deps.metrics.guards.dec({ client: clientId })
    if (this.#streams.size === 0) this.#stopTimers()
  }

  #startTimers(): void {
    if (this.#timers.length > 0) return
    this.#timers = [
      setInterval(() => this.#heartbeat(), this.#heartbeatMs),
      setInterval(() => void this.#broadcaster.watch(), WATCH_MS),
    ]
    for (const timer of this.#timers) timer.unref()
  }

  #stopTimers(): void {
    for (const timer of this.#timers) clearInterval(timer)
    this.#timers = []
  }

  #heartbeat(): void {
    for (const stream of [...this.#streams]) {
      if (this.#deps.clients.find(stream.client.clientId) === undefined)
        stream.end('client_removed')
      else void beat(stream)
    }
  }
}

/** A stream ends when the credential that opened it is no longer valid. */
async function beat(stream: FeedStream): Promise<void> {
  if (await stream.isValid().catch(() => false)) stream.beat()
  else stream.end('credential')
}
