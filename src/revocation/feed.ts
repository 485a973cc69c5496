import type { Deps } from '../deps.ts'
import type { Revocation } from '../../db/types.ts'
import type { Feed, FeedPosition } from './interface.ts'
import { FeedStream, type FeedLog } from './feed-stream.ts'
import { ANY_GUARD, entryOf, eventId, frame, PAGE, tenantsHeard } from './feed-wire.ts'
import { noteLost } from './lost-log.ts'
import { OAuthError } from '../protocol/error.ts'
import { Turns } from './turns.ts'

/**
 * The feed: the log of revocations as guards follow it, in the order of `seq` and without a gap. It owns who listens and what was
 * broadcast; it refuses to decide anything: what was not announced here, or in another order, it reads from the store.
 */

export { feedEndpoints } from './feed-endpoints.ts'

type FeedDeps = Pick<Deps, 'store' | 'clients' | 'metrics' | 'log' | 'clock'>

const HEARTBEAT_MS = 15_000
/** How often the log is looked at for what nobody announced to this process. */
const WATCH_MS = 5_000
/** Streams of one client that are served at a time: each may let a megabyte wait. More are kept open, with heartbeats, until one ends. */
export const MOST_STREAMS = 500
/** Reads of the log at a time, each a page and the event loop's turn after it. More wait: after a restart all guards come at once. */
const SNAPSHOTS_OF_ONE = 2
const SNAPSHOTS = 4
/** Publication times that are remembered, for the histograms. */
const REMEMBERED = 20_000

/** No name of a guard has a space. */
const nameOf = (clientId: string, guardId: string): string => `${guardId} ${clientId}`

/** @param options.heartbeatMs not given: 15 s, as docs/feed.md says */
export function createFeed(deps: FeedDeps, { heartbeatMs = HEARTBEAT_MS }: { heartbeatMs?: number } = {}): Feed {
  const streams = new Set<FeedStream>()
  /** By client and guard: a report looks at those alone. */
  const named = new Map<string, Set<FeedStream>>()
  const listeners = new Set<(revocation: Revocation) => void>()
  const published = new Map<number, number>()
  const broadcaster = createBroadcaster(deps, streams)
  const places = new Turns(MOST_STREAMS)
  const snapshots = new Turns(SNAPSHOTS_OF_ONE, SNAPSHOTS)
  /** How a stream that has a place gives it back. */
  const placed = new Map<FeedStream, () => void>()
  let closed = false
  const log: FeedLog = {
    store: deps.store,
    now: () => deps.clock.now(),
    head: broadcaster.head,
    // Who is not registered any more sees what concerns everybody, until its stream is ended.
    tenantsOf: (clientId) => {
      const client = deps.clients.find(clientId)
      return client === undefined ? [] : tenantsHeard(client, deps.clock.now())
    },
    turn: (clientId) => snapshots.take(clientId),
    ahead: (stream, seq, head) => noteLost(deps, { clientId: stream.client.clientId, guardId: stream.guardId, seq, head: head.seq }),
    closed: (stream) => {
      streams.delete(stream)
      const own = named.get(nameOf(stream.client.clientId, stream.guardId))
      own?.delete(stream)
      if (own?.size === 0) named.delete(nameOf(stream.client.clientId, stream.guardId))
      placed.get(stream)?.()
      placed.delete(stream)
      deps.metrics.guards.dec({ client: stream.client.clientId })
      if (streams.size === 0) stopTimers()
    },
  }
  let timers: NodeJS.Timeout[] = []
  const stopTimers = (): void => {
    for (const timer of timers) clearInterval(timer)
    timers = []
  }
  const startTimers = (): void => {
    if (timers.length > 0) return
    timers = [setInterval(heartbeat, heartbeatMs), setInterval(() => void broadcaster.watch(), WATCH_MS)]
    for (const timer of timers) timer.unref()
  }
  const heartbeat = (): void => {
    for (const stream of [...streams]) {
      if (deps.clients.find(stream.client.clientId) === undefined) stream.end('client_removed')
      else void beat(stream)
    }
  }
  /** Whoever opened it with a secret that has been taken away since listens no longer. */
  const beat = async (stream: FeedStream): Promise<void> => {
    if (await stream.stands().catch(() => false)) stream.beat()
    else stream.end('credential')
  }
  /** Where all places of a client are taken, a stream that the same guard opened before gives way: its connection broke without a word. */
  const makeRoom = (clientId: string, guardId: string): void => {
    const own = [...streams].filter((stream) => stream.client.clientId === clientId)
    if (own.length >= MOST_STREAMS) own.find((stream) => stream.guardId === guardId && guardId !== ANY_GUARD)?.cut()
  }
  const serve = async (stream: FeedStream, after: FeedPosition | undefined, retiredKids: string[]): Promise<void> => {
    const leave = await places.take(stream.client.clientId)
    if (!stream.open) return leave()
    placed.set(stream, leave)
    await broadcaster.ready()
    await stream.catchUp(after, retiredKids)
  }

  return {
    publish(revocation) {
      published.set(revocation.seq, deps.clock.nowMs())
      if (published.size > REMEMBERED) for (const seq of [...published.keys()].slice(0, REMEMBERED / 10)) published.delete(seq)
      broadcaster.publish(revocation)
      for (const listener of [...listeners]) listener(revocation)
    },
    publishKeys(retiredKids) {
      const bytes = frame('keys', { jwks: 'changed', retired_kids: retiredKids })
      for (const stream of [...streams]) stream.send(bytes)
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    publishedAtMs: (seq) => published.get(seq),
    turn: log.turn,
    open({ after, retiredKids, ...listener }) {
      if (closed)
        throw new OAuthError('temporarily_unavailable', 'The broker is restarting. Connect again in a moment.', { headers: { 'Retry-After': '1' } })
      makeRoom(listener.client.clientId, listener.guardId)
      const stream = new FeedStream(log, listener)
      streams.add(stream)
      const name = nameOf(listener.client.clientId, listener.guardId)
      named.set(name, (named.get(name) ?? new Set<FeedStream>()).add(stream))
      deps.metrics.guards.inc({ client: listener.client.clientId })
      startTimers()
      serve(stream, after, retiredKids).catch((error: unknown) => {
        deps.log.warn('feed_stream_failed', { client_id: listener.client.clientId, cause: String(error) })
        stream.cut()
      })
      return stream.body
    },
    enforced(clientId, guardId, seq) {
      for (const stream of named.get(nameOf(clientId, guardId)) ?? []) stream.enforcedSeq = Math.max(stream.enforcedSeq ?? 0, seq)
    },
    since(clientId, guardId) {
      const opened = [...(named.get(nameOf(clientId, guardId)) ?? [])].map((stream) => stream.since)
      return opened.length === 0 ? undefined : Math.min(...opened)
    },
    streams: () => [...streams].map(({ client, guardId, since, enforcedSeq }) => ({ clientId: client.clientId, guardId, since, enforcedSeq })),
    close() {
      closed = true
      for (const stream of [...streams]) stream.end('shutdown')
      stopTimers()
    },
  }
}

/**
 * Sends each revocation once, in the order of the log. Announcements may come in another order, or never (another process made them):
 * a gap is filled from the store, where everything with a lower `seq` is committed by then.
 */
function createBroadcaster(deps: FeedDeps, streams: Set<FeedStream>) {
  let at: FeedPosition | undefined
  let starting: Promise<void> | undefined
  let filling = false
  let scheduled = false
  const ahead = new Map<number, Revocation>()

  const send = (revocation: Revocation, epoch: string): void => {
    at = { epoch, seq: revocation.seq }
    const id = eventId(at)
    const seen = frame('revocation', entryOf(revocation), id)
    const passed = frame('head', { seq: revocation.seq }, id)
    const removed = revocation.reason === 'client_removed' && revocation.selector.kind === 'client' ? revocation.selector.clientId : undefined
    for (const stream of [...streams]) {
      stream.tell(revocation, seen, passed)
      if (stream.client.clientId === removed) stream.end('client_removed')
    }
  }
  const drain = (): void => {
    if (at === undefined) return
    for (let next = ahead.get(at.seq + 1); next !== undefined; next = ahead.get(at.seq + 1)) {
      ahead.delete(next.seq)
      send(next, at.epoch)
    }
    for (const seq of ahead.keys()) if (seq <= at.seq) ahead.delete(seq)
    if (ahead.size > 0 && !filling) void fill([...ahead.keys()].reduce((a, b) => Math.max(a, b)))
  }
  const fill = async (upTo: number): Promise<void> => {
    filling = true
    try {
      while (at !== undefined && at.seq < upTo) {
        const { epoch, seq } = at
        const rows = await deps.store.revocationsAfter({ after: seq, since: 0, limit: PAGE })
        for (const row of rows) if (row.seq > (at?.seq ?? 0)) send(row, epoch)
        if (rows.length === 0) at = { epoch, seq: upTo }
      }
    } catch (error) {
      deps.log.warn('feed_gap_not_read', { cause: String(error) })
    } finally {
      filling = false
    }
    // After an error the next publication, or the watch, tries again.
    if (at !== undefined && at.seq >= upTo) drain()
  }
  const start = async (): Promise<void> => {
    try {
      at = await deps.store.head()
      drain()
    } finally {
      starting = undefined
    }
  }

  return {
    head: (): FeedPosition => at ?? { epoch: '', seq: 0 },
    ready: async (): Promise<void> => {
      if (at === undefined) await (starting ??= start())
    },
    publish(revocation: Revocation): void {
      // Until somebody listens there is nobody to tell; while the head is being read, what comes is kept.
      if (at === undefined && starting === undefined) return
      if (at === undefined || revocation.seq > at.seq) ahead.set(revocation.seq, revocation)
      if (scheduled) return
      scheduled = true
      // After the turn: whoever signs out has their answer first, and what was announced out of order is in order by then.
      setImmediate(() => {
        scheduled = false
        drain()
      })
    },
    async watch(): Promise<void> {
      if (at === undefined || filling) return
      try {
        const head = await deps.store.head()
        if (head.epoch !== at.epoch || head.seq < at.seq) {
          at = head
          ahead.clear()
          for (const stream of [...streams]) stream.end('reset')
        } else if (head.seq > at.seq) await fill(head.seq)
      } catch (error) {
        deps.log.warn('feed_head_not_read', { cause: String(error) })
      }
    },
  }
}
